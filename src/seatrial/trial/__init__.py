"""A workload run by candidates: the plan, the runner, the observation log and the evidence it leaves."""

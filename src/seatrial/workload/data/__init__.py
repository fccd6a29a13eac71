"""The workloads that come with Seatrial: one folder each, in the format of `docs/workloads.md`."""

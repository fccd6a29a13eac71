"""Observations cut into slices: what one candidate did on one workload, in the order of the items.

A run comes in, a `Slice` for each (candidate, workload) with at least one observation goes out. The order of the
observations in the log changes nothing: they are put in the order of the items, and of two answers to one item the
later stands.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from seatrial.trial.record import Observation, Run, WorkloadRecord


@dataclass(frozen=True, slots=True)
class Slice:
    """One candidate on one workload. `clusters` runs parallel to `observations` where items share sources, else it is
    None."""

    candidate: str
    workload: WorkloadRecord
    observations: tuple[Observation, ...]
    clusters: tuple[str, ...] | None

    @property
    def n(self) -> int:
        """How many items have an observation."""
        return len(self.observations)

    @property
    def complete(self) -> bool:
        """Was every planned item tried?"""
        return self.n >= self.workload.num_items

    @property
    def scores(self) -> list[float]:
        """The score of each item, failures 0."""
        return [0.0 if observation.failure else observation.score for observation in self.observations]

    @property
    def answered(self) -> list[Observation]:
        """The observations that are answers, not failures."""
        return [observation for observation in self.observations if observation.failure is None]

    @property
    def busy_s(self) -> float:
        """Seconds during which at least one request was under way: the union of the intervals from start to answer."""
        intervals = sorted(
            (observation.started_at, observation.started_at + timedelta(seconds=observation.latency_s))
            for observation in self.observations
            if observation.latency_s is not None
        )
        total = timedelta()
        end = None
        for start, stop in intervals:
            if end is None or start > end:
                total += stop - start
                end = stop
            elif stop > end:
                total += stop - end
                end = stop
        return total.total_seconds()


Slices = Mapping[tuple[str, str], Slice]


def slices_of(run: Run) -> dict[tuple[str, str], Slice]:
    """The slices of a run by (candidate, workload), in the order of the manifest. Observations of anything the manifest
    does not name are left out."""
    latest: dict[tuple[str, str, str], Observation] = {}
    for observation in sorted(run.observations, key=lambda each: (each.started_at, each.key)):
        latest[observation.candidate, observation.workload, observation.item] = observation
    found = {}
    for candidate in dict.fromkeys(candidate.id for candidate in run.manifest.candidates):
        for workload in run.manifest.workloads:
            items = [item for item in run.items if item.workload == workload.name]
            tried = [item for item in items if (candidate, workload.name, item.id) in latest]
            if tried:
                found[candidate, workload.name] = Slice(
                    candidate,
                    workload,
                    tuple(latest[candidate, workload.name, item.id] for item in tried),
                    tuple(item.cluster or f"item {item.id}" for item in tried) if workload.clustered else None,
                )
    return found

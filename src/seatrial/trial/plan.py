"""What a trial will ask: every candidate on every planned item, each question with its key.

A plan is a value: the same candidates, workloads, seed and limit give the same keys, in any process on any machine. The
runner asks the questions whose keys the observation log does not hold yet.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from seatrial.errors import UsageError
from seatrial.trial.candidates import identity
from seatrial.trial.pictures import picture_records
from seatrial.trial.record import Candidate, ItemRecord, WorkloadRecord
from seatrial.workload.specification import Item, Workload


@dataclass(frozen=True, slots=True)
class Question:
    """One item to ask one candidate. `key` is the same in every session that would ask the same thing."""

    key: str
    item: Item


@dataclass(frozen=True, slots=True)
class PlannedWorkload:
    """A workload and those of its items that are asked, in the workload's order."""

    workload: Workload
    items: tuple[Item, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """A trial before it runs. Every candidate is asked the same items."""

    candidates: tuple[Candidate, ...]
    workloads: tuple[PlannedWorkload, ...]
    seed: int
    limit: int | None

    @property
    def items(self) -> dict[str, tuple[Item, ...]]:
        """The items that are asked, by the name of their workload."""
        return {planned.workload.name: planned.items for planned in self.workloads}

    @property
    def num_questions(self) -> int:
        """Candidates × items."""
        return len(self.candidates) * sum(len(planned.items) for planned in self.workloads)

    @property
    def id(self) -> str:
        """Twelve hex digits that stand for the plan: a name for its run."""
        keys = [
            question.key
            for candidate in self.candidates
            for planned in self.workloads
            for question in self.questions(candidate, planned)
        ]
        return _digest([*[candidate.id for candidate in self.candidates], *keys])[:12]

    def questions(self, candidate: Candidate, planned: PlannedWorkload) -> list[Question]:
        """What `candidate` is asked on one workload."""
        what = [candidate.id, *identity(candidate), planned.workload.fingerprint, self.seed]
        prefix = hashlib.sha256(msgspec.json.encode(what))
        questions = []
        for item in planned.items:
            key = prefix.copy()
            key.update(b"\n" + item.id.encode())
            questions.append(Question(key.hexdigest()[:32], item))
        return questions


def plan_trial(
    candidates: Sequence[Candidate], workloads: Sequence[Workload], *, seed: int, limit: int | None = None
) -> Plan:
    """The plan of a trial. `limit` asks at most that many items of each workload.

    A limited plan takes a random sample: the items that come first in an order drawn by `seed`, so that a larger limit
    only adds items, and clusters are met in proportion. Raises UsageError for a limit below 1, no candidates, or two
    candidates or workloads of one name.
    """
    if not candidates:
        raise UsageError("A trial needs a candidate.")
    if limit is not None and limit < 1:
        raise UsageError(f"The limit is {limit}; it must be at least 1 item of each workload.")
    _refuse_twins("candidate", [candidate.id for candidate in candidates])
    _refuse_twins("workload", [workload.name for workload in workloads])
    planned = tuple(PlannedWorkload(workload, _sample(workload, seed, limit)) for workload in workloads)
    return Plan(tuple(candidates), planned, seed, limit)


def workload_record(planned: PlannedWorkload) -> WorkloadRecord:
    """A workload as a run remembers it."""
    workload = planned.workload
    return WorkloadRecord(
        name=workload.name,
        version=workload.version,
        title=workload.title,
        task=workload.task,
        description=workload.description,
        licence=workload.licence,
        scorer=workload.scorer.name,
        origin=workload.origin,
        fingerprint=workload.fingerprint,
        num_items=len(planned.items),
        num_available=len(workload.items),
        clustered=any(item.cluster is not None for item in workload.items),
        structured=workload.scorer.name in ("json_fields", "json_schema"),
    )


def item_records(planned: PlannedWorkload) -> list[ItemRecord]:
    """A workload's planned items as a run remembers them."""
    name = planned.workload.name
    return [
        ItemRecord(
            workload=name,
            id=item.id,
            input=item.input,
            expected=item.expected,
            cluster=item.cluster,
            pictures=picture_records(item),
        )
        for item in planned.items
    ]


def _sample(workload: Workload, seed: int, limit: int | None) -> tuple[Item, ...]:
    if limit is None or limit >= len(workload.items):
        return workload.items
    drawn = sorted(workload.items, key=lambda item: _digest([str(seed), workload.name, item.id]))
    chosen = {item.id for item in drawn[:limit]}
    return tuple(item for item in workload.items if item.id in chosen)


def _refuse_twins(what: str, names: list[str]) -> None:
    twin = next((name for name in names if names.count(name) > 1), None)
    if twin is not None:
        raise UsageError(f"There are two {what}s called `{twin}`. Name each {what} once.")


def _digest(texts: Sequence[str]) -> str:
    return hashlib.sha256(msgspec.json.encode(texts)).hexdigest()

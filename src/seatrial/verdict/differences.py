"""What people look at beside the figures: the items on which candidates differ, and how long answers took.

Slices and items come in; `ItemDifference`s (those that differ most first) and thinned `LatencyProfile`s go out.
"""

from __future__ import annotations

from collections.abc import Sequence

from seatrial.trial.contrast import most_contrasting
from seatrial.trial.record import ItemRecord, Observation
from seatrial.verdict.document import AnswerShown, ItemDifference, LatencyProfile
from seatrial.verdict.slices import Slices

MOST_ITEMS_EACH = 12
_MOST_CHARACTERS = 1_200
_MOST_POINTS = 200


def item_differences(items: Sequence[ItemRecord], slices: Slices, most: int = MOST_ITEMS_EACH) -> list[ItemDifference]:
    """For each workload up to `most` items whose scores differ between candidates.

    Those that tell candidates apart best come first (`trial.contrast`).
    """
    seen: dict[tuple[str, str], dict[str, Observation]] = {}
    for (candidate, workload), each in slices.items():
        for observation in each.observations:
            seen.setdefault((workload, observation.item), {})[candidate] = observation
    found: list[ItemDifference] = []
    for workload in dict.fromkeys(item.workload for item in items):
        asked = {item.id: item for item in items if item.workload == workload}
        answers = {item: seen[workload, item] for item in asked if (workload, item) in seen}
        scores = {item: [_score(answer) for answer in each.values()] for item, each in answers.items()}
        found += [_difference(asked[item], answers[item]) for item in most_contrasting(scores)[:most]]
    return found


def latency_profiles(slices: Slices) -> list[LatencyProfile]:
    """The latencies of every slice that has any: sorted, and thinned evenly to at most 200 points with the fastest and
    slowest kept."""
    profiles = []
    for (candidate, workload), each in slices.items():
        latencies = sorted(seen.latency_s for seen in each.answered if seen.latency_s is not None)
        if latencies:
            profiles.append(LatencyProfile(candidate=candidate, workload=workload, seconds=_thinned(latencies)))
    return profiles


def _difference(item: ItemRecord, answers: dict[str, Observation]) -> ItemDifference:
    return ItemDifference(
        workload=item.workload,
        item=item.id,
        input=_shortened(item.input),
        expected=item.expected,
        cluster=item.cluster,
        answers=[
            AnswerShown(
                candidate=candidate,
                text=None if answer.text is None else _shortened(answer.text),
                score=_score(answer),
                failure=f"{answer.failure.type}: {answer.failure.message}" if answer.failure else "",
            )
            for candidate, answer in answers.items()
        ],
    )


def _score(answer: Observation) -> float:
    return 0.0 if answer.failure else answer.score


def _shortened(text: str) -> str:
    return text if len(text) <= _MOST_CHARACTERS else text[:_MOST_CHARACTERS] + " …"


def _thinned(latencies: Sequence[float]) -> list[float]:
    if len(latencies) <= _MOST_POINTS:
        return list(latencies)
    last = len(latencies) - 1
    return [latencies[round(index * last / (_MOST_POINTS - 1))] for index in range(_MOST_POINTS)]

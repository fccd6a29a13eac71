"""What people look at beside the figures: the items on which candidates differ, and how long answers took.

Slices and items come in; `ItemDifference`s (those that differ most first) and thinned `LatencyProfile`s go out.
"""

from __future__ import annotations

from collections.abc import Sequence

from seatrial.trial.record import ItemRecord, Observation
from seatrial.verdict.document import AnswerShown, ItemDifference, LatencyProfile
from seatrial.verdict.slices import Slices

MOST_ITEMS_EACH = 12
_MOST_CHARACTERS = 1_200
_MOST_POINTS = 200


def item_differences(items: Sequence[ItemRecord], slices: Slices, most: int = MOST_ITEMS_EACH) -> list[ItemDifference]:
    """For each workload up to `most` items whose scores differ between candidates.

    The widest spread comes first; of equals those where candidates are most evenly split, then by item, so that the
    log's order plays no part.
    """
    seen: dict[tuple[str, str], dict[str, Observation]] = {}
    for (candidate, workload), each in slices.items():
        for observation in each.observations:
            seen.setdefault((workload, observation.item), {})[candidate] = observation
    found: list[ItemDifference] = []
    for workload in dict.fromkeys(item.workload for item in items):
        differing = [
            (item, answers)
            for item in items
            if item.workload == workload and _spread(answers := seen.get((workload, item.id), {})) > 0
        ]
        differing.sort(key=lambda pair: (-_spread(pair[1]), -_evenness(pair[1]), pair[0].id))
        found += [_difference(item, answers) for item, answers in differing[:most]]
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


def _spread(answers: dict[str, Observation]) -> float:
    scores = [_score(answer) for answer in answers.values()]
    return max(scores) - min(scores) if len(scores) > 1 else 0.0


def _evenness(answers: dict[str, Observation]) -> float:
    """1 where half are right and half wrong, 0 where all agree."""
    average = sum(_score(answer) for answer in answers.values()) / len(answers)
    return 4 * average * (1 - average)


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

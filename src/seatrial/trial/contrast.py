"""Which items tell candidates apart: those that people should look at, and whose pictures are worth keeping.

The scores that candidates got on each item come in, the ids of items on which they differ go out, best ones first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence


def most_contrasting(scores: Mapping[str, Sequence[float]]) -> list[str]:
    """The items whose scores differ. The widest spread comes first; of equals those where candidates are most evenly
    split, then by id, so that the order in which answers came plays no part."""
    differing = [item for item, each in scores.items() if _spread(each) > 0]
    return sorted(differing, key=lambda item: (-_spread(scores[item]), -_evenness(scores[item]), item))


def most_telling(scores: Mapping[str, Sequence[float]]) -> list[str]:
    """Every item that was answered: first those that differ, then the others, those that everybody failed before those
    that everybody got right."""
    alike = [item for item, each in scores.items() if each and _spread(each) == 0]
    return [*most_contrasting(scores), *sorted(alike, key=lambda item: (scores[item][0], item))]


def _spread(scores: Sequence[float]) -> float:
    return max(scores) - min(scores) if len(scores) > 1 else 0.0


def _evenness(scores: Sequence[float]) -> float:
    """1 where half are right and half wrong, 0 where all agree."""
    average = sum(scores) / len(scores)
    return 4 * average * (1 - average)

"""How much of a result hangs on one voter or one network: the weighted shares without each of them in turn.

In: the votes on one subject. Out: whose leaving would move a share most. No figure is thrown away for it: it tells a
person where to look.
"""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from seatrial.site.votes.records import VoteRecord

Kind: TypeAlias = Literal["voter", "network"]


@dataclass(frozen=True, slots=True)
class Mover:
    """Without `who`, who cast `num_votes` of the votes, the share of `choice` would be `share_without`: fractions.

    `choice` is the one whose share moves most.
    """

    kind: Kind
    who: str
    num_votes: int
    choice: str
    share: float
    share_without: float

    @property
    def shift(self) -> float:
        """How far `who` moves the share: positive where they raise it."""
        return self.share - self.share_without


def biggest_movers(votes: Iterable[VoteRecord], *, most: int = 10) -> list[Mover]:
    """The voters and networks whose leaving moves a share of this one subject most, biggest first; `most` of each.

    The leave-one-out influence of the jackknife (Efron 1982, §3), over votes and over networks as clusters. Who cast
    every vote there is has no share without them, and is left out.
    """
    total: Counter[str] = Counter()
    weights: dict[tuple[Kind, str], Counter[str]] = defaultdict(Counter)
    num: Counter[tuple[Kind, str]] = Counter()
    for vote in votes:
        total[vote.choice] += vote.weight
        for group in _groups(vote):
            weights[group][vote.choice] += vote.weight
            num[group] += 1
    found: list[Mover] = []
    for kind in ("network", "voter"):
        movers = (_mover(group, num[group], own, total) for group, own in weights.items() if group[0] == kind)
        found += heapq.nlargest(most, (each for each in movers if each), key=lambda each: abs(each.shift))
    return sorted(found, key=lambda each: -abs(each.shift))


def _groups(vote: VoteRecord) -> tuple[tuple[Kind, str], tuple[Kind, str]]:
    return ("voter", vote.voter), ("network", vote.network)


def _mover(group: tuple[Kind, str], num: int, own: Counter[str], total: Counter[str]) -> Mover | None:
    whole, rest = total.total(), total.total() - own.total()
    if rest <= 0:
        return None
    without = {choice: (total[choice] - own[choice]) / rest for choice in total}
    choice = max(total, key=lambda each: (abs(total[each] / whole - without[each]), each))
    return Mover(*group, num, choice, total[choice] / whole, without[choice])

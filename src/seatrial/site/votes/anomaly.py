"""Votes that look unlike the rest: networks and ten minutes that all say the same, voters who are copies of each other.

In: votes as they stand. Out: findings, each with what was seen beside what was to be expected, and a p-value adjusted
for how many were looked at (Holm 1979). A finding is a reason to look, not a proof: people of one office may well
agree, and who agrees on one model agrees on others. Nothing here changes a vote.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal, TypeAlias

import numpy as np
from scipy.stats import binom, hypergeom

from seatrial.site.votes.records import VoteRecord
from seatrial.stats.multiplicity import holm

Kind: TypeAlias = Literal["network", "window", "copies", "volume"]
WINDOW_MINUTES = 10
LEVEL = 0.001
_FEWEST_VOTES, _FEWEST_OTHERS = 5, 20
_FEWEST_SUBJECTS, _FEWEST_COPIES = 4, 3
_FEWEST_NETWORKS, _FAR_OUT = 20, 3.5


@dataclass(frozen=True, slots=True)
class Finding:
    """`who` is a network, the beginning of ten minutes, or one of the voters who are alike; `subject` where it is one.

    `p_value`, adjusted, is how often as much would be seen were nothing the matter; None for `volume`, which has none.
    """

    kind: Kind
    who: str
    subject: str | None
    num_votes: int
    text: str
    p_value: float | None


def find_anomalies(votes: Iterable[VoteRecord], *, level: float = LEVEL) -> list[Finding]:
    """Everything whose adjusted p-value is below `level`, and networks far out in volume; the least likely first."""
    all_votes = list(votes)
    found = [
        *_significant(one_sided(all_votes, "network", lambda vote: vote.network), level),
        *_significant(one_sided(all_votes, "window", lambda vote: _window(vote.at)), level),
        *_significant(copies(all_votes), level),
        *loud_networks(all_votes),
    ]
    return sorted(found, key=lambda each: (each.p_value is None, each.p_value or 0.0, -each.num_votes))


def one_sided(votes: Iterable[VoteRecord], kind: Kind, group_of: Callable[[VoteRecord], str]) -> list[Finding]:
    """Groups (networks, windows of time) that prefer a choice of a subject more than everybody else does.

    Fisher's exact test (1935), one-sided, of group against the rest: of N votes K are for the choice; that m drawn
    without replacement hold k or more has the hypergeometric tail. The choice is the one that the group exceeds most
    in, so p is multiplied by the number of choices seen. Groups of 5 votes with 20 others beside them are looked at.
    """
    by_subject: dict[str, dict[str, Counter[str]]] = defaultdict(lambda: defaultdict(Counter))
    for vote in votes:
        by_subject[vote.subject][group_of(vote)][vote.choice] += 1
    found = []
    for subject, groups in by_subject.items():
        total = sum(groups.values(), Counter[str]())
        for group, own in groups.items():
            if own.total() >= _FEWEST_VOTES and total.total() - own.total() >= _FEWEST_OTHERS:
                found.append(_tested(kind, group, subject, own, total))
    return found


def copies(votes: Iterable[VoteRecord]) -> list[Finding]:
    """Voters who said the same of the same subjects, four at least, more of them than agreement alone explains.

    Of n voters who voted on just these subjects, each is expected to say this with p = the product of the choices'
    shares on each subject, were their choices independent; that g or more do has a binomial tail. The shares are those
    of all votes, the copies' own among them, which makes p larger and the finding rarer.
    """
    records: dict[str, dict[str, str]] = defaultdict(dict)
    shares: dict[str, Counter[str]] = defaultdict(Counter)
    for vote in votes:
        records[vote.voter][vote.subject] = vote.choice
        shares[vote.subject][vote.choice] += 1
    alike: dict[frozenset[tuple[str, str]], list[str]] = defaultdict(list)
    same_subjects: Counter[frozenset[str]] = Counter()
    for voter, said in records.items():
        if len(said) >= _FEWEST_SUBJECTS:
            alike[frozenset(said.items())].append(voter)
            same_subjects[frozenset(said)] += 1
    return [
        _copied(said, voters, same_subjects[frozenset(subject for subject, _ in said)], shares)
        for said, voters in alike.items()
        if len(voters) >= _FEWEST_COPIES
    ]


def loud_networks(votes: Iterable[VoteRecord]) -> list[Finding]:
    """Networks with far more votes than others: a modified z-score of log counts above 3.5.

    0.6745 · (x − median) / MAD; where the MAD is 0, (x − median) / (1.2533 · mean absolute deviation) (Iglewicz and
    Hoaglin 1993, How to Detect and Handle Outliers, §3.3). Twenty networks are needed to tell.
    """
    num = Counter(vote.network for vote in votes)
    if len(num) < _FEWEST_NETWORKS:
        return []
    logs = np.log(np.fromiter(num.values(), dtype=np.float64))
    median = float(np.median(logs))
    deviations = np.abs(logs - median)
    scale = float(np.median(deviations)) / 0.6745 or 1.253314 * float(deviations.mean())
    if scale == 0.0:
        return []
    usual = round(math.exp(median))
    return [
        Finding("volume", network, None, count, f"{count:,} votes, where networks usually cast {usual:,}", None)
        for network, count in num.items()
        if count >= _FEWEST_OTHERS and (math.log(count) - median) / scale > _FAR_OUT
    ]


def _tested(kind: Kind, group: str, subject: str, own: Counter[str], total: Counter[str]) -> Finding:
    size, everything = own.total(), total.total()
    p_values = {choice: float(hypergeom.sf(own[choice] - 1, everything, total[choice], size)) for choice in sorted(own)}
    choice = min(p_values, key=lambda each: p_values[each])
    others = (total[choice] - own[choice]) / (everything - size)
    text = f"{own[choice]:,} of {size:,} votes for `{choice}`, where all others give it {others:.0%}"
    return Finding(kind, group, subject, size, text, min(1.0, p_values[choice] * len(total)))


def _copied(
    said: frozenset[tuple[str, str]], voters: Sequence[str], of: int, shares: Mapping[str, Counter[str]]
) -> Finding:
    chance = math.prod(shares[subject][choice] / shares[subject].total() for subject, choice in said)
    p = float(binom.sf(len(voters) - 1, of, chance))
    text = f"{len(voters):,} voters said the same of {len(said)} subjects, where {of * chance:.1f} of {of:,} would"
    return Finding("copies", min(voters), None, len(voters) * len(said), text, p)


def _significant(found: Sequence[Finding], level: float) -> list[Finding]:
    adjusted = holm([each.p_value or 0.0 for each in found])
    return [replace(each, p_value=p) for each, p in zip(found, adjusted, strict=True) if p < level]


def _window(at: datetime) -> str:
    begin = at.replace(minute=at.minute // WINDOW_MINUTES * WINDOW_MINUTES, second=0, microsecond=0)
    return f"{begin:%Y-%m-%d %H:%M}"

"""The decision: ship, skip, mix or undecided, by the rules of docs/decisions/0002, in their order.

Standings, vetoes and the panel's counts come in, a `Ruling` goes out: what to use for which workload, what is lost,
what is open. The words for it are made in `narrative`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from seatrial.verdict.document import Decision, PanelCount
from seatrial.verdict.standing import Standings

LEAST_ITEMS = 30


@dataclass(frozen=True, slots=True)
class Case:
    """What is decided on. `more_items(candidate, against, workload)` tells how many more items would settle that
    comparison; `against` None: against the floor."""

    candidates: tuple[str, ...]
    standings: Standings
    vetoed: frozenset[str]
    panel: Mapping[str, PanelCount]
    more_items: Callable[[str, str | None, str], int | None]

    @property
    def eligible(self) -> list[str]:
        """Rule 1: measured on everything, vetoed by nobody."""
        return [who for who in self.standings.complete if who not in self.vetoed]

    def voted_down(self, candidate: str) -> bool:
        """Did more reviewers skip it than ship it?"""
        count = self.panel[candidate]
        return count.cast - count.ships > count.ships


@dataclass(frozen=True, slots=True)
class Lost:
    """A workload for which nothing is shipped: no candidate is `unfit` no longer, or the panel `voted_down` all that
    would do. `best` is the best there was."""

    workload: str
    why: Literal["unfit", "voted_down"]
    best: str


@dataclass(frozen=True, slots=True)
class Open:
    """What the intervals leave open on a workload: `few_items` to judge by, whether `candidate` reaches the `floor` or
    beats the `constant` answer, or whether a `cheaper` one is as good as `against`. `more_items` would settle it; None:
    no number is known that would."""

    why: Literal["few_items", "floor", "constant", "cheaper"]
    workload: str
    candidate: str
    against: str | None
    more_items: int | None


@dataclass(frozen=True, slots=True)
class Ruling:
    """The decision. `choices` maps workloads to the candidate chosen, `references` to the one it was held against; both
    stand on an undecided verdict too, as things look now."""

    decision: Decision
    choices: Mapping[str, str]
    references: Mapping[str, str]
    lost: tuple[Lost, ...]
    open: tuple[Open, ...]

    @property
    def chosen(self) -> list[str]:
        """The candidates chosen, each once."""
        return list(dict.fromkeys(self.choices.values()))

    @property
    def more_items(self) -> int | None:
        """How many more items, over all workloads, would settle what is open. None: nothing is open, or no number
        would."""
        by_workload: dict[str, int] = {}
        for each in self.open:
            if each.more_items is None:
                return None
            by_workload[each.workload] = max(each.more_items, by_workload.get(each.workload, 0))
        return sum(by_workload.values()) if by_workload else None


@dataclass(frozen=True, slots=True)
class _Choice:
    """What rule 6 and 7 say about some workloads and their reference."""

    chosen: str | None
    open: tuple[Open, ...]


def decide(case: Case) -> Ruling:
    """Apply the rules."""
    standings, eligible = case.standings, case.eligible
    if not eligible:
        all_vetoed = all(who in case.vetoed for who in case.candidates)
        return Ruling("skip" if all_vetoed else "undecided", {}, {}, (), ())
    names = [workload.name for workload in standings.workloads]
    lost = [
        Lost(name, "unfit", _best(standings, eligible, [name]))
        for name in names
        if all(standings.fit(who, name) is False for who in eligible)
    ]
    served = [name for name in names if name not in {each.workload for each in lost}]
    if not served:
        return Ruling("skip", {}, {}, tuple(lost), ())
    choices: dict[str, str] = {}
    references: dict[str, str] = {}
    opens: list[Open] = []
    for reference, workloads in _part_ways(case, _best(standings, eligible, served), served):
        choice = _choose(case, reference, workloads)
        opens += choice.open
        for name in workloads:
            references[name] = reference
            if choice.chosen is not None:
                choices[name] = choice.chosen
            elif not choice.open:
                lost.append(Lost(name, "voted_down", reference))
    in_order = {name: choices[name] for name in names if name in choices}
    return Ruling(_word(in_order, opens), in_order, references, tuple(lost), tuple(opens))


def _word(choices: Mapping[str, str], opens: Sequence[Open]) -> Decision:
    """Rules 7 and 8."""
    if opens:
        return "undecided"
    return {0: "skip", 1: "ship"}.get(len(set(choices.values())), "mix")  # type: ignore[return-value]


def _part_ways(case: Case, reference: str, served: Sequence[str]) -> list[tuple[str, list[str]]]:
    """Rule 5: the reference with the workloads that stay with it, then each that leaves with a reference of its own."""
    staying: list[str] = []
    leaving: list[tuple[str, list[str]]] = []
    for name in served:
        fit = [who for who in case.eligible if case.standings.fit(who, name) is not False]
        if reference not in fit or any(case.standings.clearly_beats(who, reference, name) for who in fit):
            leaving.append((_best(case.standings, fit, [name]), [name]))
        else:
            staying.append(name)
    return [*([(reference, staying)] if staying else []), *leaving]


def _choose(case: Case, reference: str, workloads: Sequence[str]) -> _Choice:
    """Rules 6 and 7 for one reference and its workloads."""
    standings = case.standings
    pool = [
        who
        for who in case.eligible
        if all(standings.fit(who, name) is not False for name in workloads) and not case.voted_down(who)
    ]
    options = [who for who in pool if standings.good_enough(who, reference, workloads)]
    chosen = min(options, key=lambda who: _cheapest_first(standings, who, workloads), default=None)
    opens = _too_few(case, reference, workloads)
    if chosen is not None:
        opens += _fitness_open(case, chosen, workloads)
    opens += [
        each
        for who in pool
        if who not in options and (chosen is None or _is_cheaper(standings, who, chosen, workloads))
        for each in _still_open(case, who, reference, workloads)
    ]
    return _Choice(chosen, tuple(opens))


def _too_few(case: Case, reference: str, workloads: Sequence[str]) -> list[Open]:
    tried = {name: case.standings.totals[reference, name][1] for name in workloads}
    return [Open("few_items", name, reference, None, LEAST_ITEMS - n) for name, n in tried.items() if n < LEAST_ITEMS]


def _fitness_open(case: Case, chosen: str, workloads: Sequence[str]) -> list[Open]:
    standings, majority = case.standings, case.standings.majority
    opens: list[Open] = []
    for name in workloads:
        if standings.above_floor(chosen, name) is None:
            opens.append(Open("floor", name, chosen, None, case.more_items(chosen, None, name)))
        if majority is not None and standings.beats_constant(chosen, name) is None:
            opens.append(Open("constant", name, chosen, majority, case.more_items(majority, chosen, name)))
    return opens


def _still_open(case: Case, candidate: str, reference: str, workloads: Sequence[str]) -> list[Open]:
    """Might `candidate` still prove as good as the reference? One `Open` for each workload that leaves it so."""
    standings = case.standings
    answers = {name: standings.non_inferior(candidate, reference, name) for name in workloads}
    beaten = any(standings.beats(reference, candidate, name) for name in workloads)
    if beaten or any(answer is False for answer in answers.values()):
        return []
    return [
        Open("cheaper", name, candidate, reference, case.more_items(candidate, reference, name))
        for name, answer in answers.items()
        if answer is None
    ]


def _is_cheaper(standings: Standings, candidate: str, than: str, workloads: Sequence[str]) -> bool:
    return standings.price_rank(candidate, workloads)[0] < standings.price_rank(than, workloads)[0]


def _cheapest_first(standings: Standings, who: str, workloads: Sequence[str]) -> tuple[float, float, str]:
    cost, name = standings.price_rank(who, workloads)
    return (cost, -standings.quality(who, workloads), name)


def _best(standings: Standings, among: Sequence[str], workloads: Sequence[str]) -> str:
    best = standings.best(among, workloads)
    assert best is not None
    return best

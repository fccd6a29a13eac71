"""The panel: every reviewer votes on every candidate.

Rubrics and dossiers come in, ballots and counts go out. A failed veto is a skip; too little known is an abstention;
else the weight of what passed, beside what is known, decides.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from seatrial.verdict.document import Ballot, CriterionResult, PanelCount, Vote
from seatrial.verdict.dossier import KEYS, Dossier, Finding
from seatrial.verdict.evidence import Ledger
from seatrial.verdict.narrative import Answer, ballot_spans
from seatrial.verdict.rubric import Rubric
from seatrial.verdict.wording import plain


def cast_ballots(rubrics: Sequence[Rubric], dossiers: Mapping[str, Dossier], ledger: Ledger) -> list[Ballot]:
    """A ballot of each reviewer on each candidate, candidates in the order of `dossiers`."""
    places = {who: place for place, who in enumerate(sorted(dossiers))}
    return [_cast(rubric, who, dossier, places[who], ledger) for who, dossier in dossiers.items() for rubric in rubrics]


def vetoed_by_facts(rubrics: Sequence[Rubric], findings: Mapping[str, Finding]) -> bool:
    """Would any reviewer veto on these published facts? Nothing else carries a veto."""
    return any(
        criterion.veto and criterion.outcome(findings[criterion.key]) == "fail"
        for rubric in rubrics
        for criterion in rubric.criteria
    )


def count_votes(ballots: Iterable[Ballot], candidates: Iterable[str]) -> dict[str, PanelCount]:
    """Ships and ballots cast for each candidate; abstentions are not cast."""
    votes: dict[str, list[Vote]] = {who: [] for who in candidates}
    for ballot in ballots:
        if ballot.vote != "abstain":
            votes[ballot.candidate].append(ballot.vote)
    return {who: _count(cast) for who, cast in votes.items()}


def _count(cast: Sequence[Vote]) -> PanelCount:
    ships = sum(vote == "ship" for vote in cast)
    return PanelCount(ship_pct=100 * ships / len(cast) if cast else None, ships=ships, cast=len(cast))


def _cast(rubric: Rubric, candidate: str, dossier: Dossier, place: int, ledger: Ledger) -> Ballot:
    answers = [
        Answer(criterion, criterion.outcome(finding), finding, _threshold(rubric, index, ledger))
        for index, criterion in enumerate(rubric.criteria)
        if (finding := dossier[criterion.key]).applies
    ]
    vetoed = any(answer.criterion.veto and answer.outcome == "fail" for answer in answers)
    vote = _vote(rubric, answers, vetoed=vetoed)
    spans = ballot_spans(rubric, vote, answers, dossier, vetoed=vetoed, place=place)
    return Ballot(
        reviewer=rubric.id,
        candidate=candidate,
        vote=vote,
        vetoed=vetoed,
        text=plain(spans),
        spans=spans,
        criteria=[
            CriterionResult(
                name=answer.criterion.name,
                question=answer.criterion.question,
                outcome=answer.outcome,
                finding=list(answer.finding.detail),
                veto=answer.criterion.veto,
                weight=answer.criterion.weight,
            )
            for answer in answers
        ],
    )


def _vote(rubric: Rubric, answers: Sequence[Answer], *, vetoed: bool) -> Vote:
    if vetoed:
        return "skip"
    total = sum(answer.criterion.weight for answer in answers)
    known = sum(answer.criterion.weight for answer in answers if answer.outcome != "unknown")
    passed = sum(answer.criterion.weight for answer in answers if answer.outcome == "pass")
    if known == 0 or known < rubric.quorum * total:
        return "abstain"
    return "ship" if passed >= rubric.bar * known else "skip"


def _threshold(rubric: Rubric, index: int, ledger: Ledger) -> Finding:
    """The threshold as something a sentence can say, standing on the rubric itself."""
    criterion = rubric.criteria[index]
    said = criterion.said_threshold()
    if not said:
        return Finding()
    evidence = ledger.assumed(
        f"rubric/{rubric.id}/{criterion.key}",
        f"{rubric.title} asks: {KEYS[criterion.key].meaning} {criterion.comparison} {said}",
        f"the rubric of {rubric.title}",
    )
    return Finding(text=said, evidence=(evidence,))

"""The cards that introduce candidates: names, where they run, facts with every source, and the notices that cannot be
missed.

Contenders come in, `CandidateCard`s go out. Where sources disagree a row shows each figure with its own evidence;
nothing is averaged.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, TypeVar

from seatrial.catalog.entry import Entry, Fact, Licence, Retirement
from seatrial.trial.record import NotMeasured, Run
from seatrial.verdict import wording
from seatrial.verdict.contender import Contender
from seatrial.verdict.document import CandidateCard, FactRow, Span
from seatrial.verdict.evidence import Ledger, price_text

# A retirement this near stands on the card, whatever the reviewers make of it.
_NOTICE_DAYS = 365
T = TypeVar("T")

_BASELINE_WORDS = {
    "majority": (
        "Always the most frequent answer",
        "Gives the answer that the workload's examples have most often, to every question, unread. "
        "It is here to be beaten.",
    ),
    "nearest": (
        "The answer of the most similar example",
        "Finds the example whose words are most like the question's (TF-IDF) and gives its answer. "
        "No model, no weights, no key.",
    ),
}


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the facts table: its label, the facts, and how a value is written."""

    label: str
    facts: Sequence[Fact[Any]]
    write: Callable[[Any], str]


def cards_of(contenders: Sequence[Contender], run: Run, *, today: date, ledger: Ledger) -> list[CandidateCard]:
    """A card for each candidate of `run`."""
    measured = {observation.candidate for observation in run.observations}
    return [
        _card(contender, None if contender.id in measured else _why_not(contender, run), today, ledger)
        for contender in contenders
    ]


def _why_not(contender: Contender, run: Run) -> NotMeasured:
    """Why a candidate has no observations, and what would change that."""
    if contender.not_measured is not None:
        return contender.not_measured
    if run.manifest.workloads:
        return NotMeasured(
            candidate=contender.id, reason="The run was stopped before its turn.", way_out=run.manifest.command
        )
    return NotMeasured(
        candidate=contender.id,
        reason="No workload was run.",
        way_out=f"seatrial compare {contender.id} --on WORKLOAD",
    )


def _card(contender: Contender, missing: NotMeasured | None, today: date, ledger: Ledger) -> CandidateCard:
    entry = contender.entry
    tagline, description = _words(contender)
    return CandidateCard(
        id=contender.id,
        model=entry.id if entry is not None else contender.candidate.model,
        name=contender.title,
        category=entry.category if entry is not None else "baseline" if contender.runs == "baseline" else "text",
        maker=entry.maker if entry is not None else "",
        tagline=tagline,
        description=description,
        entry=entry.entry if entry is not None else "paid" if contender.runs == "hosted" else "free",
        runs=contender.runs,
        licence=_licence(contender),
        measured=missing is None,
        not_measured="" if missing is None else missing.reason,
        way_out="" if missing is None else missing.way_out,
        notices=_notices(entry, today, ledger) if entry is not None else [],
        facts=_facts(entry, ledger) if entry is not None else [],
    )


def _words(contender: Contender) -> tuple[str, str]:
    if contender.entry is not None:
        return contender.entry.tagline, contender.entry.description.strip()
    if contender.runs == "baseline":
        return _BASELINE_WORDS.get(contender.candidate.target, ("", ""))
    where = "on this machine" if contender.runs == "local" else f"at {contender.candidate.base_url or 'its server'}"
    return "Not in the catalog", f"`{contender.candidate.target}`, run {where}. The catalog knows nothing of it."


def _licence(contender: Contender) -> str:
    if contender.runs == "baseline":
        return "none needed"
    if contender.entry is None or not contender.entry.licence:
        return "not known"
    return contender.entry.licence[0].value.name


def _notices(entry: Entry, today: date, ledger: Ledger) -> list[list[Span]]:
    notices = []
    if entry.retirement and (entry.retirement[0].value.on - today).days <= _NOTICE_DAYS:
        notices.append(_retirement_notice(entry.retirement, today, ledger))
    for licence in entry.licence[:1]:
        if not licence.value.commercial:
            name = Span(text=licence.value.name, evidence=[ledger.fact(licence)])
            notices.append(wording.says("No commercial use: its licence is ", name, "."))
    if entry.unsupported_parameters:
        names = [Span(text=f"`{fact.value}`", evidence=[ledger.fact(fact)]) for fact in entry.unsupported_parameters]
        notices.append(wording.says("It refuses ", *wording.join_spans([[name] for name in names]), "."))
    return notices


def _retirement_notice(facts: Sequence[Fact[Retirement]], today: date, ledger: Ledger) -> list[Span]:
    """The day, how far off it is, and what replaces it; where sources name different days or replacements, each of
    them."""
    first = facts[0].value.on
    verb = "Shuts down on " if first >= today else "Was shut down on "
    away = Span(
        text=wording.from_today((first - today).days), evidence=[ledger.fact(facts[0]), ledger.decision_day(today)]
    )
    said = wording.says(verb, _by_value(facts, lambda fact: wording.day(fact.on), ledger), ", ", away, ".")
    named = [fact for fact in facts if fact.value.replacement]
    if not named:
        return said
    if len({fact.value.replacement for fact in named}) == 1:
        return wording.says(*said, " To replace it its maker names ", _by_value(named, _replacement, ledger), ".")
    sourced = [
        Span(text=f"{_replacement(fact.value)} ({fact.source.title})", evidence=[ledger.fact(fact)]) for fact in named
    ]
    conflict = wording.join_spans([[span] for span in sourced])
    return wording.says(*said, " Sources disagree on what replaces it: ", conflict, ".")


def _replacement(retirement: Retirement) -> str:
    return f"`{retirement.replacement}`"


def _facts(entry: Entry, ledger: Ledger) -> list[FactRow]:
    lines = (
        Line("Licence", entry.licence, _licence_text),
        Line("Price", entry.prices, price_text),
        Line("Context", entry.context_tokens, lambda n: f"{n:,} tokens"),
        Line("Longest answer", entry.max_output_tokens, lambda n: f"{n:,} tokens"),
        Line("Parameters", entry.parameters, wording.rough),
        Line("Memory", entry.memory_bytes, wording.gigabytes),
        Line("Time to first token", entry.ttft_s, wording.seconds),
        Line("Output speed", entry.output_tokens_per_s, lambda rate: f"{rate:g} tokens a second"),
        Line("Released", entry.released, wording.day),
        Line("Retires", entry.retirement, _retirement_text),
        Line("Refuses", entry.unsupported_parameters, lambda name: f"`{name}`"),
        Line("Notes", entry.notes, str),
    )
    return [FactRow(label=line.label, values=_grouped(line.facts, line.write, ledger)) for line in lines if line.facts]


def _grouped(facts: Sequence[Fact[T]], write: Callable[[T], str], ledger: Ledger) -> list[Span]:
    """One span for each different value, with the evidence of every source that says so, in order of trust."""
    by_text: dict[str, list[str]] = {}
    for fact in facts:
        note = f" ({fact.note})" if fact.note else ""
        by_text.setdefault(f"{write(fact.value)}{note}", []).append(ledger.fact(fact))
    return [Span(text=text, evidence=evidence) for text, evidence in by_text.items()]


def _by_value(facts: Sequence[Fact[T]], write: Callable[[T], str], ledger: Ledger) -> list[Span]:
    by_text: dict[str, list[str]] = {}
    for fact in facts:
        by_text.setdefault(write(fact.value), []).append(ledger.fact(fact))
    return wording.join_spans([[Span(text=text, evidence=ids)] for text, ids in by_text.items()], "or")


def _licence_text(licence: Licence) -> str:
    return licence.name if licence.commercial else f"{licence.name}, no commercial use"


def _retirement_text(retirement: Retirement) -> str:
    replacement = f", replaced by `{retirement.replacement}`" if retirement.replacement else ""
    return f"{wording.day(retirement.on)}{replacement}"

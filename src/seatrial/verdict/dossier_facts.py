"""The part of a dossier that comes from the catalog: terms, lifetime, interface, size, rivals, marketing.

A contender and the catalog come in, findings go out. Nothing here depends on a measurement, which is why vetoes may
rest on it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal

from seatrial.catalog.entry import Entry, Fact, Price
from seatrial.catalog.prices import price_on
from seatrial.catalog.scores import comparable_rows
from seatrial.verdict import wording
from seatrial.verdict.contender import Contender
from seatrial.verdict.document import MarketingFinding
from seatrial.verdict.dossier import NOT_ASKED, Finding, detail, unknown, word
from seatrial.verdict.evidence import Ledger, price_text, score_name

Purpose = Literal["commercial", "research"]

# Half precision: two bytes a parameter, where no source states the memory.
_BYTES_PER_PARAMETER = 2
# Prices are compared for three tokens in and one out, a common shape of task.
_TOKENS_IN_PER_OUT = 3


@dataclass(frozen=True, slots=True)
class Outlook:
    """What facts are judged under."""

    entries: Mapping[str, Entry]
    today: date
    purpose: Purpose
    ledger: Ledger


def fact_findings(contender: Contender, outlook: Outlook, marketing: Sequence[MarketingFinding]) -> dict[str, Finding]:
    """What the catalog says about a candidate, by key."""
    return {
        **_identity(contender, outlook.ledger),
        **_licence(contender, outlook),
        **_retirement(contender, outlook),
        **_interface(contender, outlook.ledger),
        **_size(contender, outlook.ledger),
        **_age(contender, outlook),
        **_market(contender, outlook),
        **_rivals(contender, outlook),
        **_marketing(contender, marketing),
    }


def _identity(contender: Contender, ledger: Ledger) -> dict[str, Finding]:
    evidence = (contender.evidence(ledger),)
    words = {"name": word(contender.name, evidence)}
    if contender.runs == "baseline":
        words["baseline"] = word(contender.name, evidence)
    elif contender.runs == "local":
        words["own_machine"] = word("your own machine", evidence)
    elif contender.entry is not None:
        words["maker"] = word(contender.entry.maker, evidence)
    return words


def _licence(contender: Contender, outlook: Outlook) -> dict[str, Finding]:
    if contender.runs == "baseline":
        return {"licence_fits": Finding(True, detail=detail("no model, so nothing to license"))}
    facts = contender.entry.licence if contender.entry is not None else ()
    if not facts:
        return {"licence_fits": unknown("no licence on record")}
    first = facts[0].value
    fits = outlook.purpose == "research" or first.commercial
    evidence = (outlook.ledger.fact(facts[0]),)
    terms = "commercial use allowed" if first.commercial else "commercial use not allowed"
    return {
        "licence_fits": Finding(fits, first.name, evidence, detail(f"{first.name}: {terms}", evidence)),
        "licence": word(first.name, evidence),
    }


def _retirement(contender: Contender, outlook: Outlook) -> dict[str, Finding]:
    facts = contender.entry.retirement if contender.entry is not None else ()
    if contender.runs != "hosted":
        reason = "there is nothing to switch off" if contender.runs == "baseline" else "weights on your own disk stay"
        return {"retires_in_days": Finding(math.inf, detail=detail(reason))}
    if not facts:
        return {"retires_in_days": unknown("no retirement date is published")}
    ledger = outlook.ledger
    on = facts[0].value.on
    num_days = (on - outlook.today).days
    evidence = (ledger.fact(facts[0]), ledger.decision_day(outlook.today))
    when = wording.from_today(num_days)
    found = {
        "retires_in_days": Finding(
            num_days,
            wording.days(num_days),
            evidence,
            detail(f"it {'shuts down' if num_days >= 0 else 'was shut down'} on {wording.day(on)}, {when}", evidence),
        ),
        "retires_on": word(wording.day(on), (ledger.fact(facts[0]),)),
        "retires_when": word(when, evidence),
    }
    named = list(dict.fromkeys(fact.value.replacement for fact in facts if fact.value.replacement))
    if named:
        text = f"`{named[0]}`"
        if named[1:]:
            text += f" (another page says {wording.listing([f'`{name}`' for name in named[1:]], 'or')})"
        found["replacement"] = word(text, tuple(ledger.fact(fact) for fact in facts if fact.value.replacement))
    return found


def _interface(contender: Contender, ledger: Ledger) -> dict[str, Finding]:
    if contender.runs != "hosted":
        return {"api_gaps": NOT_ASKED}
    facts = contender.entry.unsupported_parameters if contender.entry is not None else ()
    if not facts:
        return {"api_gaps": unknown("no list of unsupported parameters is published")}
    names = wording.listing([f"`{fact.value}`" for fact in facts])
    evidence = tuple(ledger.fact(fact) for fact in facts)
    return {
        "api_gaps": Finding(len(facts), wording.whole(len(facts)), evidence, detail(f"refuses {names}", evidence)),
        "refused": word(names, evidence),
    }


def _size(contender: Contender, ledger: Ledger) -> dict[str, Finding]:
    entry = contender.entry
    own = (contender.evidence(ledger),)
    if contender.runs == "baseline":
        return {
            "weights_in_hand": Finding(True, detail=detail("nothing but your own examples")),
            "device_memory_gb": Finding(0.0, detail=detail("no weights at all")),
            "context_tokens": NOT_ASKED,
        }
    if entry is None:
        held = (
            Finding(True, detail=detail("weights on your own disk"))
            if contender.runs == "local"
            else unknown("not known")
        )
        size = unknown("not in the catalog")
        return {"weights_in_hand": held, "device_memory_gb": size, "context_tokens": size}
    found: dict[str, Finding] = {}
    in_hand = contender.runs == "local" or entry.weights is not None
    held_by = "weights to download and keep" if in_hand else f"runs at {entry.maker} only"
    found["weights_in_hand"] = Finding(in_hand, detail=detail(held_by, own))
    found["device_memory_gb"] = _memory(entry, ledger) if in_hand else Finding(math.inf, detail=detail(held_by, own))
    for fact in entry.parameters[:1]:
        found["parameters"] = word(f"{wording.rough(fact.value)} parameters", (ledger.fact(fact),))
    found["context_tokens"] = unknown("not in the catalog")
    for context in entry.context_tokens[:1]:
        text, evidence = f"{context.value:,} tokens", (ledger.fact(context),)
        found["context_tokens"] = Finding(context.value, text, evidence, detail(text, evidence))
    return found


def _memory(entry: Entry, ledger: Ledger) -> Finding:
    for fact in entry.memory_bytes[:1]:
        text, stated = wording.gigabytes(fact.value), (ledger.fact(fact),)
        return Finding(fact.value / 1e9, text, stated, detail(text, stated))
    for size in entry.parameters[:1]:
        bytes_each = ledger.assumed("bytes-per-parameter", f"A parameter takes {_BYTES_PER_PARAMETER} bytes")
        text, evidence = wording.gigabytes(_BYTES_PER_PARAMETER * size.value), (ledger.fact(size), bytes_each)
        return Finding(_BYTES_PER_PARAMETER * size.value / 1e9, text, evidence, detail(f"about {text}", evidence))
    return unknown("neither its memory nor its size is on record")


def _age(contender: Contender, outlook: Outlook) -> dict[str, Finding]:
    if contender.runs == "baseline":
        return {"age_days": NOT_ASKED}
    if contender.entry is None or not contender.entry.released:
        return {"age_days": unknown("no release date on record")}
    fact = contender.entry.released[0]
    num_days = (outlook.today - fact.value).days
    evidence = (outlook.ledger.fact(fact), outlook.ledger.decision_day(outlook.today))
    return {
        "age_days": Finding(
            num_days, wording.days(num_days), evidence, detail(f"out since {wording.day(fact.value)}", evidence)
        ),
        "released_on": word(wording.day(fact.value), evidence[:1]),
    }


def _market(contender: Contender, outlook: Outlook) -> dict[str, Finding]:
    if contender.runs != "hosted":
        return {"price_vs_market": NOT_ASKED}
    own = price_on(contender.entry, outlook.today) if contender.entry is not None else None
    prices: list[tuple[float, Entry, Fact[Price]]] = []
    for who in contender.entry.competitors if contender.entry is not None else ():
        entry = outlook.entries.get(who)
        price = price_on(entry, outlook.today) if entry is not None and entry.runs == "hosted" else None
        if entry is not None and price is not None:
            prices.append((_blended(price.value), entry, price))
    if own is None or not prices:
        return {"price_vs_market": unknown("no list prices to compare")}
    lowest, entry, price = min(prices, key=lambda each: (each[0], each[1].id))
    evidence = (outlook.ledger.fact(own), outlook.ledger.fact(price))
    ratio = _blended(own.value) / lowest if lowest > 0 else math.inf
    text = f"{ratio:.1f} times" if math.isfinite(ratio) else ""
    line = f"{text or 'more than'} what {entry.name} costs ({price_text(price.value)})"
    found = {"price_vs_market": Finding(ratio, text, evidence, detail(line, evidence))}
    if ratio > 1:
        found["market_name"] = word(entry.name, (outlook.ledger.entry(entry),))
        found["market_price"] = word(
            f"{wording.list_price(price.value.input_usd)} in and {wording.list_price(price.value.output_usd)} out",
            evidence[1:],
        )
    return found


def _blended(price: Price) -> float:
    return (_TOKENS_IN_PER_OUT * price.input_usd + price.output_usd) / (_TOKENS_IN_PER_OUT + 1)


def _rivals(contender: Contender, outlook: Outlook) -> dict[str, Finding]:
    """How often a direct competitor is ahead, over the published scores that may be compared."""
    entry = contender.entry
    if contender.runs == "baseline":
        return {"rivals_ahead_share": NOT_ASKED}
    if entry is None:
        return {"rivals_ahead_share": unknown("not in the catalog")}
    rivals = [rival for who in entry.competitors if (rival := outlook.entries.get(who)) is not None]
    names = {rival.id: rival.name for rival in rivals}
    num_rows = 0
    ahead: list[tuple[float, str, str, tuple[str, ...]]] = []
    evidence: list[str] = []
    for row in comparable_rows([entry, *rivals]):
        if entry.id not in row.scores:
            continue
        num_rows += 1
        own = row.scores[entry.id][0]
        others = [
            (facts[0].value.value, subject, facts[0]) for subject, facts in row.scores.items() if subject != entry.id
        ]
        best, subject, fact = max(others, key=lambda each: (each[0], each[1]))
        evidence += [outlook.ledger.fact(own), outlook.ledger.fact(fact)]
        if best > own.value.value:
            said = f"{best:g} against {own.value.value:g} on {score_name(own.value)}"
            ahead.append((best / max(own.value.value, 1e-9), names.get(subject, subject), said, tuple(evidence[-2:])))
    if not num_rows:
        return {"rivals_ahead_share": unknown("no published score that may be compared with a competitor's")}
    sources = tuple(dict.fromkeys(evidence))
    line = f"a competitor leads on {len(ahead)} of {num_rows} comparable published scores"
    found = {
        "rivals_ahead_share": Finding(
            len(ahead) / num_rows, f"{len(ahead)} of {num_rows}", sources, detail(line, sources)
        )
    }
    if ahead:
        _, name, said, pair = max(ahead)
        found |= {"rival": word(name, pair), "rival_score": word(said, pair)}
    return found


def _marketing(contender: Contender, findings: Sequence[MarketingFinding]) -> dict[str, Finding]:
    if contender.entry is None:
        return {"contradicted_claims": NOT_ASKED}
    own = [each for each in findings if each.model == contender.entry.id]
    if not own:
        return {"contradicted_claims": unknown("no marketing line on record")}
    wrong = [each for each in own if each.status == "contradicted"]
    evidence = tuple(dict.fromkeys(who for each in own for who in each.evidence))
    line = f"{len(wrong)} of {len(own)} marketing lines contradicted"
    found = {
        "contradicted_claims": Finding(len(wrong), f"{len(wrong)} of {len(own)}", evidence, detail(line, evidence))
    }
    if wrong:
        found["bad_line"] = word(f"“{wrong[0].line}”", tuple(wrong[0].evidence))
    return found

"""What is said of a change, in the digest and in the feed: a headline, a sentence or two, and a path on the site."""

from __future__ import annotations

from datetime import date
from typing import Literal

from seatrial.catalog.entry import Price
from seatrial.site.digest.changes import Change, PriceChange, RetirementNotice, VerdictChange
from seatrial.site.listings import Standing
from seatrial.site.mail.message import one_line

Kind = Literal["flipped", "new", "price", "retirement"]


def kind(change: Change) -> Kind:
    """Which of the four kinds of news it is."""
    match change:
        case VerdictChange():
            return "new" if change.before is None else "flipped"
        case PriceChange():
            return "price"
        case RetirementNotice():
            return "retirement"


def path(change: Change) -> str:
    """Where the site says more."""
    return f"/compare/{change.slug}" if isinstance(change, VerdictChange) else f"/models/{change.model}"


def headline(change: Change) -> str:
    """A line that can stand alone."""
    match change:
        case VerdictChange(before=None):
            return one_line(f"{change.title}?")
        case VerdictChange():
            return one_line(f"{change.title}? Now: {_ruling(change.after)}")
        case PriceChange():
            return one_line(f"{change.name} costs {_money(change.after)} per million tokens")
        case RetirementNotice(days=0):
            return one_line(f"{change.name} is retired")
        case RetirementNotice():
            return one_line(f"{change.name} will be retired on {_day(change.on)}")


def text(change: Change) -> str:
    """What there is to say, on one line."""
    match change:
        case VerdictChange(before=None):
            return _sentence(change.after.sentence)
        case VerdictChange(before=Standing() as before):
            return f"{_sentence(change.after.sentence)} Before, the verdict was: {_ruling(before)}."
        case PriceChange():
            return _price_text(change)
        case RetirementNotice():
            return _retirement_text(change)
    raise AssertionError(change)


def _ruling(standing: Standing) -> str:
    match standing.decision:
        case "ship":
            return one_line(f"ship {standing.candidate}")
        case "mix":
            return "a mix of them"
        case "skip":
            return "skip them all"
        case _:
            return "undecided"


def _price_text(change: PriceChange) -> str:
    since = f"since {_day(change.at.date())}"
    tier = change.after.above_prompt_tokens
    where = "" if tier is None else f", for prompts above {tier:,} tokens"
    if change.before is None:
        return f"List price {since}{where}: {_money(change.after)} per million tokens."
    return f"List price {since}{where}: {_money(change.after)} per million tokens, before that {_money(change.before)}."


def _money(price: Price) -> str:
    cached = "" if price.cached_input_usd is None else f" (cached {_usd(price.cached_input_usd)})"
    return f"{_usd(price.input_usd)} in{cached} and {_usd(price.output_usd)} out"


def _usd(value: float) -> str:
    """At least cents, and further digits where there are some: $2.00, $0.025."""
    shown = f"{value:,.6f}".rstrip("0")
    whole, _, digits = shown.partition(".")
    return f"${whole}.{digits:0<2}"


def _retirement_text(change: RetirementNotice) -> str:
    when = f"From {_day(change.on)} on it no longer answers."
    instead = f"Its maker names {change.replacement} in its place." if change.replacement else ""
    return one_line(f"{when} {instead}")


def _day(day: date) -> str:
    return day.isoformat()


def _sentence(sentence: str) -> str:
    shown = one_line(sentence)
    return shown if not shown or shown[-1] in ".!?" else f"{shown}."

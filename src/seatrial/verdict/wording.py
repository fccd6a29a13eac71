"""Numbers and names as people read them, and sentences as spans.

Figures come in with their units, short texts go out: `83 %`, `$0.25`, `2.4 s`, `11 December 2026`. `says` joins plain
words and spans into a sentence. Nothing here knows what a figure means.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from datetime import date

from seatrial.verdict.document import Span

# Not strftime("%B"), which follows the locale.
_MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip


def says(*parts: str | Span | Iterable[Span]) -> list[Span]:
    """A sentence from words and spans, neighbouring words joined."""
    spans: list[Span] = []
    for part in parts:
        if isinstance(part, str):
            if spans and not spans[-1].evidence:
                spans[-1] = Span(text=spans[-1].text + part)
            elif part:
                spans.append(Span(text=part))
        elif isinstance(part, Span):
            spans.append(part)
        else:
            spans.extend(part)
    return spans


def plain(spans: Iterable[Span]) -> str:
    """The text of spans, joined."""
    return "".join(span.text for span in spans)


def percent(fraction: float) -> str:
    """`83 %`; one decimal where a whole number would read as all or nothing."""
    value = 100 * fraction
    near_an_end = 0 < value < 1 or 99 < value < 100
    return f"{value:.1f} %" if near_an_end else f"{value:.0f} %"


def share_of(fraction: float, low: float | None, high: float | None, n: int, noun: str = "items") -> str:
    """`83 % over 170 items, give or take 6` (points, the wider side of the interval)."""
    text = f"{percent(fraction)} over {n:,} {noun}"
    if low is None or high is None:
        return text
    return f"{text}, give or take {max(1, round(100 * max(high - fraction, fraction - low)))}"


def points(fraction: float) -> str:
    """A difference between two rates: `6 points`, without its sign."""
    value = abs(100 * fraction)
    text = f"{value:.1f}" if value < 1 and round(value, 1) not in (0.0, 1.0) else f"{value:.0f}"
    return f"{text} point" if text == "1" else f"{text} points"


def usd(amount: float) -> str:
    """`$73`, `$1.20`, `$0.25`, `$0.0031`, `under $0.001`."""
    if amount == 0:
        return "$0"
    if amount < 0.001:
        return "under $0.001"
    if amount < 0.0995:
        return f"${amount:.{1 - math.floor(math.log10(amount))}f}".rstrip("0")
    if amount < 100:
        return f"${amount:,.2f}".removesuffix(".00")
    return f"${amount:,.0f}"


def list_price(amount: float) -> str:
    """A list price, exact: `$2`, `$0.10`, `$0.025`."""
    cents = f"{amount:.2f}"
    return f"${cents if float(cents) == amount else f'{amount:.6f}'.rstrip('0')}".removesuffix(".00")


def seconds(value: float) -> str:
    """`140 ms`, `2.4 s`, `75 s`, `4.0 min`."""
    if value < 0.001:
        return "under 1 ms"
    if value < 0.9995:
        return f"{1000 * value:.0f} ms"
    if value < 9.95:
        return f"{value:.1f} s"
    return f"{value:.0f} s" if value < 120 else f"{value / 60:.1f} min"


def whole(value: float) -> str:
    """`1,204`."""
    return f"{value:,.0f}"


def rough(value: float) -> str:
    """A large number to two or three figures: `112,000`, `1.2 million`, `3.1 billion`."""
    for size, word in ((1e12, "trillion"), (1e9, "billion"), (1e6, "million")):
        if value >= 0.9995 * size:
            return f"{value / size:.3g} {word}" if value < 999.5 * size else f"{value / size:,.0f} {word}"
    if value < 1000:
        return whole(value)
    size = 10 ** (math.floor(math.log10(value)) - 2)
    return whole(round(value / size) * size)


def gigabytes(num_bytes: float) -> str:
    """`1.2 GB` (powers of ten)."""
    return f"{num_bytes / 1e9:.2g} GB" if num_bytes < 1e10 else f"{num_bytes / 1e9:,.0f} GB"


def day(value: date) -> str:
    """`11 December 2026`."""
    return f"{value.day} {_MONTHS[value.month - 1]} {value.year}"


def days(num_days: int) -> str:
    """`1 day`, `19 days`, without a sign."""
    return "1 day" if abs(num_days) == 1 else f"{abs(num_days):,} days"


def from_today(num_days: int) -> str:
    """`in 19 days`, `today`, `12 days ago`."""
    if num_days == 0:
        return "today"
    return f"in {days(num_days)}" if num_days > 0 else f"{days(num_days)} ago"


def listing(names: Sequence[str], last: str = "and") -> str:
    """`a`, `a and b`, `a, b and c`."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} {last} {names[-1]}"


def join_spans(groups: Sequence[Sequence[Span]], last: str = "and") -> list[Span]:
    """Like `listing`, for spans."""
    parts: list[Span] = []
    for index, group in enumerate(groups):
        if index:
            parts.append(Span(text=f" {last} " if index == len(groups) - 1 else ", "))
        parts.extend(group)
    return parts

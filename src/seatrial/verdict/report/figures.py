"""Numbers as a reader sees them: a claim's value, interval and unit in; short text out.

`None` reads "not enough data" in full and "—" where room is short; never zero. Percentages keep one decimal,
money and seconds three significant digits.
"""

from __future__ import annotations

import math

from seatrial.verdict.document import Claim

NOT_ENOUGH = "not enough data"
NONE = "—"
BEYOND_READING = 1e15
_MINUS = "−"
_UNITS = {
    "fraction": "fraction",
    "rate": "fraction",
    "seconds": "seconds",
    "s": "seconds",
    "us dollars": "usd",
    "usd": "usd",
    "dollars": "usd",
    "tokens": "tokens",
    "items/hour": "per_hour",
}
_UNIT_OF_KEY = {
    "quality": "fraction",
    "quality_difference": "points",
    "worst_cluster": "fraction",
    "failure_rate": "fraction",
    "valid_output_rate": "fraction",
    "truncated_rate": "fraction",
    "ttft_p50_s": "seconds",
    "latency_p50_s": "seconds",
    "latency_p95_s": "seconds",
    "latency_p99_s": "seconds",
    "token_time_p50_s": "seconds",
    "prompt_tokens_mean": "tokens",
    "completion_tokens_mean": "tokens",
    "cost_per_1k_usd": "usd",
    "throughput_per_hour": "per_hour",
}


def claim_value(claim: Claim) -> str:
    """The claim's value in its unit, e.g. `39.4%`, `0.62 s`, `$0.017`, `+3.1 pts`."""
    return quantity(claim.value, unit_of(claim))


def claim_interval(claim: Claim) -> str:
    """The claim's interval, e.g. `31.8–47.0%`; empty where it has none."""
    return interval(claim.low, claim.high, unit_of(claim))


def number(value: float | str | bool | None) -> float | None:
    """The value where it is a finite number, else None."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) else None


def bounds(claim: Claim) -> tuple[float, float] | None:
    """The claim's interval as numbers, where it has one."""
    low, high = number(claim.low), number(claim.high)
    return None if low is None or high is None else (low, high)


def unit_of(claim: Claim) -> str:
    """One of `fraction`, `points`, `seconds`, `usd`, `tokens`, `per_hour`, or else the claim's own unit."""
    return _UNIT_OF_KEY.get(claim.key) or _UNITS.get(claim.unit.casefold(), claim.unit)


def quantity(value: float | str | bool | None, unit: str) -> str:
    """A value in `unit` as text."""
    if value is None:
        return NOT_ENOUGH
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return value
    if not math.isfinite(value):
        return NOT_ENOUGH
    if abs(value) >= BEYOND_READING:
        return f"{value:.3g}"
    return _FORMATS[unit](value) if unit in _FORMATS else f"{_significant(value)} {unit}".strip()


def interval(low: float | None, high: float | None, unit: str) -> str:
    """`low–high` in `unit`, the unit said once; empty where a bound is missing."""
    if low is None or high is None or not (math.isfinite(low) and math.isfinite(high)):
        return ""
    first, second = quantity(low, unit), quantity(high, unit)
    if unit == "points":
        return f"{first.removesuffix(' pts')} to {second}"
    for suffix in ("%", " s", " ms", " µs"):
        if first.endswith(suffix) and second.endswith(suffix):
            first = first.removesuffix(suffix)
            break
    return f"{first}–{second}"


def percent(value: float) -> str:
    """A fraction as a percentage with one decimal; whole at 0 and 100."""
    shown = f"{100 * value:.1f}"
    return f"{shown.removesuffix('.0') if shown in ('0.0', '100.0') else shown}%".replace("-", _MINUS)


def points(value: float) -> str:
    """A difference of fractions in percentage points, signed."""
    shown = f"{100 * value:+.1f}"
    return f"{'0.0' if float(shown) == 0 else shown} pts".replace("-", _MINUS)


def seconds(value: float) -> str:
    """Seconds, milliseconds or microseconds, three significant digits at most."""
    size = abs(value)
    if size >= 100:
        return f"{value:,.0f} s"
    if size >= 0.1 or value == 0:
        return f"{_significant(value, 2 if size < 1 else 3)} s" if value else "0 s"
    if size >= 0.0001:
        return f"{_significant(1e3 * value, 2)} ms"
    return f"{_significant(1e6 * value, 2)} µs"


def usd(value: float) -> str:
    """US dollars: cents from a dollar up, two or three significant digits below."""
    if value == 0:
        return "$0"
    size = abs(value)
    if size >= 1:
        digits = f"{size:,.0f}" if size >= 1000 else f"{size:,.2f}"
    elif size >= 0.1:
        digits = f"{size:.3f}".removesuffix("0")
    else:
        digits = _significant(size, 2)
    return f"{_MINUS if value < 0 else ''}${digits}"


def seconds_tick(value: float) -> str:
    """A round number of seconds for an axis: `10 ms`, `0.1 s`, `20 s`."""
    factor, unit = (1.0, "s") if value >= 0.0999 else (1e3, "ms") if value >= 0.000999 else (1e6, "µs")
    return f"{_round(factor * value)} {unit}"


def usd_tick(value: float) -> str:
    """A round sum for an axis: `$0.02`, `$5`."""
    return f"${_round(value)}"


def list_price(value: float) -> str:
    """US dollars per million tokens as price lists print them: `$0.25`, `$2.00`, `$0.025`."""
    shown = f"{value:.4f}".rstrip("0")
    return f"${value:,.2f}" if len(shown.partition(".")[2]) <= 2 else f"${shown}"


def count(value: float) -> str:
    """A count or mean count with thousands separators, one decimal below 100 unless whole."""
    if value == int(value) or abs(value) >= 100:
        return f"{value:,.0f}".replace("-", _MINUS)
    return f"{value:,.1f}".replace("-", _MINUS)


def plural(num: int, noun: str) -> str:
    """`1 item`, `340 items`."""
    return f"{num:,} {noun}{'' if num == 1 else 's'}"


def _per_hour(value: float) -> str:
    return f"{count(value if value < 100 else float(f'{value:.3g}'))}/h"


def _round(value: float) -> str:
    return f"{value:,.0f}" if value >= 1 else f"{value:.9f}".rstrip("0")


def _significant(value: float, digits: int = 3) -> str:
    """Significant digits, trailing zeros kept, no exponent; with two of them 0.6 is `0.60` and 0.00002 `0.000020`."""
    if value == 0:
        return "0"
    decimals = digits - 1 - math.floor(math.log10(abs(value)) + 1e-12)
    return f"{value:,.{min(max(0, decimals), 12)}f}".replace("-", _MINUS)


_FORMATS = {
    "fraction": percent,
    "points": points,
    "seconds": seconds,
    "usd": usd,
    "tokens": count,
    "per_hour": _per_hour,
}

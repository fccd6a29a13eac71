"""What result pages share: figures with their spread, aims with what was found, and the machine."""

from __future__ import annotations

import os
import platform
import statistics
from collections.abc import Callable, Sequence
from pathlib import Path


def met(aim: str, found: float, holds: Callable[[float], bool], shown: str) -> str:
    """An aim, what was found, and whether it holds."""
    return f"- {aim}: {shown.format(found)}. {'Met' if holds(found) else '**Missed**'}."


def spread(values: Sequence[float], digits: int = 0) -> str:
    """The median, with the least and the most."""
    if not values:
        return "–"
    middle, least, most = (f"{value:,.{digits}f}" for value in (statistics.median(values), min(values), max(values)))
    return f"{middle} ({least}–{most})"


def machine() -> str:
    """Processor, cores, system, and how busy it is."""
    found = Path("/proc/cpuinfo")
    lines = found.read_text().splitlines() if found.exists() else []
    cpu = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.processor())
    loads = ", ".join(f"{one:.1f}" for one in os.getloadavg())
    return f"{cpu}, {os.cpu_count()} cores, {platform.platform()}; load averages before: {loads}"

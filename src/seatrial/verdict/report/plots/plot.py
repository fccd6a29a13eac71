"""What a figure is: panels side by side, a sentence on how to read them, and the same data as a table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from seatrial.verdict.document import WorkloadInfo

ALL_WORKLOADS = "All workloads together"


@dataclass(frozen=True, slots=True)
class Panel:
    """One drawing. `svg` is safe markup."""

    title: str
    svg: Markup


@dataclass(frozen=True, slots=True)
class Plot:
    """A figure. `header` and `rows` are its data as text; `remark` says what could not be drawn."""

    id: str
    title: str
    reading: str
    panels: list[Panel]
    header: tuple[str, ...]
    rows: list[tuple[str, ...]]
    remark: str = ""


def panel_width(num_panels: int) -> int:
    """Width of a panel in its own units: two share a row, three or more are narrower; both fit a phone."""
    return 400 if num_panels == 2 else 320


def in_workload_order(present: Iterable[str | None], workloads: Sequence[WorkloadInfo]) -> list[str | None]:
    """The workloads that occur in `present`, as the document orders them; unknown names after, None (all) last."""
    seen = set(present)
    known = [workload.name for workload in workloads if workload.name in seen]
    others = sorted(name for name in seen if name is not None and name not in known)
    return [*known, *others, *([None] if None in seen else [])]


def workload_title(name: str | None, workloads: Sequence[WorkloadInfo]) -> str:
    """How the page heads a workload."""
    if name is None:
        return ALL_WORKLOADS
    return next((workload.title or name for workload in workloads if workload.name == name), name)

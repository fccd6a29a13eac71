"""The result of `site.py` as a page: what was measured on what, and which aims are met."""

from __future__ import annotations

import argparse
import datetime
import platform
import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib import metadata

import site_peers
from result_page import met, spread


@dataclass
class PageRow:
    """One server's page. A list holds a figure for each repetition, `cold_s` one for each page."""

    name: str
    per_s: list[float] = field(default_factory=list)
    p50_s: list[float] = field(default_factory=list)
    p99_s: list[float] = field(default_factory=list)
    cpu_s: list[float] = field(default_factory=list)
    cold_s: list[float] = field(default_factory=list)
    html_kb: float = 0.0
    assets_kb: float = 0.0
    resident_mb: float = 0.0


def report(args: argparse.Namespace, before: str, rows: Sequence[PageRow], connections: int, num_cold: int) -> str:
    """The result as Markdown."""
    versions = [f"Python {platform.python_version()}"]
    versions += [
        f"{name} {metadata.version(name)}" for name in ("seatrial", "httptools", "starlette", "jinja2", "sqlalchemy")
    ]
    versions += [f"{name} {version}" for name, version in site_peers.versions().items()]
    lines = [
        f"# Site, {args.hardware}, {datetime.date.today().isoformat()}",
        "",
        f"Command: `python {' '.join(sys.argv)}`  ",
        f"Hardware: {before}  ",
        f"Versions: {', '.join(versions)}",
        "",
        f"A comparison page on one core, {connections} connections (wrk, gzip accepted) from another core. Medians of "
        f"{args.repeats} repetitions with least and most, after one that does not count. Cold: one request each for "
        f"{num_cold} pages that were never rendered. Sizes as they go over the wire, gzip.",
        "",
        "| server | pages/s | p50, ms | p99, ms | CPU per page, µs | cold, ms | HTML, kB | CSS + JS, kB | memory, MB |",
        "|---|--:|--:|--:|--:|--:|--:|--:|--:|",
        *(_line(row) for row in rows),
        "",
        "## Aims",
        "",
        *_aims(rows),
    ]
    return "\n".join(lines) + "\n"


def _line(row: PageRow) -> str:
    cells = [
        spread(row.per_s),
        spread([1e3 * value for value in row.p50_s], 1),
        spread([1e3 * value for value in row.p99_s], 1),
        spread([1e6 * value for value in row.cpu_s]),
        spread([1e3 * value for value in row.cold_s], 1),
        f"{row.html_kb:.1f}",
        f"{row.assets_kb:.1f}",
        f"{row.resident_mb:.0f}",
    ]
    return f"| {' | '.join([row.name, *cells])} |"


def _aims(rows: Sequence[PageRow]) -> list[str]:
    aims = []
    for row in rows[:2]:
        what = row.name.partition(", ")[2]
        whole_kb = row.html_kb + row.assets_kb
        aims += [
            met(f"≥ 1,500 pages/s, {what}", statistics.median(row.per_s), lambda v: v >= 1500, "{:,.0f}"),
            met(f"p99 < 30 ms, {what}", 1e3 * statistics.median(row.p99_s), lambda v: v < 30, "{:.1f} ms"),
            met(f"cold < 50 ms (median), {what}", 1e3 * statistics.median(row.cold_s), lambda v: v < 50, "{:.1f} ms"),
            met(f"HTML + CSS + JS < 150 kB, {what}", whole_kb, lambda v: v < 150, "{:.1f} kB"),
        ]
    for peer in rows[2:]:
        ratio = statistics.median(rows[1].per_s) / statistics.median(peer.per_s)
        cold = statistics.median(peer.cold_s) / statistics.median(rows[1].cold_s)
        aims.append(f"- {ratio:.1f} × the pages/s of {peer.name}; its cold pages take {cold:.2f} × as long as ours.")
    return aims

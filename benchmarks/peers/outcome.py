"""The result as a page: what was measured on what, beside what the machine could do at most."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from importlib import metadata
from typing import Any

from cases import ALL, OURS, PEER, SAME_FILE, Case, Row
from limits import Machine, limit_of
from misses import BEYOND_AIM_BYTES, COPY_AIM, PREFIX_AIM, beyond_bytes, misses
from process import LLAMA_FLAGS


def markdown(machine: Machine, cases: list[Case], omissions: Sequence[str], *, quick: bool) -> str:
    """The whole page. `omissions` say what it does not hold."""
    kinds = ", ".join(f"{name} {rate / 1e9:,.0f} GOP/s" for name, rate in machine.operations_per_s.items())
    lines = [
        f"# Engine, {machine.hardware}, {machine.date}",
        "",
        f"Command: `{machine.command}`  ",
        f"Hardware: {machine.cpu}, {machine.threads} threads, {machine.platform}; load averages before: "
        + ", ".join(f"{load:.1f}" for load in machine.load)
        + "  ",
        f"Versions: {_versions(cases)}  ",
        f"llama.cpp is built with clang 16 and `{LLAMA_FLAGS}`, computes with a thread pool that stays, and is asked "
        "through its own low-level interface.  ",
        f"The machine, in the same run: memory {machine.read_bytes_per_s / 1e9:.1f} GB/s; multiplication from "
        f"registers: {kinds or 'not measured'}.",
        "",
        "Medians with least and most; rates are tokens a second, of all answers together. Greedy choice included. "
        "The limit is what memory or multiplication allows, whichever is less; beside it, how far Seatrial gets, and "
        "how far its largest product gets alone.",
    ]
    if quick:
        lines += ["", "**A quick run: small prompts, to see that it works. Not a measurement.**"]
    for case in cases:
        lines += ["", f"## {case.title}", "", *_table(case, machine), "", *_notes(case, machine)]
        short = misses(case, machine)
        none = "No aim is missed" + ("." if PEER in case.facts else " of those that can be held without llama.cpp.")
        lines += ["", "Short of the aim:", "", *(f"- {miss}" for miss in short)] if short else ["", none]
    lines += ["", "## Not in this file", "", *(f"- {omission}" for omission in omissions)]
    return "\n".join(lines) + "\n"


def _table(case: Case, machine: Machine) -> list[str]:
    names = [name for name in (OURS, SAME_FILE, *ALL[1:]) if name in case.facts]
    heads = ["", *names, "× llama.cpp", "aim", "limit", "of the limit", "product alone"]
    lines = [f"| {' | '.join(heads)} |", "|---|" + "--:|" * (len(heads) - 1)]
    for row in case.rows:
        if row.call in ("prefill", "decode"):
            cells = [_spread(case.values.get((row.title, name), [])) for name in names]
            lines.append(_line([row.title, *cells, *_beside(case, row, machine)]))
    loads = [_spread(case.values.get(("load", name), []), " s") for name in names]
    ratio = _ratio(case.values.get(("load", OURS)), case.values.get(("load", PEER)))
    lines.append(_line(["load and first token", *loads, ratio, f"< {case.load_aim_s:g} s", "", "", ""]))
    memory = [f"{case.facts[name]['memory']['peak'] / 1e6:,.0f} MB" for name in names]
    lines.append(_line(["memory, most", *memory, "", "", "", "", ""]))
    return lines


def _beside(case: Case, row: Row, machine: Machine) -> list[str]:
    aims = ([f"≥ {row.target:g} ×"] if row.target else []) + ([f"{row.share:.0%} of the limit"] if row.share else [])
    ratio = _ratio(case.values[row.title, OURS], case.values.get((row.title, PEER)))
    limit = limit_of(case, row, machine)
    if limit is None:
        return [ratio, ", ".join(aims), "", "", ""]
    reached = statistics.median(case.values[row.title, OURS]) / limit.rate
    alone = limit.share_of(case.products[row.tokens_at_once])
    return [ratio, ", ".join(aims), f"{_number(limit.rate)} ({limit.bound})", f"{reached:.0%}", f"{alone:.0%}"]


def _notes(case: Case, machine: Machine) -> list[str]:
    lines = [f"- {check}" for check in case.checks]
    for row in case.rows:
        if row.call == "prefix":
            lines += [_prefix_note(case, row, name) for name in row.engines if (row.title, name) in case.values]
        elif row.call == "copying":
            lines.append(_copy_note(case.values[row.title, OURS]))
        elif (row.title, SAME_FILE) in case.values:
            lines.append(_same_file_note(case, row, machine))
    memory = case.facts[OURS]["memory"]
    lines.append(
        f"- Seatrial's memory: weights {memory['weights'] / 1e6:,.0f} MB, cache {memory['cache'] / 1e6:,.0f} MB, "
        f"{beyond_bytes(case) / 1e6:,.0f} MB beyond them (aim: at most {BEYOND_AIM_BYTES / 1e6:.0f}). llama.cpp's "
        "counts the pages of its file."
    )
    few = [f"{title} by {name}: {len(found)}" for (title, name), found in case.values.items() if len(found) < 5]
    return [*lines, *([f"- Fewer than 5 repetitions: {'; '.join(few)}."] if few else [])]


def _same_file_note(case: Case, row: Row, machine: Machine) -> str:
    found, limit = case.values[row.title, SAME_FILE], limit_of(case, row, machine, SAME_FILE)
    share = f", {statistics.median(found) / limit.rate:.0%} of what {limit.bound} allows" if limit else ""
    return (
        f"- {row.title}, llama.cpp's own file in Seatrial (4-bit blocks as Q4_1, 6-bit ones as 8 bits): "
        f"{_spread(found)}, {_ratio(found, case.values.get((row.title, PEER)))} × llama.cpp{share}."
    )


def _prefix_note(case: Case, row: Row, name: str) -> str:
    found = case.values[row.title, name]
    shared, alone = ([value[key] * 1000 for value in found] for key in ("shared_s", "alone_s"))
    aim = f" (aim: at most {PREFIX_AIM:g})" if name == OURS else ""
    return (
        f"- {row.title}, {name}: {_spread(shared, ' ms')}; its own tokens alone {_spread(alone, ' ms')}: "
        f"{statistics.median(shared) / statistics.median(alone):.2f} ×{aim}."
    )


def _copy_note(found: list[dict[str, Any]]) -> str:
    plain, fast = ([value[key] for value in found] for key in ("plain", "speculating"))
    same = "the same answer each time" if all(value["same"] for value in found) else "NOT THE SAME ANSWER"
    return (
        f"- An answer that repeats its prompt: {_spread(fast)} with speculation, {_spread(plain)} without: "
        f"{statistics.median(fast) / statistics.median(plain):.2f} × (aim: at least {COPY_AIM:g}), {same}; "
        f"{found[-1]['accepted']} of {found[-1]['drafted']} drafted tokens were right."
    )


def _versions(cases: list[Case]) -> str:
    found = {name: facts for case in cases for name, facts in case.facts.items() if name != SAME_FILE}
    runners = {name: facts["runner"] for name, facts in found.items()}
    runners[OURS] = f"seatrial {metadata.version('seatrial')} ({runners[OURS]})"
    packages = [f"{name} {metadata.version(name)}" for name in ("torch", "numpy")]
    return ", ".join([*dict.fromkeys(runners.values()), *packages])


def _spread(values: list[float], unit: str = "") -> str:
    if not values or values[0] is None:
        return "–"
    return f"{_number(statistics.median(values))}{unit} ({_number(min(values))} to {_number(max(values))})"


def _ratio(ours: list[float] | None, theirs: list[float] | None) -> str:
    return f"{statistics.median(ours) / statistics.median(theirs):.2f}" if ours and theirs else ""


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:,.1f}" if value >= 10 else f"{value:,.2f}"


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"

"""The result as a page: what was measured on what, beside what the machine could do at most.

The limit of prefill is the machine's fastest multiplication over the operations that the prompt takes; that of
decoding is the lower of two: memory read over the bytes that a step must read, and multiplication over its operations.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from typing import Any

from cases import ALL, Case, Row
from process import LLAMA_FLAGS

_OURS, _PEER = ALL[:2]
_BEYOND_LIMIT_BYTES = 350e6
_PREFIX_TARGET, _COPY_TARGET = 1.3, 1.5


@dataclass(frozen=True, slots=True)
class Machine:
    """Where it was measured, and how. `operations_per_s` by kind of instruction, `load` averages before the run."""

    hardware: str
    date: str
    command: str
    platform: str
    cpu: str
    threads: int
    load: Sequence[float]
    read_bytes_per_s: float
    operations_per_s: dict[str, float]

    @property
    def most_operations(self) -> float | None:
        """The fastest kind's."""
        return max(self.operations_per_s.values(), default=None)


def markdown(machine: Machine, cases: list[Case], *, quick: bool) -> str:
    """The whole page."""
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
        "Medians with least and most; rates are tokens a second, of all answers together. Greedy choice included.",
    ]
    if quick:
        lines += ["", "**A quick run: small prompts, to see that it works. Not a measurement.**"]
    for case in cases:
        lines += ["", f"## {case.title}", "", *_table(case, machine), "", *_notes(case)]
    return "\n".join(lines) + "\n"


def _table(case: Case, machine: Machine) -> list[str]:
    names = [name for name in ALL if name in case.facts]
    heads = ["", *names, "× llama.cpp", "aim", "limit", "of the limit"]
    lines = [f"| {' | '.join(heads)} |", "|---|" + "--:|" * (len(heads) - 1)]
    for row in case.rows:
        if row.call in ("prefill", "decode"):
            cells = [_spread(case.values.get((row.title, name), [])) for name in names]
            lines.append(_line([row.title, *cells, *_beside(case, row, machine)]))
    loads = [_spread(case.values.get(("load", name), []), " s") for name in names]
    ratio = _ratio(case.values.get(("load", _OURS)), case.values.get(("load", _PEER)))
    lines.append(_line(["load and first token", *loads, ratio, "", "", ""]))
    memory = [f"{case.facts[name]['memory']['peak'] / 1e6:,.0f} MB" for name in names]
    lines.append(_line(["memory, most", *memory, "", "", "", ""]))
    return lines


def _beside(case: Case, row: Row, machine: Machine) -> list[str]:
    ours = case.values[row.title, _OURS]
    aim = f"≥ {row.target:g} ×" if row.target else ""
    limit = _limit(case, row, machine)
    ratio = _ratio(ours, case.values.get((row.title, _PEER)))
    if limit is None:
        return [ratio, aim, "", ""]
    return [ratio, aim, _number(limit), f"{statistics.median(ours) / limit:.0%}"]


def _limit(case: Case, row: Row, machine: Machine) -> float | None:
    """Tokens a second that the machine could reach at most."""
    costs, most = case.facts["costs"], machine.most_operations
    if row.call == "prefill":
        return None if most is None else row.args["num_tokens"] * most / costs["prefill_operations"]
    batch = row.args["batch"]
    read = machine.read_bytes_per_s / costs["step_bytes"][costs["batches"].index(batch)] * batch
    return read if most is None else min(read, most / costs["token_operations"])


def _notes(case: Case) -> list[str]:
    lines = [f"- {check}" for check in case.checks]
    for row in case.rows:
        if row.call == "prefix":
            lines += [_prefix_note(case, row, name) for name in row.engines if (row.title, name) in case.values]
        elif row.call == "copying":
            lines.append(_copy_note(case.values[row.title, _OURS]))
    memory = case.facts[_OURS]["memory"]
    beyond = memory["peak"] - memory["weights"] - memory["cache"]
    lines.append(
        f"- Seatrial's memory: weights {memory['weights'] / 1e6:,.0f} MB, cache {memory['cache'] / 1e6:,.0f} MB, "
        f"{beyond / 1e6:,.0f} MB beyond them (aim: at most {_BEYOND_LIMIT_BYTES / 1e6:.0f}). llama.cpp's counts the "
        "pages of its file."
    )
    few = [f"{title} by {name}: {len(found)}" for (title, name), found in case.values.items() if len(found) < 5]
    return [*lines, *([f"- Fewer than 5 repetitions: {'; '.join(few)}."] if few else [])]


def _prefix_note(case: Case, row: Row, name: str) -> str:
    found = case.values[row.title, name]
    shared, alone = ([value[key] * 1000 for value in found] for key in ("shared_s", "alone_s"))
    aim = f" (aim: at most {_PREFIX_TARGET:g})" if name == _OURS else ""
    return (
        f"- {row.title}, {name}: {_spread(shared, ' ms')}; its own tokens alone {_spread(alone, ' ms')}: "
        f"{statistics.median(shared) / statistics.median(alone):.2f} ×{aim}."
    )


def _copy_note(found: list[dict[str, Any]]) -> str:
    plain, fast = ([value[key] for value in found] for key in ("plain", "speculating"))
    same = "the same answer each time" if all(value["same"] for value in found) else "NOT THE SAME ANSWER"
    return (
        f"- An answer that repeats its prompt: {_spread(fast)} with speculation, {_spread(plain)} without: "
        f"{statistics.median(fast) / statistics.median(plain):.2f} × (aim: at least {_COPY_TARGET:g}), {same}; "
        f"{found[-1]['accepted']} of {found[-1]['drafted']} drafted tokens were right."
    )


def _versions(cases: list[Case]) -> str:
    runners = {name: facts["runner"] for case in cases for name, facts in case.facts.items() if "runner" in facts}
    runners[_OURS] = f"seatrial {metadata.version('seatrial')} ({runners[_OURS]})"
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

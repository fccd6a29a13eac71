"""Which aims were not reached, and what the same run measured about why."""

from __future__ import annotations

import statistics

from cases import OURS, PEER, Case, Row
from limits import Limit, Machine, limit_of

BEYOND_AIM_BYTES = 350e6
PREFIX_AIM, COPY_AIM = 1.3, 1.5


def misses(case: Case, machine: Machine) -> list[str]:
    """A sentence or two for each aim that the case misses."""
    found = []
    for row in case.rows:
        if row.call == "prefix":
            found += _prefix_miss(case, row, machine)
        elif row.call == "copying":
            found += _copy_miss(case, row)
        else:
            found += _rate_miss(case, row, machine)
    return [*found, *_load_miss(case), *_memory_miss(case)]


def beyond_bytes(case: Case) -> int:
    """What Seatrial takes beside weights and cache."""
    memory = case.facts[OURS]["memory"]
    return int(memory["peak"] - memory["weights"] - memory["cache"])


def _rate_miss(case: Case, row: Row, machine: Machine) -> list[str]:
    ours, theirs = (case.values.get((row.title, name)) for name in (OURS, PEER))
    assert ours is not None
    rate, limit, short = statistics.median(ours), limit_of(case, row, machine), []
    if row.target and theirs and rate < row.target * statistics.median(theirs):
        ratio, wanted = rate / statistics.median(theirs), row.target * statistics.median(theirs)
        short.append(f"{ratio:.2f} × llama.cpp where {row.target:g} × ({wanted:,.4g} tokens/s) is aimed at")
    if row.share and limit and rate < row.share * limit.rate:
        short.append(f"{rate / limit.rate:.0%} of the limit where {row.share:.0%} is aimed at")
    if not short:
        return []
    said = f"{row.title}: {'; '.join(short)}."
    return [f"{said} {_why(case, row, limit, rate, theirs)}" if limit else f"{said} The limit was not measured."]


def _why(case: Case, row: Row, limit: Limit, rate: float, theirs: list[float] | None) -> str:
    product = case.products[row.tokens_at_once]
    if limit.bound == "memory":
        allowed, reached = f"memory, at {limit.available / 1e9:.1f} GB/s", f"{product.bytes_per_s / 1e9:.1f} GB/s"
    else:
        allowed = f"multiplication ({limit.bound}), at {limit.available / 1e9:,.0f} GOP/s from registers"
        reached = f"{product.operations_per_s / 1e9:,.0f} GOP/s"
    alone, whole = limit.share_of(product), rate / limit.rate
    rest = "; the rest is what stands between products" if alone > whole else ""
    peer = f", llama.cpp {statistics.median(theirs) / limit.rate:.0%}" if theirs else ""
    return (
        f"It is bound by {allowed}, which would allow {limit.rate:,.4g}: Seatrial reaches {whole:.0%} of it"
        f"{peer}. The largest product alone ({case.product}, {case.format}, {product.tokens} tokens) reaches "
        f"{reached}, {alone:.0%}{rest}."
    )


def _prefix_miss(case: Case, row: Row, machine: Machine) -> list[str]:
    found = case.values[row.title, OURS]
    shared_s, alone_s = (statistics.median([value[key] for value in found]) for key in ("shared_s", "alone_s"))
    if shared_s <= PREFIX_AIM * alone_s:
        return []
    pairs = row.args["own"] * found[-1]["num_cached"]
    operations = pairs * case.facts[OURS]["costs"]["pair"]
    more_s = shared_s - alone_s
    said = (
        f"{row.title}: {shared_s / alone_s:.2f} × where {PREFIX_AIM:g} × is aimed at. The prefix is not computed again "
        f"({found[-1]['num_cached']:,} tokens cached), but each own token attends to it: {operations / 1e9:.1f} GOP, "
        f"done in the {more_s * 1e3:.0f} ms more at {operations / more_s / 1e9:,.0f} GOP/s."
    )
    floats = machine.operations_per_s.get("float32-fma")
    if floats is None:
        return [said]
    least_s = operations / floats
    return [
        f"{said} In float32 at the machine's {floats / 1e9:,.0f} GOP/s they take {least_s * 1e3:.0f} ms, so that "
        f"{(alone_s + least_s) / alone_s:.2f} × is the least that could be reached here."
    ]


def _copy_miss(case: Case, row: Row) -> list[str]:
    found = case.values[row.title, OURS]
    plain, fast = (statistics.median([value[key] for value in found]) for key in ("plain", "speculating"))
    if fast >= COPY_AIM * plain:
        return []
    last = found[-1]
    return [
        f"{row.title}: {fast / plain:.2f} × with speculation where {COPY_AIM:g} × is aimed at; {last['accepted']} of "
        f"{last['drafted']} drafted tokens were right."
    ]


def _load_miss(case: Case) -> list[str]:
    ours, theirs = (case.values.get(("load", name)) for name in (OURS, PEER))
    if not ours or statistics.median(ours) < case.load_aim_s:
        return []
    beside = f" llama.cpp takes {statistics.median(theirs):.2f} s." if theirs else ""
    return [f"load: {statistics.median(ours):.2f} s where {case.load_aim_s:g} s is aimed at.{beside}"]


def _memory_miss(case: Case) -> list[str]:
    memory, beyond = case.facts[OURS]["memory"], beyond_bytes(case)
    if beyond <= BEYOND_AIM_BYTES:
        return []
    taken = memory["weights"] + memory["cache"]
    return [
        f"memory: {beyond / 1e6:,.0f} MB beyond weights and cache where {BEYOND_AIM_BYTES / 1e6:.0f} are aimed at. "
        f"Python with its libraries takes {memory['before'] / 1e6:,.0f} before anything is loaded; the most is "
        f"{memory['loaded'] / 1e6:,.0f} by the time the model is loaded and {memory['peak'] / 1e6:,.0f} at the end, of "
        f"which {taken / 1e6:,.0f} are weights and cache."
    ]

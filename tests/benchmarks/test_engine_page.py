"""The page of the engine's benchmark: limits by hand, aims that are missed said with their reason, omissions found."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

PEERS = str(Path(__file__).resolve().parents[2] / "benchmarks" / "peers")
if PEERS not in sys.path:
    sys.path.insert(0, PEERS)

import omissions  # noqa: E402
from cases import OURS, PEER, SAME_FILE, Case, Row  # noqa: E402
from least_time import Work, work_of  # noqa: E402
from limits import Limit, Machine, limit_of  # noqa: E402
from misses import misses  # noqa: E402
from outcome import markdown  # noqa: E402
from products import Product  # noqa: E402

from seatrial.engine.pass_costs import prefill_operations  # noqa: E402
from seatrial.engine.random_model import shapes  # noqa: E402

MACHINE = Machine(
    "here", "2026-11-22", "python it", "Linux", "a CPU", 2, (0.0,), 20e9, {"int8": 400e9, "float32-fma": 200e9}
)
PREFILL = Row("prefill 512", "prefill", {"num_tokens": 512}, 4.0)
ONE = Row("decode, 1 at once", "decode", {"batch": 1, "prompt": 64, "generate": 32}, 1.0, 0.85)
MANY = Row("decode, 16 at once", "decode", {"batch": 16, "prompt": 64, "generate": 32}, 2.5)
PREFIX = Row("first token", "prefix", {"shared": 1000, "own": 100}, engines=(OURS, PEER))
COPYING = Row("copying", "copying", {}, engines=(OURS,))
MB = 1_000_000


def product(tokens: int) -> Product:
    """A billion multiply-adds and a hundred million bytes in ten milliseconds: 200 GOP/s, 10 GB/s."""
    return Product("q4_0", "a matrix", tokens, 0.01, 0.01, 0.01, 10**9, 10**8)


def case(*measured: tuple[Row, Any, Any], load_s: float = 1.0, peak: int = 2300 * MB) -> Case:
    """Of rows with what Seatrial and llama.cpp reached (None: not asked).

    A prompt takes 4 GOP a token, a decode step reads 2 GB, attention takes 1 MOP for each pair.
    """
    memory = {"weights": 1900 * MB, "cache": 100 * MB, "peak": peak, "before": 80 * MB, "loaded": 2000 * MB}
    costs = {"prompts": {"1": 4e9, "512": 2048e9}, "steps": {"1": 2e9, "16": 2e9}, "pair": 1e6}
    found = Case(
        "a model",
        Path("a file"),
        1,
        1,
        80.0,
        tuple(row for row, _, _ in measured),
        ((OURS, PEER),),
        speaks=False,
        load_aim_s=15,
        format="q4_0",
        product="a matrix",
    )
    found.facts[OURS] = {"runner": "avx2", "memory": memory, "costs": costs}
    found.facts[PEER] = {"runner": "llama-cpp-python 1", "memory": {"peak": 10**9}}
    found.values[("load", OURS)] = [load_s] * 5
    for row, *values in measured:
        reached = zip((OURS, PEER), values, strict=True)
        found.values.update({(row.title, name): [value] * 5 for name, value in reached if value is not None})
    found.products.update({tokens: product(tokens) for tokens in (1, 16, 512)})
    return found


def test_decoding_is_bound_by_the_slower_of_memory_and_multiplication() -> None:
    """2 GB at 20 GB/s are 10 steps a second, which multiplication would allow 100 tokens of."""
    some = case((ONE, 9.0, None), (MANY, 50.0, None), (PREFILL, 50.0, None))
    assert limit_of(some, ONE, MACHINE) == Limit(10.0, "memory", 20e9)
    assert limit_of(some, MANY, MACHINE) == Limit(100.0, "int8", 400e9)
    assert limit_of(some, PREFILL, MACHINE) == Limit(100.0, "int8", 400e9)
    blind = replace(MACHINE, operations_per_s={})
    assert limit_of(some, PREFILL, blind) is None
    assert limit_of(some, MANY, blind) == Limit(160.0, "memory", 20e9)


def test_no_aim_missed_is_said_so() -> None:
    fine = case((PREFILL, 80.0, 20.0), (ONE, 8.6, 8.0), (MANY, 50.0, 20.0))
    assert misses(fine, MACHINE) == []
    page = markdown(MACHINE, [fine], ["nothing."], quick=False)
    assert "No aim is missed." in page
    assert "| decode, 1 at once | 8.60 (8.60 to 8.60) | 8.00 (8.00 to 8.00) | 1.07 | ≥ 1 ×, 85% of the limit |" in page
    assert "| 10.0 (memory) | 86% | 50% |" in page
    assert page.endswith("## Not in this file\n\n- nothing.\n")


@pytest.mark.parametrize(
    ("row", "ours", "theirs", "says"),
    [
        (
            PREFILL,
            40.0,
            20.0,
            ["2.00 × llama.cpp where 4 ×", "400 GOP/s", "40% of it, llama.cpp 20%", "200 GOP/s, 50%;"],
        ),
        (MANY, 60.0, 30.0, ["2.00 × llama.cpp where 2.5 × (75 tokens/s)", "60% of it", "200 GOP/s, 50%."]),
        (
            ONE,
            7.0,
            8.0,
            ["0.88 × llama.cpp where 1 ×", "70% of the limit where 85%", "memory, at 20.0 GB/s", "10.0 GB/s"],
        ),
        (ONE, 8.0, 7.0, ["decode, 1 at once: 80% of the limit where 85% is aimed at."]),
    ],
)
def test_a_rate_that_falls_short_is_explained(row: Row, ours: float, theirs: float, says: list[str]) -> None:
    (said,) = misses(case((row, ours, theirs)), MACHINE)
    for part in says:
        assert part in said, said


def test_without_a_peer_only_the_limit_is_held_against() -> None:
    assert misses(case((PREFILL, 40.0, None), (ONE, 9.0, None)), MACHINE) == []
    assert len(misses(case((PREFILL, 40.0, None), (ONE, 5.0, None)), MACHINE)) == 1


def test_a_cached_prefix_that_costs_too_much_is_explained_by_attention() -> None:
    """100 tokens see 992 each: 99.2 GOP in 0.2 s are 496 GOP/s; at 200 they would take 496 ms."""
    some = case((PREFIX, {"shared_s": 0.3, "alone_s": 0.1, "num_cached": 992}, None))
    (said,) = misses(some, MACHINE)
    for part in ("3.00 × where 1.3 ×", "992 tokens cached", "99.2 GOP", "496 GOP/s", "496 ms", "5.96 × is the least"):
        assert part in said, said
    assert not misses(case((PREFIX, {"shared_s": 0.13, "alone_s": 0.1, "num_cached": 992}, None)), MACHINE)


def test_copying_load_and_memory_are_held_against_their_aims() -> None:
    slow = {"plain": 100.0, "speculating": 120.0, "accepted": 3, "drafted": 50, "same": True}
    found = misses(case((COPYING, slow, None), load_s=16.0, peak=2400 * MB), MACHINE)
    assert [said.split(":")[0] for said in found] == ["copying", "load", "memory"]
    assert "1.20 × with speculation where 1.5 ×" in found[0]
    assert "16.00 s where 15 s" in found[1]
    assert "400 MB beyond weights and cache where 350" in found[2]


def test_the_same_file_in_both_stands_in_the_notes() -> None:
    some = case((ONE, 9.0, 5.0))
    some.facts[SAME_FILE] = {
        "runner": "avx2",
        "memory": {"peak": 10**9},
        "costs": {"prompts": {"1": 4e9}, "steps": {"1": 4e9}},
    }
    some.values[(ONE.title, SAME_FILE)] = [4.5] * 5
    page = markdown(MACHINE, [some], [], quick=False)
    assert "0.90 × llama.cpp, 90% of what memory allows." in page
    assert page.count("avx2") == 1


X86, ARM = "x86_64", "aarch64"
AVX512 = ("avx512f", "avx512bw", "avx512vl", "avx512_vnni")


@pytest.mark.parametrize(
    ("architecture", "flags", "built", "says"),
    [
        (X86, ["avx2"], ["avx2"], {"amx": "`amx_tile`, `amx_int8`", "avx512": "no `avx512f`", "neon": "for aarch64"}),
        (X86, AVX512, ["avx2"], {"amx": "no `amx", "avx512": "were built without", "neon": "this is x86_64"}),
        (ARM, ["asimddp"], ["neon"], {"amx": "is for x86_64", "avx512": "this is aarch64", "avx2": "x86_64"}),
    ],
)
def test_levels_that_did_not_run_are_named_with_what_keeps_them(
    monkeypatch: pytest.MonkeyPatch, architecture: str, flags: list[str], built: list[str], says: dict[str, str]
) -> None:
    monkeypatch.setattr(omissions.platform, "machine", lambda: architecture)
    monkeypatch.setattr(omissions, "cpu_flags", lambda: frozenset(flags))
    monkeypatch.setattr(omissions.cpu, "levels", lambda: built)
    found = omissions.missing_levels()
    assert len(found) == len(says)
    for (level, reason), said in zip(says.items(), found, strict=True):
        assert f"`{level}` was not measured" in said
        assert reason in said


def test_what_was_not_asked_for_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(omissions, "cpu_flags", lambda: frozenset({"avx2"}))
    found = omissions.left_out(["transformers bf16"], ["3b"], ["135m", "3b"], peers=True)
    assert "no instruction that multiplies bfloat16" in found[0]
    assert found[1] == "Models left out (`--models`): 135m."
    assert "long_context.py" in found[2]
    assert "not asked for" in omissions.left_out([], ["135m"], ["135m"], peers=False)[0]


def test_the_work_of_a_stretch_is_what_a_prompt_counts() -> None:
    """A whole prompt is the same as its halves; by hand 3 tokens after 2 see 3 + 4 + 5 positions."""
    config = shapes()["smollm2-135m"]
    whole, halves = work_of(config, 0, 40, 1), (work_of(config, 0, 17, 0), work_of(config, 17, 40, 1))
    assert sum(whole) == prefill_operations(config, 40)
    assert whole.products == sum(half.products for half in halves)
    assert whole.attention == sum(half.attention for half in halves)
    assert work_of(config, 2, 5, 0).attention == 4 * 30 * 9 * 64 * 12
    assert Work(400.0, 200.0).seconds({"int8": 100.0, "float32-fma": 50.0}) == 8.0
    assert Work(400.0, 200.0).seconds({}) is None

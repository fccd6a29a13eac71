"""The server's benchmark and soak: what is missed or unsound is said so."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

BENCHMARKS = str(Path(__file__).resolve().parents[2] / "benchmarks")
sys.path.insert(0, BENCHMARKS)

from server_load import Stream  # noqa: E402
from server_report import ChatRow, HttpRow, StartRow, decoding_rate, report  # noqa: E402
from server_soak import Outcome, check  # noqa: E402
from soak_clients import Tally  # noqa: E402

sys.path.remove(BENCHMARKS)  # whose `kernels.py` transformers would import as a package of that name

ENGINE = {f'seatrial_engine_{what}{{model="smollm2-135m"}}': 0.0 for what in ("running", "waiting", "blocks_used")}
COUNTED = 'seatrial_requests_total{method="POST",route="/v1/chat/completions",status="200"}'


def sound() -> Outcome:
    tally = Tally(num_sent=3)
    tally.ends.update({"streamed": 2, "failed": 1})
    tally.failed_at_s.append(31.0)
    metrics = {"seatrial_requests_in_flight": 1.0, "seatrial_generations": 0.0, COUNTED: 3.0, **ENGINE}
    there = {"tasks": 6, "threads": 5, "files": 22}
    return Outcome(tally, [30.0], [200.0] * 20, there, dict(there), metrics)


def metric(name: str, value: float) -> Callable[[Outcome], None]:
    return lambda outcome: outcome.metrics.update({name: value})


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (metric(COUNTED, 2.0), "the server has counted 2"),
        (metric("seatrial_generations", 1.0), "`generations` is 1"),
        (metric("seatrial_requests_in_flight", 2.0), "`requests_in_flight` is 2"),
        (metric(next(iter(ENGINE)), 1.0), "engine has 1 running"),
        (lambda outcome: outcome.after.update(tasks=7), "6 tasks before"),
        (lambda outcome: outcome.after.update(files=40), "22 files before"),
        (lambda outcome: outcome.memory_mb.append(240.0), "grew by 40 MB"),
        (lambda outcome: outcome.tally.failed_at_s.append(50.0), "1 requests failed and no fault"),
        (lambda outcome: outcome.tally.failed_at_s.clear(), "no client noticed"),
        (lambda outcome: outcome.tally.unsound.append("a stream broke off"), "a stream broke off: 1"),
        (lambda outcome: outcome.tally.ends.update(["streamed"]), "saw the end of 4"),
    ],
)
def test_what_is_unsound(spoil: Callable[[Outcome], object], said: str) -> None:
    outcome = sound()
    assert check(outcome) == []
    spoil(outcome)
    (fault,) = check(outcome)
    assert said in fault


def test_decoding_is_measured_while_all_answers_are_being_written() -> None:
    """One begins at 1 s, the other ends at 3 s: two pieces of each lie between, of two tokens each in the second."""
    streams = [
        Stream(0.0, [0.5, 1.5, 2.5, 3.5], num_tokens=4),
        Stream(0.0, [1.0, 2.0, 3.0], num_tokens=6),
    ]
    assert decoding_rate(streams) == pytest.approx((2 * 1 + 2 * 2) / 2.0)


HTTP = HttpRow("**Seatrial**", [7000.0], [0.01], [0.0005], [1e-4], [50e-6], [0.001])
FLOOR = HttpRow("a bare socket", [9000.0], [0.01], [0.0002], [5e-5], [4e-5])
STARTS = [StartRow("elsewhere", [0.6], [50.0]), StartRow("local", [2.0], [200.0])]
CHATS = [ChatRow("**Seatrial**", [95.0], [80.0], [1.0]), ChatRow("llama.cpp", [20.0], [20.0], [2.0])]
BENCH = [90.0, 100.0, 110.0]


def page(http: HttpRow = HTTP, starts: list[StartRow] = STARTS, chats: list[ChatRow] = CHATS) -> str:
    args = argparse.Namespace(hardware="here", repeats=1)
    return report(args, "a machine", [FLOOR, http], starts, chats, BENCH)


def test_all_aims_are_met() -> None:
    assert page().count("Met.") == 9
    assert "Missed" not in page()


@pytest.mark.parametrize(
    ("changed", "aim"),
    [
        (page(replace(HTTP, per_s=[5999.0])), "≥ 6,000 requests/s: 5,999"),
        (page(replace(HTTP, alone_s=[0.0007])), "added p50 ≤ 0.4 ms alone: 0.500 ms"),
        (page(replace(HTTP, chunk_cpu_s=[61e-6])), "≤ 60 µs per chunk: 61 µs"),
        (page(starts=[StartRow("elsewhere", [1.1], [50.0]), STARTS[1]]), "ready < 1 s without a local model: 1.10 s"),
        (page(starts=[StartRow("elsewhere", [0.9], [61.0]), STARTS[1]]), "< 60 MB without a local model: 61 MB"),
        (page(chats=[replace(CHATS[0], decoding_per_s=[89.0]), CHATS[1]]), "at the same batch: 89%"),
        (page(chats=[CHATS[0], replace(CHATS[1], overall_per_s=[30.0])]), "≥ 3 × llama.cpp's server, over all: 2.67 ×"),
    ],
)
def test_an_aim_that_is_missed_is_said(changed: str, aim: str) -> None:
    (line,) = [line for line in changed.splitlines() if "Missed" in line]
    assert aim in line

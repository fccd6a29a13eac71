"""`seatrial bench`: the table, Markdown and JSON of a tiny model, and what cannot be measured."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from seatrial.cli.bench import as_markdown, parse_batches, print_table, rows
from seatrial.engine.bench_report import (
    BenchReport,
    BenchSettings,
    CachedPrefix,
    Circumstances,
    Copying,
    Decode,
    Limits,
    Memory,
    Prefill,
    Spread,
)
from seatrial.errors import UsageError

SMALL = ("--prompt", "24", "--generate", "4", "--batch", "1,2", "--repeats", "2", "--threads", "1")
REPORT = BenchReport(
    model="smollm2-135m",
    runner="avx2",
    circumstances=Circumstances("auto", 2, "Some CPU", {"seatrial": "0.1.0"}, "2026-11-22T12:00:00+00:00"),
    settings=BenchSettings(batches=(1, 16)),
    load_s=0.84,
    limits=Limits(20e9, {"avx2 q4_1": 300e9, "torch float32": 150e9}),
    prefill=Prefill(512, Spread(0.5, 0.4, 0.6), Spread(1024.0, 853.3, 1280.0), 75e9, 0.5),
    cached_prefix=CachedPrefix(1000, 100, 992, Spread(0.11, 0.1, 0.12), Spread(0.1, 0.09, 0.11)),
    decode=(Decode(1, Spread(180.0, 175.5, 190.0), 1e8, 0.9), Decode(16, Spread(1600.0, 1.0, 2.0), 2e8, 1.0)),
    copying=Copying(200, 160, Spread(100.0, 99.0, 101.0), Spread(250.0, 240.0, 260.0), 150, 120, True),
    memory=Memory(97_000_000, 150_000_000, 500_000_000),
    left_out=("something: a reason",),
)


def test_the_rows_say_the_figures_with_their_units() -> None:
    said = {row.what: row[1:] for row in rows(REPORT)}
    assert said["prefill, 512 tokens"] == ("1,024 tok/s", "853 to 1,280", "50% of 300 GOP/s")
    assert said["decode, 1 at once"] == ("180 tok/s", "176 to 190", "90% of 20.0 GB/s")
    assert said["first token, 512 tokens"] == ("500 ms", "400 ms to 600 ms", "")
    assert said["first token, 1,000 cached + 100"][2] == "1.10 × 100 alone"
    assert said["copying, with speculation"] == ("250 tok/s", "240 to 260", "2.50 × without")
    assert said["load"][0] == "840 ms"
    assert said["memory, most"] == ("500 MB", "", "253 MB beyond")


def test_markdown_is_one_table_with_its_circumstances() -> None:
    text = as_markdown(REPORT)
    table = [line for line in text.splitlines() if line.startswith("|")]
    assert len(table) == 2 + len(rows(REPORT))
    assert {line.count("|") for line in table} == {5}
    assert text.startswith("**smollm2-135m · auto · avx2, 2 threads · Some CPU · seatrial 0.1.0 · 2026-11-22**")
    assert "- Left out: something: a reason." in text


def test_answers_that_differ_are_not_hidden() -> None:
    assert REPORT.copying is not None
    wrong = replace(REPORT, copying=replace(REPORT.copying, same_answer=False))
    assert "NOT THE SAME ANSWER" in as_markdown(wrong)


@pytest.mark.parametrize(("text", "batches"), [("1", (1,)), ("1, 4,16", (1, 4, 16)), ("4,4", (4,))])
def test_batches_are_read(text: str, batches: tuple[int, ...]) -> None:
    assert parse_batches(text) == batches


@pytest.mark.parametrize("text", ["", "1,,2", "four", "-1", "1.5", "1;2", "٣", "9" * 30])
def test_batches_that_are_no_counts_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--batch"):
        parse_batches(text)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, tiny: Callable[..., Any]) -> Path:
    path: Path = tiny("smollm3", eos_token_id=None).write_folder(tmp_path_factory.mktemp("bench") / "model")
    return path


def test_a_folder_is_measured_and_the_json_is_whole(seatrial, folder: Path) -> None:
    ran = seatrial("bench", folder, *SMALL, "--dtype", "float32", "--json")
    assert ran.code == 0, ran.err
    found = json.loads(ran.out)
    assert found["runner"] == "torch cpu float32"
    assert [figure["batch"] for figure in found["decode"]] == [1, 2]
    assert all(figure["tokens_per_s"]["least"] > 0 for figure in found["decode"])
    assert found["limits"]["matrix_rate"] == max(found["limits"]["matrix_rates"].values())
    assert found["circumstances"]["threads"] == 1
    assert found["settings"]["prompt"] == 24
    assert found["memory"]["peak_bytes"] > found["memory"]["weights_bytes"] > 0


def test_the_table_fits_a_narrow_terminal(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    print_table(REPORT)
    out = capsys.readouterr().out
    for part in ("prefill, 512 tokens", "1,024 tok/s", "853 to 1,280", "Left out: something: a reason."):
        assert part in out
    assert max(map(len, out.splitlines())) <= 80


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("smolm2-135m",), 2, ["`smolm2-135m`", "`smollm2-135m`"]),
        (("random:smollm2-135m@q5_0",), 2, ["`Q5_0`", "Q4_1"]),
        (("smollm3-3b",), 1, ["seatrial pull smollm3-3b", "random:smollm3-3b"]),
        (("smollm2-135m@int4",), 2, ["`smollm2-135m@int4`", "`--dtype`"]),
        (("gpt-5-mini",), 2, ["`gpt-5-mini`", "local model"]),
        (("./absent.gguf",), 2, ["absent.gguf"]),
        (("x", "--batch", "1,x"), 2, ["`x` is not a count"]),
        (("x", "--json", "--markdown"), 2, ["exclude each other"]),
    ],
)
def test_what_cannot_be_measured_is_said(seatrial, words: tuple[str, ...], code: int, says: list[str]) -> None:
    ran = seatrial("bench", *words)
    assert ran.code == code, ran
    for part in says:
        assert part in ran.err


def test_help_says_what_can_be_asked(seatrial) -> None:
    ran = seatrial("bench", "--help")
    assert ran.code == 0
    for option in ("--prompt", "--generate", "--batch", "--threads", "--dtype", "--repeats", "--json", "--markdown"):
        assert option in ran.out


def test_a_prompt_longer_than_the_context_names_both(seatrial, folder: Path) -> None:
    ran = seatrial("bench", folder, "--prompt", "4000", "--generate", "500")
    assert ran.code == 1
    assert "4,500" in ran.err
    assert "--prompt" in ran.err


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--prompt", "65500", "--batch", "1"), ["65,628", "65,536", "Lower `--prompt` to 65,408"]),
        (("--prompt", "65000", "--batch", "512"), ["512 answers of 65,128 tokens", "GB are free", "Lower `--batch`"]),
    ],
)
def test_a_large_model_is_refused_without_making_its_weights(seatrial, words: tuple[str, ...], says: list[str]) -> None:
    """Making three billion weights takes half a minute; the shape alone says that they are not needed."""
    start = time.monotonic()
    ran = seatrial("bench", "random:smollm3-3b@q4_0", *words)
    assert time.monotonic() - start < 15
    assert ran.code == 1
    for part in says:
        assert part in ran.err

"""Every way in which the files of a workload can be wrong, and where the error says so."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from written import EXAMPLES, ITEMS, TOML, write_folder, write_lines

from seatrial.errors import WorkloadError
from seatrial.workload.lines import LONGEST_LINE_BYTES
from seatrial.workload.loading import load_workload


@pytest.mark.parametrize(
    ("lines", "where", "what"),
    [
        (['{"input": "q", "expected": "a"}', "{input: q}"], "line 2", "is not JSON (expecting property name"),
        (['{"input": "q", "expected": "a"} x'], "line 1", "is not JSON (extra data at column 33)"),
        (["[1]"], "line 1", "must be an object, is an array"),
        (["[", "{}"], "line 1", "looks like one JSON array"),
        (['"text"'], "line 1", "is a text"),
        (["3"], "line 1", "is a number or null"),
        (['{"expected": "a"}'], "line 1, `input`", "lacks this field (it has `expected`)"),
        (['{"inputs": "q", "expected": "a"}'], "line 1, `input`", "it has `inputs`"),
        (['{"input": "q"}'], "line 1, `expected`", "lacks this field"),
        (['{"input": "q", "expected": null}'], "line 1, `expected`", "lacks this field"),
        (['{"input": 3, "expected": "a"}'], "line 1, `input`", "must be a text, is the number 3"),
        (['{"input": " ", "expected": "a"}'], "line 1, `input`", "must not be empty"),
        (['{"input": "q", "expected": ""}'], "line 1, `expected`", "must not be empty"),
        (['{"input": "q", "expected": {"a": 1}}'], "line 1, `expected`", "must be a text"),
        (['{"input": "q", "expected": []}'], "line 1, `expected`", "at least one"),
        (['{"input": "q", "expected": NaN}'], "line 1", "holds NaN"),
        (['{"input": "q", "expected": 1e999}'], "line 1", "too large for a 64-bit float"),
        (['{"input": "q", "expected": "\\ud800"}'], "line 1", "surrogate"),
        (['{"input": "q", "input": "r", "expected": "a"}'], "line 1", 'the key "input" twice'),
        (['{"input": "q", "expected": ' + "[" * 90 + "]" * 90 + "}"], "line 1", "deeper than 64"),
        (['{"input": ' * 3000], "line 1", "JSON|deeper"),
        (['{"id": 1.5, "input": "q", "expected": "a"}'], "line 1, `id`", "whole number"),
        (['{"id": true, "input": "q", "expected": "a"}'], "line 1, `id`", "whole number"),
        (['{"id": "", "input": "q", "expected": "a"}'], "line 1, `id`", "must not be empty"),
        (['{"cluster": {}, "input": "q", "expected": "a"}'], "line 1, `cluster`", "is an object"),
        (
            ['{"id": "x", "input": "q", "expected": "a"}', "", '{"id": "x", "input": "r", "expected": "a"}'],
            "line 3, `id`",
            "repeats the id 'x' of line 1",
        ),
        (
            ['{"id": 7, "input": "q", "expected": "a"}', '{"id": "7", "input": "r", "expected": "a"}'],
            "line 2, `id`",
            "of line 1",
        ),
        (
            ['{"id": "line-2", "input": "q", "expected": "a"}', '{"input": "r", "expected": "a"}'],
            "line 2, `id`",
            "of line 1",
        ),
        ([], "", "has no items"),
        (["", "  "], "", "has no items"),
    ],
)
def test_a_faulty_line_is_named(tmp_path: Path, lines: list[str], where: str, what: str) -> None:
    path = tmp_path / "faulty.jsonl"
    path.write_text("\n".join(lines), encoding="utf-8")
    with pytest.raises(WorkloadError) as caught:
        load_workload(str(path), scorer="exact")
    assert str(caught.value).startswith(f"{path}{', ' if where else ''}{where}: ")
    assert any(option in str(caught.value) for option in what.split("|"))


def test_bytes_that_are_not_utf8_are_named_by_line_and_offset(tmp_path: Path) -> None:
    path = tmp_path / "latin.jsonl"
    first = b'{"input": "q", "expected": "a"}\r\n'
    path.write_bytes(first + '{"input": "caf\u00e9", "expected": "a"}'.encode("latin-1"))
    with pytest.raises(
        WorkloadError, match=rf"line 2: is not UTF-8: byte 0xe9 at offset {len(first) + 14} of the file"
    ):
        load_workload(str(path), scorer="exact")


def test_utf16_is_recognised(tmp_path: Path) -> None:
    path = tmp_path / "wide.jsonl"
    path.write_text('{"input": "q", "expected": "a"}', encoding="utf-16")
    with pytest.raises(WorkloadError, match=r"is UTF-16\. Save the file as UTF-8"):
        load_workload(str(path), scorer="exact")


def test_a_line_beyond_the_limit(tmp_path: Path) -> None:
    path = tmp_path / "long.jsonl"
    path.write_text('{"input": "' + "x" * LONGEST_LINE_BYTES + '", "expected": "a"}')
    with pytest.raises(WorkloadError, match="line 1: is longer than 4 MiB"):
        load_workload(str(path), scorer="exact")


@pytest.mark.parametrize(
    ("old", "new", "where", "what"),
    [
        ("licence =", "license =", "`license`", "Did you mean `licence`"),
        ("shots = 1", "shot = 1", "`prompt.shot`", "Did you mean `prompt.shots`"),
        ("shots = 1", "shots = 2", "`prompt.shots`", "asks for 2 examples; examples.jsonl has 1"),
        ("shots = 1", "shots = -1", "`prompt.shots`", "whole number from 0"),
        ("shots = 1", "shots = true", "`prompt.shots`", "whole number"),
        ("max_tokens = 16", "max_tokens = 0", "`prompt.max_tokens`", "from 1 to 1,000,000"),
        ("max_tokens = 16", 'max_tokens = "16"', "`prompt.max_tokens`", "whole number"),
        ("Ticket: {input}", "Ticket: {inptu}", "`prompt.user`", "{input}"),
        ('task = "classification"', 'task = "sorting"', "`task`", "classification, extraction, reasoning, generation"),
        ('title = "Support tickets"', "title = 3", "`title`", "must be a text"),
        ('name = "tickets"', 'name = "a\\nb"', "`name`", "one line"),
        ('cluster = "customer"', 'cluster = "client"', "line 1, `client`", "lacks this field"),
        ('name = "label"', 'name = "lable"', "`scorer.name`", "Did you mean `label`"),
        ('name = "label"', "", "`scorer.name`", "is missing"),
        ("labels =", "lables =", "`scorer.lables`", "Did you mean `labels`"),
        ('"returns"]', '"refunds"]', "line 2, `expected`", "'returns' is none of the 2 labels"),
        ('"returns"]', '"returns"', "line 1", "is not TOML: "),
        ("[prompt]", "[prompt", "line 10", "is not TOML: "),
        ("[prompt]", "[prompt]\nsystem = 1\n[other]\na=1\n[x]", "", "Cannot declare|no such key"),
        ('licence = "CC0-1.0"', "licence = 2026-01-01", "", "holds a date"),
    ],
)
def test_a_faulty_manifest_is_named(tmp_path: Path, old: str, new: str, where: str, what: str) -> None:
    assert old in TOML
    with pytest.raises(WorkloadError) as caught:
        load_workload(write_folder(tmp_path / "w", TOML.replace(old, new)))
    assert str(tmp_path / "w") in str(caught.value)
    if not new.endswith('returns"'):
        assert where in str(caught.value)
    assert any(option in str(caught.value) for option in what.split("|"))


def test_a_manifest_that_is_not_utf8(tmp_path: Path) -> None:
    folder = tmp_path / "w"
    write_folder(folder)
    (folder / "workload.toml").write_bytes(b'name = "a"\ntitle = "caf\xe9"\n')
    with pytest.raises(WorkloadError, match=r"workload.toml, line 2: is not UTF-8: byte 0xe9 at offset 23"):
        load_workload(str(folder))


def test_an_item_that_is_also_an_example(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "w", examples=[*EXAMPLES, {"input": "it  came broken ", "expected": "returns"}])
    with pytest.raises(
        WorkloadError, match=r"examples.jsonl, line 2, `input`: is also an item \(items.jsonl, line 2\)"
    ):
        load_workload(folder)


def test_a_folder_without_its_files(tmp_path: Path) -> None:
    with pytest.raises(WorkloadError, match=r"has no workload.toml"):
        load_workload(str(tmp_path))
    (tmp_path / "workload.toml").write_text(TOML)
    with pytest.raises(WorkloadError, match=r"items.jsonl: cannot be read \(No such file"):
        load_workload(str(tmp_path))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "x.jsonl", ITEMS)
    path.chmod(0)
    with pytest.raises(WorkloadError, match="cannot be read"):
        load_workload(str(path))

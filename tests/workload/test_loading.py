"""Workloads from folders and by name, as they should be."""

from __future__ import annotations

from pathlib import Path

import pytest
from written import write_folder

from seatrial.errors import UnknownName
from seatrial.workload.loading import builtin_names, load_workload


def test_a_folder(tmp_path: Path) -> None:
    workload = load_workload(write_folder(tmp_path / "w"))
    assert (workload.name, workload.version, workload.title) == ("tickets", "2.1.0", "Support tickets")
    assert (workload.task, workload.licence, workload.description) == ("classification", "CC0-1.0", "Which desk?")
    assert [item.id for item in workload.items] == ["a", "b"]
    assert [item.cluster for item in workload.items] == ["Harrow", "Pell"]
    assert workload.clustered
    assert not workload.scorer.structured
    assert workload.origin == str(tmp_path / "w")
    assert len(workload.fingerprint) == 64
    assert workload.notes == ()


def test_the_toml_file_stands_for_its_folder(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "w")
    assert load_workload(f"{folder}/workload.toml").fingerprint == load_workload(folder).fingerprint


def test_a_manifest_may_say_next_to_nothing(tmp_path: Path) -> None:
    workload = load_workload(
        write_folder(tmp_path / "mine", 'scorer = "exact"', [{"input": "q", "expected": "a"}], None)
    )
    assert (workload.name, workload.version, workload.title, workload.licence) == ("mine", "1", "mine", "not stated")
    assert (workload.task, workload.examples, workload.items[0].id) == ("generation", (), "line-1")


def test_builtin_workloads_load_by_name() -> None:
    assert "arithmetic" in builtin_names()
    for name in builtin_names():
        workload = load_workload(name)
        assert workload.name == workload.origin == name
        assert workload.clustered
        assert workload.examples


def test_byte_order_mark_crlf_and_blank_lines_change_nothing(tmp_path: Path) -> None:
    plain = load_workload(write_folder(tmp_path / "plain"))
    odd = tmp_path / "odd"
    write_folder(odd)
    for name in ("items.jsonl", "examples.jsonl", "workload.toml"):
        raw = (odd / name).read_bytes()
        if name.endswith("jsonl"):
            raw = raw.replace(b"\n", b"\n\n   \n")
        (odd / name).write_bytes(b"\xef\xbb\xbf" + raw.replace(b"\n", b"\r\n").rstrip())
    assert load_workload(str(odd)).fingerprint == plain.fingerprint
    assert load_workload(str(odd)).items == plain.items


def test_unknown_names_offer_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="Did you mean `arithmetic`"):
        load_workload("arithmetics")
    with pytest.raises(UnknownName, match="no file or folder of that name"):
        load_workload(str(tmp_path / "none.jsonl"))
    with pytest.raises(UnknownName, match="no file or folder of that name"):
        load_workload("\x00")
    with pytest.raises(UnknownName, match="no file or folder of that name"):
        load_workload("x" * 5000)
    with pytest.raises(UnknownName, match="Did you mean `exact`"):
        load_workload("arithmetic", scorer="exakt")


def test_the_documentation_counts_what_is_built_in() -> None:
    page = (Path(__file__).parents[2] / "docs" / "workloads.md").read_text(encoding="utf-8")
    for name in builtin_names():
        workload = load_workload(name)
        row = next(line for line in page.splitlines() if line.startswith(f"| `{name}` |"))
        counts = [
            int(cell.split()[0].rstrip(",")) for cell in row.split("|")[2:5] if cell.split()[0].rstrip(",").isdigit()
        ]
        assert counts[0] == len(workload.items)
        assert counts[-1] == len(workload.examples)

"""The scorer of a workload: inferred from what is expected, named by the user, or with a schema of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from written import write_folder, write_lines

from seatrial.errors import WorkloadError
from seatrial.workload.loading import load_workload
from seatrial.workload.specification import Workload


def bare(tmp_path: Path, expected: list[Any], scorer: str | None = None) -> Workload:
    records = [{"input": f"question {place}", "expected": one} for place, one in enumerate(expected)]
    return load_workload(str(write_lines(tmp_path / "mine.jsonl", records)), scorer=scorer)


def test_labels_are_inferred_where_they_come_back_again_and_again(tmp_path: Path) -> None:
    workload = bare(tmp_path, ["yes", "no", "yes"] * 3)
    assert workload.scorer.settings["labels"] == ["no", "yes"]
    assert "No scorer was named; what is expected fits `label`, with 2 labels: no, yes." in workload.notes
    assert workload.prompt.system == "Answer with exactly one of these labels and nothing else: no, yes."
    assert workload.prompt.system in workload.notes[1]
    assert (workload.name, workload.task, workload.items[2].id) == ("mine", "classification", "line-3")


def test_numbers_and_objects_are_inferred(tmp_path: Path) -> None:
    assert bare(tmp_path, [1, 2.5]).scorer.name == "number"
    workload = bare(
        tmp_path,
        [
            {"who": "a", "when": "2026-01-02", "n": 1, "x": 1.5, "ok": True, "tags": ["p"], "lines": [{"sku": "s"}]},
            {"who": "b", "n": 2, "x": 2, "ok": False, "tags": [], "lines": []},
        ],
    )
    fields = workload.scorer.settings["fields"]
    kinds = {"who": "string", "when": "date", "n": "integer", "x": "number", "ok": "boolean", "tags": "strings"}
    assert {name: spec["type"] for name, spec in fields.items()} == {**kinds, "lines": "objects"}
    assert [name for name, spec in fields.items() if spec["optional"]] == ["when", "tags", "lines"]
    assert workload.scorer.structured
    assert "when (date as YYYY-MM-DD, or null)" in workload.prompt.system


@pytest.mark.parametrize("expected", [["a", "b", "c"], ["1", "2"] * 9, ["a", 1], [["a"], ["b"]], [True, False]])
def test_where_there_is_doubt_the_choices_are_named(tmp_path: Path, expected: list[Any]) -> None:
    with pytest.raises(WorkloadError, match=r"Name a scorer: exact, label, number, .*--scorer"):
        bare(tmp_path, expected)


def test_a_named_scorer_is_taken(tmp_path: Path) -> None:
    workload = bare(tmp_path, ["a", "b", "c"], "exact")
    assert (workload.scorer.name, workload.prompt.system, workload.notes) == ("exact", "", ("Scored by `exact`.",))
    assert bare(tmp_path, ["a", "b"], "label").scorer.settings["labels"] == ["a", "b"]
    assert bare(tmp_path, ["So 3.\nAnswer: 3"], "number").items[0].expected == "So 3.\nAnswer: 3"
    assert bare(tmp_path, ['{"a": 1}'], "json_fields").items[0].expected == {"a": 1}
    with pytest.raises(WorkloadError, match="needs a schema"):
        bare(tmp_path, ["a"], "json_schema")
    with pytest.raises(WorkloadError, match="must be an object in every item"):
        bare(tmp_path, ["a"], "json_fields")
    with pytest.raises(WorkloadError, match="object within an object"):
        bare(tmp_path, [{"a": {"b": 1}}], "json_fields")
    with pytest.raises(WorkloadError, match="at least two labels"):
        bare(tmp_path, ["a", "a"], "label")


def test_a_named_scorer_replaces_the_folders(tmp_path: Path) -> None:
    workload = load_workload(write_folder(tmp_path / "w"), scorer="exact")
    assert (workload.scorer.name, workload.prompt.system) == ("exact", "Pick a desk.")


def test_a_schema_in_a_file_of_its_own(tmp_path: Path) -> None:
    folder = tmp_path / "w"
    toml = '[scorer]\nname = "json_schema"\nschema_file = "schema.json"\n'
    write_folder(folder, toml, [{"input": "q"}], None)
    with pytest.raises(WorkloadError, match=r"`scorer.schema_file`: 'schema.json' cannot be read"):
        load_workload(str(folder))
    (folder / "schema.json").write_text('{"type": "object", "required": ["a"]}')
    assert load_workload(str(folder)).scorer.settings["schema"]["required"] == ["a"]
    (folder / "schema.json").write_text("{")
    with pytest.raises(WorkloadError, match=r"schema.json: is not JSON"):
        load_workload(str(folder))
    for name in ("../schema.json", "/etc/passwd", "", "..", "a\\b"):
        write_folder(folder, toml.replace("schema.json", name.replace("\\", "\\\\")), [{"input": "q"}], None)
        with pytest.raises(WorkloadError, match="name of a file beside"):
            load_workload(str(folder))

"""Whatever a file holds, it loads or is refused by name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from written import write_folder

from seatrial.errors import WorkloadError
from seatrial.workload.loading import load_workload
from seatrial.workload.scorers import SCORER_NAMES

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
roles = st.sampled_from(["system", "user", "assistant", "tool"])
records = st.fixed_dictionaries(
    {},
    optional={
        "id": json_values,
        "input": st.text(max_size=5) | json_values,
        "expected": st.sampled_from(["yes", "no", 1, {"a": 1}]) | json_values,
        "cluster": json_values,
        "messages": st.lists(st.fixed_dictionaries({"role": roles, "content": st.text(max_size=4)}), max_size=4)
        | json_values,
        "image": st.sampled_from(["any.jsonl", "../any.jsonl", "none.png"]) | json_values,
        "images": st.lists(st.just("any.jsonl"), max_size=2) | json_values,
        "video": st.just("any.jsonl") | json_values,
    },
)
scorers = st.sampled_from([None, *SCORER_NAMES])
on_files = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


def loads_or_refuses(path: Path, scorer: str | None = None) -> None:
    try:
        workload = load_workload(str(path), scorer=scorer)
    except WorkloadError as error:
        message = str(error)
    else:
        assert workload.items
        return
    assert message.startswith(str(path))


@on_files
@given(lines=st.lists(records | json_values, max_size=5), scorer=scorers)
def test_any_json_lines_load_or_are_refused(tmp_path: Path, lines: list[Any], scorer: str | None) -> None:
    path = tmp_path / "any.jsonl"
    path.write_text("\n".join(json.dumps(line) for line in lines))
    loads_or_refuses(path, scorer)


@on_files
@given(raw=st.binary(max_size=200), scorer=scorers)
def test_any_bytes_load_or_are_refused(tmp_path: Path, raw: bytes, scorer: str | None) -> None:
    path = tmp_path / "any.jsonl"
    path.write_bytes(raw)
    loads_or_refuses(path, scorer)


@on_files
@given(data=st.data())
def test_a_damaged_folder_loads_or_is_refused(tmp_path: Path, data: st.DataObject) -> None:
    folder = tmp_path / "w"
    write_folder(folder)
    file = folder / data.draw(st.sampled_from(["workload.toml", "items.jsonl", "examples.jsonl"]))
    raw = bytearray(file.read_bytes())
    for place in data.draw(st.lists(st.integers(0, len(raw) - 1), min_size=1, max_size=6)):
        raw[place] = data.draw(st.integers(0, 255))
    file.write_bytes(bytes(raw[: data.draw(st.integers(0, len(raw)))]))
    loads_or_refuses(folder)


tables = st.dictionaries(
    st.sampled_from(["name", "task", "cluster", "prompt", "scorer", "x"]),
    st.sampled_from(["exact", "label", "regex", "json_fields", "json_schema"])
    | json_values
    | st.dictionaries(
        st.sampled_from(["name", "labels", "fields", "schema", "pattern", "schema_file", "shots", "user", "tolerance"]),
        st.sampled_from(["exact", "label", "regex", "json_fields", "json_schema", "{input}"]) | json_values,
    ),
)


@on_files
@given(table=tables)
def test_any_table_is_a_manifest_or_is_refused(tmp_path: Path, table: dict[str, Any]) -> None:
    folder = tmp_path / "w"
    write_folder(folder, _toml(table), [{"input": "q", "expected": "exact"}], None)
    loads_or_refuses(folder)


def _toml(value: Any) -> str:
    """The table as inline TOML, one key a line."""

    def inline(one: Any) -> str:
        match one:
            case None:
                return '""'
            case float() if one != one or abs(one) == float("inf"):
                return "nan" if one != one else "inf"
            case dict():
                return "{" + ", ".join(f"{json.dumps(key)} = {inline(element)}" for key, element in one.items()) + "}"
            case list():
                return "[" + ", ".join(inline(element) for element in one) + "]"
            case _:
                return json.dumps(one)

    return "\n".join(f"{json.dumps(key)} = {inline(one)}" for key, one in value.items())

"""Loading workloads from folders, bare files and chat files, and every way in which that can fail."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from seatrial.chat import message
from seatrial.errors import UnknownName, WorkloadError
from seatrial.workload.lines import LONGEST_LINE_BYTES
from seatrial.workload.loading import builtin_names, load_workload
from seatrial.workload.specification import Workload

TOML = """
name = "tickets"
version = "2.1.0"
title = "Support tickets"
task = "classification"
description = "Which desk?"
licence = "CC0-1.0"
cluster = "customer"

[prompt]
system = "Pick a desk."
user = "Ticket: {input}"
shots = 1
max_tokens = 16

[scorer]
name = "label"
labels = ["billing", "returns"]
"""
ITEMS = [
    {"id": "a", "input": "charged twice", "expected": "billing", "customer": "Harrow"},
    {"id": "b", "input": "it came broken", "expected": "returns", "customer": "Pell"},
]
EXAMPLES = [{"id": "x", "input": "wrong invoice", "expected": "billing"}]


def write_lines(path: Path, records: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    return path


def write_folder(
    folder: Path,
    toml: str = TOML,
    items: list[dict[str, Any]] = ITEMS,
    examples: list[dict[str, Any]] | None = EXAMPLES,
) -> str:
    folder.mkdir(exist_ok=True)
    (folder / "workload.toml").write_text(toml, encoding="utf-8")
    write_lines(folder / "items.jsonl", items)
    if examples is not None:
        write_lines(folder / "examples.jsonl", examples)
    return str(folder)


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


SYSTEM, USER, ASSISTANT = (
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Capital of France?"},
    {"role": "assistant", "content": "Paris"},
)


def chat(tmp_path: Path, record: dict[str, Any]) -> Workload:
    return load_workload(str(write_lines(tmp_path / "chat.jsonl", [record])), scorer="exact")


def test_chat_format(tmp_path: Path) -> None:
    more = [{"role": "assistant", "content": "Yes?"}, {"role": "user", "content": [{"type": "text", "text": "And?"}]}]
    item = chat(tmp_path, {"messages": [SYSTEM, USER, *more, ASSISTANT], "cluster": 3}).items[0]
    assert (item.input, item.expected, item.id, item.cluster) == ("And?", "Paris", "line-1", "3")
    assert item.messages == (
        message("system", "Be brief."),
        message("user", "Capital of France?"),
        message("assistant", "Yes?"),
        message("user", "And?"),
    )


def test_chat_format_with_expected_beside_it(tmp_path: Path) -> None:
    item = chat(tmp_path, {"messages": [{"role": "developer", "content": "x"}, USER], "expected": ["Paris"]}).items[0]
    assert (item.expected, item.messages[0].role) == (["Paris"], "system")


def test_a_bare_chat_file_is_asked_as_it_stands(tmp_path: Path) -> None:
    records = [{"messages": [USER, {"role": "assistant", "content": label}]} for label in ("yes", "no", "yes") * 3]
    workload = load_workload(str(write_lines(tmp_path / "chat.jsonl", records)))
    assert (workload.scorer.name, workload.prompt.system) == ("label", "")


@pytest.mark.parametrize(
    ("record", "field", "what"),
    [
        ({"messages": []}, "messages", "at least one"),
        ({"messages": "hi"}, "messages", "must be a list"),
        ({"messages": [USER]}, "messages[0]", "must be by the assistant"),
        ({"messages": [ASSISTANT]}, "messages[0]", "must end with a message by the user"),
        ({"messages": [USER, ASSISTANT], "expected": "Paris"}, "messages[1]", "must end with a message by the user"),
        ({"messages": [USER, ASSISTANT], "input": "q"}, "messages", "one or the other"),
        ({"messages": [USER, SYSTEM, USER, ASSISTANT]}, "messages", "must come first"),
        ({"messages": [USER, ASSISTANT], "tools": [{}]}, "tools", "cannot be scored"),
        ({"messages": [USER, {"role": "assistant", "tool_calls": [{}]}]}, "messages[1].tool_calls", "cannot be scored"),
        ({"messages": [{"role": "narrator", "content": "x"}]}, "messages[0].role", "is 'narrator'"),
        ({"messages": [{"role": [], "content": "x"}]}, "messages[0].role", "must be one of"),
        ({"messages": [{"role": "user", "content": ""}]}, "messages[0].content", "must not be empty"),
        ({"messages": [{"role": "user"}]}, "messages[0].content", "is null"),
        ({"messages": ["hi"]}, "messages[0]", "must be an object"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url"}]}]},
            "messages[0].content[0]",
            "this one is of 'image_url'",
        ),
        ({"messages": [{"role": "user", "content": ["x"]}]}, "messages[0].content[0]", "of the type `text`"),
    ],
)
def test_faulty_conversations_are_named(tmp_path: Path, record: dict[str, Any], field: str, what: str) -> None:
    with pytest.raises(WorkloadError) as caught:
        chat(tmp_path, record)
    assert f"line 1, `{field}`: " in str(caught.value)
    assert what in str(caught.value)


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
    },
)
scorers = st.sampled_from([None, "exact", "label", "number", "contains", "regex", "json_fields", "json_schema"])
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

"""Finding JSON in answers, scoring its fields, and holding it against a schema."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from seatrial.errors import WorkloadError
from seatrial.workload.scorers import check_expected, check_scorer
from seatrial.workload.scorers.field_values import compare, read_date
from seatrial.workload.scorers.json_answer import find_json
from seatrial.workload.scorers.json_fields import answer_schema, json_fields
from seatrial.workload.scorers.json_schema import json_schema
from seatrial.workload.specification import Score


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": 1}', {"a": 1}),
        ('  {"a": 1}\n', {"a": 1}),
        ('```json\n{"a": 1}\n```', {"a": 1}),
        ('Sure!\n```\n{"a": 1}\n```\nAnything else?', {"a": 1}),
        ('```json\n{"a": 1}\n```\nor\n```json\n{"a": 2}\n```', {"a": 2}),
        ('Here it is: {"a": 1}. Done.', {"a": 1}),
        ('{"a": 1} and better {"a": 2}', {"a": 2}),
        ('use {curly} braces: {"a": 1}', {"a": 1}),
        ('{"a": {"b": 1}}', {"a": {"b": 1}}),
        ('{"a": "}{"}', {"a": "}{"}),
        ('x {"a": "\\"}"} y', {"a": '"}'}),
        ('{"lines": [{"a": 1}],}', None),
        ('Order: {"lines": [{"a": 1}, ]}', None),
        ('{"a": 1, "b": {"c": 2}', None),
        ("{'a': 1}", None),
        ('{"a": NaN}', None),
        ('{"a": 1e999}', None),
        ('{"a": ' + "9" * 400 + "}", None),
        ('{"a": 123456789012345678901234567890}', {"a": 1.2345678901234568e29}),
        ('{"a": "\\ud800"}', {"a": "\ufffd"}),
        ('{"a": "line\nbreak"}', None),
        ("[1, 2]", None),
        ("12", None),
        ("null", None),
        ("", None),
        ("{" * 5000, None),
        ('{"a":' * 5000 + "1" + "}" * 5000, None),
        ("[" * 100_000, None),
    ],
)
def test_the_object_in_an_answer(text: str, value: object) -> None:
    found = find_json(text, objects_only=True)
    assert (found.value if found else None) == value


@pytest.mark.parametrize(("text", "value"), [("[1, 2]", [1, 2]), ("so [1] it is", [1]), ('"x"', "x"), ("0", 0)])
def test_any_json_in_an_answer(text: str, value: object) -> None:
    found = find_json(text, objects_only=False)
    assert found is not None
    assert found.value == value


@pytest.mark.parametrize("text", ['{"a" ' * 20_000, '{"a": "' * 20_000, "```json\n" * 20_000, '{"' + "\\" * 100_000])
def test_hostile_answers_take_no_long_time(text: str) -> None:
    began = time.process_time()
    find_json(text, objects_only=True)
    assert time.process_time() - began < 3


FIELDS: dict[str, Any] = {
    "customer": "string",
    "total": {"type": "number", "tolerance": 0.005},
    "quantity": "integer",
    "gift": "boolean",
    "due": {"type": "date", "optional": True},
    "tags": "strings",
    "lines": {"type": "objects", "fields": {"article": "string", "count": "integer"}},
}
EXPECTED: dict[str, Any] = {
    "customer": "Harrow Tea Co.",
    "total": 1200.5,
    "quantity": 3,
    "gift": False,
    "due": "2026-03-05",
    "tags": ["red", "blue"],
    "lines": [{"article": "teapot", "count": 2}, {"article": "cup", "count": 6}],
}


def scored(answer: dict[str, Any] | str, average: str = "mean") -> Score:
    spec = check_scorer("json_fields", {"fields": FIELDS, "average": average})
    text = answer if isinstance(answer, str) else json.dumps(answer)
    return json_fields(spec.settings, check_expected(spec, EXPECTED), text)


def test_all_fields_right() -> None:
    result = scored(EXPECTED)
    assert (result.value, result.detail, result.parsed) == (1.0, "all fields right", EXPECTED)
    assert result.parts == dict.fromkeys(FIELDS, 1.0)


@pytest.mark.parametrize(
    ("field", "answered", "part"),
    [
        ("customer", "harrow tea co", 1),
        ("customer", " HARROW  TEA CO. ", 1),
        ("customer", "Harrow", 0),
        ("customer", None, 0),
        ("customer", 7, 0),
        ("customer", {"name": "Harrow Tea Co."}, 0),
        ("total", "$1,200.50", 1),
        ("total", 1200.504, 1),
        ("total", 1200.51, 0),
        ("total", "1200.50 or 1300", 0),
        ("total", True, 0),
        ("quantity", 3.0, 1),
        ("quantity", "3", 1),
        ("quantity", True, 0),
        ("gift", "no", 1),
        ("gift", "false", 1),
        ("gift", 0, 0),
        ("gift", True, 0),
        ("due", "5 March 2026", 1),
        ("due", "March 5th, 2026", 1),
        ("due", "2026/03/05", 1),
        ("due", "2026-03-05T00:00:00Z", 1),
        ("due", "05/03/2026", 0),
        ("due", "2026-02-30", 0),
        ("due", 20260305, 0),
        ("tags", ["Blue", "red."], 1),
        ("tags", ["red"], 2 / 3),
        ("tags", ["red", "red"], 1 / 2),
        ("tags", ["red", "blue", "green", "pink"], 2 / 3),
        ("tags", "red", 2 / 3),
        ("tags", [], 0),
        ("tags", [["red"], {"a": 1}], 0),
        ("lines", [{"article": "cup", "count": 6}, {"article": "teapot", "count": 2}], 1),
        ("lines", [{"article": "cup", "count": 6}, {"article": "teapot", "count": 9}], 3 / 4),
        ("lines", [{"article": "cup", "count": 6}], 2 / 3),
        ("lines", {"article": "cup", "count": 6}, 2 / 3),
        ("lines", ["cup", 3, None], 0),
        ("lines", [{"article": "cup", "count": 6, "colour": "red"}] * 3, 2 * 1 / 5),
        ("lines", "none", 0),
    ],
)
def test_a_field_under_its_type(field: str, answered: object, part: float) -> None:
    result = scored({**EXPECTED, field: answered})
    assert result.parts is not None
    assert result.parts[field] == pytest.approx(part)
    assert result.value == pytest.approx((6 + part) / 7)
    assert result.detail == ("all fields right" if part == 1 else f"wrong: {field}")


def test_micro_counts_everything_there_was_to_find() -> None:
    answered = {**EXPECTED, "customer": None, "tags": ["red"]}
    right, expected, given = 4 + 1 + 2, 5 + 2 + 2, 4 + 1 + 2
    assert scored(answered, "micro").value == pytest.approx(2 * right / (expected + given))


def test_absent_on_both_sides_is_right() -> None:
    spec = {"type": "date", "optional": True}
    assert compare(spec, None, "").f1 == 1
    assert compare(spec, None, None).f1 == 1
    assert compare(spec, None, "2026-01-01").f1 == 0
    assert compare({"type": "strings", "optional": False}, [], None).f1 == 1


def test_no_json_scores_nothing_and_reads_as_nothing() -> None:
    result = scored("I could not find an order.")
    assert (result.value, result.parsed, result.detail) == (0.0, None, "has no JSON object")
    assert result.parts == dict.fromkeys(FIELDS, 0.0)


def test_json_that_is_wrong_is_still_valid_output() -> None:
    result = scored("{}")
    assert result.parsed == {}
    assert result.value == 0


def test_pairing_beats_greed() -> None:
    spec = check_scorer(
        "json_fields", {"fields": {"l": {"type": "objects", "fields": dict.fromkeys("abc", "integer")}}}
    )
    expected = {"l": [{"a": 1, "b": 1, "c": 1}, {"a": 1, "b": 1, "c": 2}]}
    answer = {"l": [{"a": 1, "b": 1, "c": 2}, {"a": 1, "b": 9, "c": 9}]}
    # straight: 2/3 + 1/3; crossed: 1 + 1/3
    assert json_fields(spec.settings, expected, json.dumps(answer)).value == pytest.approx((1 + 1 / 3) * 2 / 4)


@pytest.mark.parametrize(
    ("text", "iso"),
    [
        ("2026-3-5", "2026-03-05"),
        ("1st of May 2026", "2026-05-01"),
        ("Sept. 9, 2025", "2025-09-09"),
        ("09/08/2025", None),
        ("May 2026", None),
        ("tomorrow", None),
        ("", None),
    ],
)
def test_dates(text: str, iso: str | None) -> None:
    read = read_date(text)
    assert (read.isoformat() if read else None) == iso


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "at least one field"),
        ({"a": "text"}, "`a` has the type 'text'"),
        ({"a": "nummer"}, "did you mean `number`"),
        ({"a": {"type": "string", "tolerance": 1}}, "only a number"),
        ({"a": {"type": "number", "tolerance": -1}}, "0 or more"),
        ({"a": {"type": "string", "optonal": True}}, "Did you mean `optional`"),
        ({"a": {"type": "objects"}}, "declares `fields`"),
        ({"a": {"type": "string", "fields": {"b": "string"}}}, "declares `fields`"),
        ({"a": {"type": "objects", "fields": {"b": "strng"}}}, "`a.b` has the type"),
        ({"a": 3}, "must be a type"),
        ("string", "table of at least one field"),
    ],
)
def test_fields_that_will_not_do(fields: object, message: str) -> None:
    with pytest.raises(WorkloadError, match=message):
        check_scorer("json_fields", {"fields": fields})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"customr": "x"}, "Did you mean `customer`"),
        ({"customer": None}, "is absent; declare the field `optional = true`"),
        ({"customer": 3}, "`customer` must be a text"),
        ({"total": "12"}, "`total` must be a number"),
        ({"quantity": 2.5}, "whole number"),
        ({"gift": 1}, "true or false"),
        ({"due": "5 March 2026"}, "YYYY-MM-DD"),
        ({"due": "2026-13-01"}, "YYYY-MM-DD"),
        ({"tags": "red"}, "list of texts"),
        ({"tags": [1]}, "list of texts"),
        ({"lines": [{"article": "x"}]}, r"`lines\[0\].count` is absent"),
        ({"lines": [{"article": "x", "count": 1, "size": 2}]}, r"has `lines\[0\].size`"),
    ],
)
def test_expected_objects_that_will_not_do(change: dict[str, Any], message: str) -> None:
    with pytest.raises(WorkloadError, match=message):
        check_expected(check_scorer("json_fields", {"fields": FIELDS}), {**EXPECTED, **change})


def test_the_schema_of_the_fields_accepts_what_is_expected() -> None:
    settings = check_scorer("json_fields", {"fields": FIELDS}).settings
    schema = answer_schema(settings["fields"])
    assert list(schema["properties"]) == list(FIELDS)
    check = check_scorer("json_schema", {"schema": schema}).settings
    assert json_schema(check, None, json.dumps(EXPECTED)).value == 1
    assert json_schema(check, None, json.dumps({**EXPECTED, "due": None})).value == 1
    assert json_schema(check, None, json.dumps({**EXPECTED, "customer": None})).value == 0
    assert json_schema(check, None, json.dumps({**EXPECTED, "more": 1})).value == 0


SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "sku": {"type": "string", "pattern": "^[A-Z]{2}-[0-9]+$"},
        "count": {"type": "integer", "minimum": 1},
    },
    "required": ["sku", "count"],
}


@pytest.mark.parametrize(
    ("text", "value", "detail"),
    [
        ('{"sku": "AB-12", "count": 2}', 1, "valid"),
        ('Here: ```json\n{"sku": "AB-12", "count": 2}\n```', 1, "valid"),
        ('{"sku": "AB-12", "count": 0}', 0, "$.count"),
        ('{"sku": "ab", "count": 1}', 0, "$.sku"),
        ('{"sku": "AB-12"}', 0, "'count' is a required property"),
        ("[1]", 0, "$"),
        ("no idea", 0, "has no JSON"),
    ],
)
def test_json_schema(text: str, value: float, detail: str) -> None:
    result = json_schema(check_scorer("json_schema", {"schema": SCHEMA}).settings, None, text)
    assert result.value == value
    assert detail in result.detail
    assert (result.parsed is not None) == bool(value)


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        ({}, "holds a JSON schema"),
        ({"type": "objekt"}, "is not a JSON schema"),
        ({"$ref": "#/$defs/nowhere"}, "not in it"),
        ({"$ref": "https://example.com/schema.json"}, "not in it"),
        ({"$ref": "#"}, "leads back to itself"),
        ({"pattern": "("}, "is not a 'regex'"),
        ({"properties": {"a": {"pattern": "x" * 2000}}}, "1,000"),
    ],
)
def test_schemas_that_will_not_do(schema: dict[str, Any], message: str) -> None:
    with pytest.raises(WorkloadError, match=message):
        check_scorer("json_schema", {"schema": schema})


def test_a_recursive_schema_is_fine_while_the_value_ends() -> None:
    schema = {"type": "object", "properties": {"child": {"$ref": "#"}}}
    settings = check_scorer("json_schema", {"schema": schema}).settings
    assert json_schema(settings, None, '{"child": {"child": {}}}').value == 1


def test_an_expected_value_must_satisfy_the_schema() -> None:
    spec = check_scorer("json_schema", {"schema": SCHEMA})
    assert check_expected(spec, None) is None
    assert check_expected(spec, '{"sku": "AB-1", "count": 1}') == {"sku": "AB-1", "count": 1}
    with pytest.raises(WorkloadError, match=r"breaks the schema at \$.count"):
        check_expected(spec, {"sku": "AB-1", "count": 0})


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**12), 10**12)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)


@hypothesis_settings(deadline=None)
@given(st.dictionaries(st.text(max_size=5), json_values, max_size=4))
def test_an_object_is_found_wherever_it_stands(value: dict[str, Any]) -> None:
    text = json.dumps(value)
    for answer in (text, f"```json\n{text}\n```", f"Here you are:\n{text}\nBye"):
        found = find_json(answer, objects_only=True)
        assert found is not None
        assert found.value == value


@hypothesis_settings(deadline=None)
@given(st.dictionaries(st.sampled_from(list(FIELDS)), json_values))
def test_any_object_gets_a_score(answered: dict[str, Any]) -> None:
    for average in ("mean", "micro"):
        result = scored(answered, average)
        assert 0 <= result.value <= 1
        assert result.parts is not None
        assert all(0 <= part <= 1 for part in result.parts.values())

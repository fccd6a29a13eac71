"""What a bare file leaves open: the scorer, its labels or fields, and a line that asks for the form of the answer.

A scorer is inferred only where what is expected leaves no doubt, because a wrong one makes every candidate look bad.
Every choice made here is a sentence in `notes`, for the user.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from seatrial.errors import WorkloadError
from seatrial.workload.json_text import NotJsonError, decode
from seatrial.workload.scorers import SCORER_NAMES, check_scorer
from seatrial.workload.scorers.field_values import is_absent, read_date
from seatrial.workload.specification import Prompt, ScorerSpec

TASK_OF_SCORER = {
    "label": "classification",
    "json_fields": "extraction",
    "json_schema": "extraction",
    "number": "reasoning",
    "anls": "extraction",
    "relaxed_accuracy": "extraction",
}
_MOST_LABELS, _LONGEST_LABEL, _MOST_LABEL_WORDS, _TIMES_EACH = 200, 60, 6, 3


class Inferred(NamedTuple):
    """A scorer, and what to tell the user about how it came about."""

    scorer: ScorerSpec
    notes: tuple[str, ...]


def infer_scorer(name: str | None, expected: Sequence[Any]) -> Inferred:
    """The scorer for what these items expect: the one named or, with no name, the only one that fits without doubt.

    Raises:
        WorkloadError: no name, and more than one would fit; or the one named cannot be set up from these items.
    """
    if name is None:
        name = _only_fit(expected)
        how = f"No scorer was named; what is expected fits `{name}`"
    else:
        how = f"Scored by `{name}`"
    if name not in SCORER_NAMES:
        check_scorer(name, {})
    if name == "label":
        labels = sorted({one for one in expected if isinstance(one, str)})
        return Inferred(
            check_scorer(name, {"labels": labels}), (f"{how}, with {len(labels)} labels: {_some(labels)}.",)
        )
    if name == "json_fields":
        fields = _fields([_object(one) for one in expected])
        return Inferred(check_scorer(name, {"fields": fields}), (f"{how}, with the fields {_described(fields)}.",))
    if name == "json_schema":
        raise WorkloadError("needs a schema: write a `workload.toml` with `[scorer]` and `schema`.", field="scorer")
    return Inferred(check_scorer(name, {}), (f"{how}.",))


def prompt_for(scorer: ScorerSpec) -> Prompt:
    """A prompt that asks for the form of answer which the scorer reads, and for nothing else."""
    match scorer.name:
        case "label":
            labels = ", ".join(scorer.settings["labels"])
            return Prompt(system=f"Answer with exactly one of these labels and nothing else: {labels}.")
        case "number":
            return Prompt(system="Work it out, then end with a line of the form `Answer: N`.", max_tokens=512)
        case "json_fields":
            fields = _described(scorer.settings["fields"])
            return Prompt(system=f"Answer with one JSON object and nothing else. Its fields: {fields}.", max_tokens=512)
        case _:
            return Prompt()


def _only_fit(expected: Sequence[Any]) -> str:
    if all(isinstance(one, dict) for one in expected):
        return "json_fields"
    if all(isinstance(one, int | float) and not isinstance(one, bool) for one in expected):
        return "number"
    if all(isinstance(one, str) for one in expected) and not all(_is_number(one) for one in expected):
        distinct = set(expected)
        if (
            2 <= len(distinct) <= _MOST_LABELS
            and len(expected) >= _TIMES_EACH * len(distinct)
            and all(len(one) <= _LONGEST_LABEL and len(one.split()) <= _MOST_LABEL_WORDS for one in distinct)
        ):
            return "label"
    raise WorkloadError(
        f"what is expected does not say how to score it. Name a scorer: {', '.join(SCORER_NAMES[:-1])}"
        f" (`--scorer`), or write a `workload.toml`.",
        field="expected",
    )


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _object(expected: Any) -> Mapping[str, Any]:
    if isinstance(expected, str):
        try:
            expected = decode(expected)
        except NotJsonError:
            expected = None
    if not isinstance(expected, dict):
        raise WorkloadError("must be an object in every item for the scorer `json_fields`.", field="expected")
    return expected


def _fields(objects: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """A declaration for every key that any object has, in the order of their first appearance."""
    names = dict.fromkeys(name for one in objects for name in one)
    if not names:
        raise WorkloadError("has no field to score in any item.", field="expected")
    return {name: _field(name, [one.get(name) for one in objects]) for name in names}


def _field(name: str, values: Sequence[Any]) -> dict[str, Any]:
    present = [value for value in values if not is_absent(value)]
    field: dict[str, Any] = {"optional": len(present) < len(values)}
    if any(isinstance(value, list) for value in present):
        elements = [element for value in present for element in (value if isinstance(value, list) else [value])]
        if all(isinstance(element, dict) for element in elements):
            return field | {"type": "objects", "fields": _fields(elements)}
        field["type"] = "strings"
    elif present and all(isinstance(value, bool) for value in present):
        field["type"] = "boolean"
    elif present and all(isinstance(value, int | float) and not isinstance(value, bool) for value in present):
        field["type"] = "integer" if all(isinstance(value, int) for value in present) else "number"
    elif present and all(isinstance(value, str) and len(value) == 10 and read_date(value) for value in present):
        field["type"] = "date"
    elif any(isinstance(value, dict) for value in present):
        raise WorkloadError(
            f"`{name}` is an object within an object, which `json_fields` cannot score. Flatten it.", field="expected"
        )
    else:
        field["type"] = "string"
    return field


def _described(fields: Mapping[str, Any]) -> str:
    """The fields as one would tell them to a person, or to a model."""
    words = {"strings": "list of texts", "string": "text", "date": "date as YYYY-MM-DD", "integer": "whole number"}
    told = []
    for name, spec in fields.items():
        if spec["type"] == "objects":
            kind = f"list of objects with {_described(spec['fields'])}"
        else:
            kind = words.get(spec["type"], spec["type"])
        told.append(f"{name} ({kind}{', or null' if spec.get('optional') and 'list' not in kind else ''})")
    return ", ".join(told)


def _some(names: Sequence[str], most: int = 8) -> str:
    return ", ".join(names[:most]) + (", …" if len(names) > most else "")

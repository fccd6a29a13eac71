"""Scorers: pure functions from an item and an answer's text to a `Score`.

`score` is what a trial calls. Loading calls `check_scorer` and `check_expected`, so that a score can count on complete
settings and on an expected value of the right kind. Each scorer's module says what it reads and how; the settings are
in `docs/workloads.md`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, cast, get_args

from seatrial.errors import WorkloadError, nearest_names
from seatrial.workload.json_text import whole_characters
from seatrial.workload.scorers import anls, json_fields, json_schema, label, number, pattern, relaxed_accuracy, text
from seatrial.workload.scorers.settings import Setting, read_settings
from seatrial.workload.specification import Item, Score, ScorerName, ScorerSpec, Workload

SCORER_NAMES: tuple[str, ...] = get_args(ScorerName)
_THINKING = re.compile(r"\A\s*<think>.*?(?:</think>|\Z)", re.DOTALL)


def score(workload: Workload, item: Item, text: str) -> Score:
    """Score an answer. Never raises, whatever the text.

    A block of reasoning in `<think>` tags at the start is no part of the answer; one that was cut off leaves none.
    """
    answer = _THINKING.sub("", whole_characters(text), count=1)
    return _SCORERS[workload.scorer.name].score(workload.scorer.settings, item.expected, answer)


def check_scorer(name: str, settings: Mapping[str, Any]) -> ScorerSpec:
    """A scorer with checked and complete settings.

    Raises:
        WorkloadError: an unknown scorer or setting (the nearest names are offered), or a value that will not do.
    """
    if name not in _SCORERS:
        near = nearest_names(name, SCORER_NAMES)
        offer = f"Did you mean `{near[0]}`?" if near else f"There are: {', '.join(SCORER_NAMES)}."
        raise WorkloadError(f"no scorer is called `{name}`. {offer}", field="scorer.name")
    scorer = _SCORERS[cast(ScorerName, name)]
    complete = read_settings(settings, scorer.settings, name)
    try:
        scorer.check_settings(complete)
    except ValueError as error:
        raise WorkloadError(f"{error}.", field="scorer") from None
    return ScorerSpec(cast(ScorerName, name), complete)


def check_expected(spec: ScorerSpec, expected: Any) -> Any:
    """What an item expects, in the form that the scorer wants.

    Raises:
        WorkloadError: the scorer cannot use it.
    """
    try:
        return _SCORERS[spec.name].check_expected(spec.settings, expected)
    except ValueError as error:
        raise WorkloadError(f"{error}.".replace("?.", "?"), field="expected") from None


class _Scorer(NamedTuple):
    settings: Mapping[str, Setting]
    check_settings: Callable[[Mapping[str, Any]], None]
    check_expected: Callable[[Mapping[str, Any], Any], Any]
    score: Callable[[Mapping[str, Any], Any, str], Score]


def _anything_goes(settings: Mapping[str, Any]) -> None:
    """Settings that need no look at each other."""


_SCORERS: Mapping[ScorerName, _Scorer] = {
    "exact": _Scorer(text.EXACT_SETTINGS, _anything_goes, text.check_texts, text.exact),
    "label": _Scorer(label.LABEL_SETTINGS, label.check_settings, label.check_label, label.label),
    "number": _Scorer(number.NUMBER_SETTINGS, _anything_goes, number.check_number, number.number),
    "contains": _Scorer(text.CONTAINS_SETTINGS, _anything_goes, text.check_texts, text.contains),
    "regex": _Scorer(pattern.REGEX_SETTINGS, pattern.check_settings, pattern.check_expected, pattern.regex),
    "anls": _Scorer(anls.ANLS_SETTINGS, _anything_goes, anls.check_expected, anls.anls),
    "relaxed_accuracy": _Scorer(
        relaxed_accuracy.RELAXED_ACCURACY_SETTINGS,
        _anything_goes,
        relaxed_accuracy.check_expected,
        relaxed_accuracy.relaxed_accuracy,
    ),
    "json_fields": _Scorer(
        json_fields.JSON_FIELDS_SETTINGS, _anything_goes, json_fields.check_expected, json_fields.json_fields
    ),
    "json_schema": _Scorer(
        json_schema.JSON_SCHEMA_SETTINGS,
        json_schema.check_settings,
        json_schema.check_expected,
        json_schema.json_schema,
    ),
}

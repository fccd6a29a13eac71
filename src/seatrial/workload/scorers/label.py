"""The `label` scorer: which one of the labels does the answer name?

The whole answer decides, else the lines that consist of a label, else the only label mentioned in the text. An answer
that names two labels decides nothing. Words are compared as `forms.words` gives them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from seatrial.errors import nearest_names
from seatrial.workload.scorers.forms import words
from seatrial.workload.scorers.settings import Setting, show
from seatrial.workload.specification import Score

_LEAD_IN = re.compile(
    r"^\s{0,8}(?:(?:[-•–>#+]{1,6}|\d{1,3}[.)])\s{1,4})?[*_]{0,3}"
    r"(?:(?:the\s)?(?:(?:final|correct|best)\s)?(?:answer|label|category|class|queue|intent|topic)"
    r"[^\w:=]{0,5}(?:is\b\s?:?|[:=]))?",
    re.IGNORECASE,
)


class _Vocabulary(NamedTuple):
    """From the words of a label or alias to the label; the longest first in `by_first` under their first word."""

    labels: Mapping[tuple[str, ...], str]
    by_first: Mapping[str, list[tuple[str, ...]]]


def label(settings: Mapping[str, Any], expected: str, text: str) -> Score:
    """1 where the label that the answer names is the expected one. `parsed` is that label."""
    vocabulary = _vocabulary(
        tuple(settings["labels"]), tuple((name, tuple(others)) for name, others in (settings["aliases"] or {}).items())
    )
    named = _named(vocabulary, text)
    if len(named) == 1:
        return Score(float(named[0] == expected), named[0], f"names {show(named[0])}")
    if named:
        return Score(0.0, None, f"names {len(named)} labels: {', '.join(named[:4])}{', …' if len(named) > 4 else ''}")
    return Score(0.0, None, "names no label" if text.strip() else "empty answer")


def check_label(settings: Mapping[str, Any], expected: Any) -> str:
    """One of the labels.

    Raises:
        ValueError: it is not; offers the nearest.
    """
    if not isinstance(expected, str):
        raise ValueError(f"must be one of the labels, is {show(expected)}")
    if expected not in settings["labels"]:
        near = nearest_names(expected, settings["labels"])
        raise ValueError(
            f"{show(expected)} is none of the {len(settings['labels'])} labels"
            + (f". Did you mean {show(near[0])}?" if near else "")
        )
    return expected


def check_settings(settings: Mapping[str, Any]) -> None:
    """Labels and aliases that can be told apart.

    Raises:
        ValueError: two read the same, one has no words, or an alias is of no label.
    """
    seen: dict[tuple[str, ...], str] = {}
    aliases = settings["aliases"] or {}
    for name in aliases:
        if name not in settings["labels"]:
            raise ValueError(f"`aliases` names {show(name)}, which is not among the labels")
    for name in settings["labels"]:
        for form in dict.fromkeys((name, *aliases.get(name, ()))):
            key = words(form)
            if not key:
                raise ValueError(f"{show(form)} has no words in it, so no answer could name it")
            if seen.setdefault(key, name) != name:
                raise ValueError(f"{show(form)} and {show(seen[key])} read the same once case and punctuation are gone")


def _read_labels(value: Any) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise ValueError(f"must be a list of texts, is {show(value)}")
    if len(value) < 2:
        raise ValueError("must list at least two labels")
    if len(set(value)) < len(value):
        twice = next(name for name in value if value.count(name) > 1)
        raise ValueError(f"lists {show(twice)} twice")
    return value


def _read_aliases(value: Any) -> dict[str, list[str]]:
    if not isinstance(value, dict):
        raise ValueError(f"must be a table from a label to a list of texts, is {show(value)}")
    for name, others in value.items():
        if not isinstance(others, list) or not all(isinstance(other, str) for other in others):
            raise ValueError(f"{name!r} must have a list of texts, has {show(others)}")
    return value


LABEL_SETTINGS = {"labels": Setting(_read_labels, required=True), "aliases": Setting(_read_aliases)}


@lru_cache(maxsize=64)
def _vocabulary(labels: tuple[str, ...], aliases: tuple[tuple[str, tuple[str, ...]], ...]) -> _Vocabulary:
    meant = {words(form): name for name, others in aliases for form in others}
    meant |= {words(name): name for name in labels}
    by_first: dict[str, list[tuple[str, ...]]] = {}
    for key in sorted(meant, key=len, reverse=True):
        by_first.setdefault(key[0], []).append(key)
    return _Vocabulary(meant, by_first)


def _named(vocabulary: _Vocabulary, text: str) -> list[str]:
    """The labels that the answer names, in the order of their first mention."""
    whole = vocabulary.labels.get(words(text))
    if whole is not None:
        return [whole]
    of_lines = [vocabulary.labels.get(words(_LEAD_IN.sub("", line))) for line in text.splitlines()]
    lines = list(dict.fromkeys(name for name in of_lines if name is not None))
    return lines if len(lines) == 1 else _mentioned(vocabulary, words(text))


def _mentioned(vocabulary: _Vocabulary, text: Sequence[str]) -> list[str]:
    found: dict[str, None] = {}
    place = 0
    while place < len(text):
        keys = vocabulary.by_first.get(text[place], [])
        match = next((key for key in keys if tuple(text[place : place + len(key)]) == key), None)
        if match is not None:
            found[vocabulary.labels[match]] = None
        place += len(match) if match else 1
    return list(found)

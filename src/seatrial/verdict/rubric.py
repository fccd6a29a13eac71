"""Rubrics: what a reviewer asks, how much each answer weighs, and the voice it is said in. One TOML file for each
reviewer.

Files come in, `Rubric`s go out, checked to the last placeholder: a rubric that names an unknown key, puts a number
where a finding should stand, or could be left without words is refused with file and key. Criteria are data (key,
comparison, threshold); no code is evaluated.
"""

from __future__ import annotations

import operator
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Literal

import msgspec

from seatrial.errors import InputError
from seatrial.verdict.document import Outcome
from seatrial.verdict.dossier import KEYS, Finding

FOLDER = Path(__file__).parent / "reviewers"
REVIEWERS = ("builder", "skeptic", "futurist", "founder")

Comparison = Literal["<", "<=", ">", ">=", "==", "!="]
_COMPARE: Mapping[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}
PLACEHOLDER = re.compile(r"\{(\w*)\}")
# `{?baseline}` is not said: it keeps a text for candidates of which that key is known.
CONDITION = re.compile(r"\{\?(\w*)\}")
THRESHOLD = "threshold"
ALWAYS_KNOWN = frozenset({"name", THRESHOLD})


class Criterion(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"passed": "pass"}):
    """One line of a rubric: passes if the finding under `key` stands in `comparison` to `threshold`.

    `passed` (in the file: `pass`), `fail` and `unknown` are ways of saying so; `unclear` is for a figure that is known,
    but whose interval reaches both sides of the threshold.
    """

    name: str
    question: str
    key: str
    comparison: Comparison
    threshold: float | bool
    passed: list[str]
    fail: list[str]
    unknown: list[str]
    unclear: list[str] = []
    weight: float = 1.0
    veto: bool = False

    def outcome(self, finding: Finding) -> Outcome:
        """Pass or fail only where the whole interval says so."""
        if finding.value is None:
            return "unknown"
        ends = (finding.value, finding.low, finding.high)
        answers = {_COMPARE[self.comparison](end, self.threshold) for end in ends if end is not None}
        if len(answers) > 1:
            return "unknown"
        return "pass" if answers == {True} else "fail"

    def said_threshold(self) -> str:
        """The threshold as a sentence says it."""
        return "" if isinstance(self.threshold, bool) else KEYS[self.key].say(self.threshold)


class Voice(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Opening sentences by vote (with `baseline_…` ones for candidates that are no model), and the words that lead to
    what speaks for it, or against it."""

    ship: list[str]
    skip: list[str]
    veto: list[str]
    abstain: list[str]
    baseline_ship: list[str]
    baseline_skip: list[str]
    in_favour: list[str]
    against: list[str]


class Rubric(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A reviewer. Ships if the weight of what passed is at least `bar` of what is known; abstains if less than `quorum`
    of the weight is known."""

    id: str
    title: str
    creed: str
    bar: float
    quorum: float
    voice: Voice
    criteria: list[Criterion]


@cache
def load_rubrics(folder: Path = FOLDER) -> tuple[Rubric, ...]:
    """The panel's rubrics in order. Raises `InputError` with file, key and reason."""
    return tuple(load_rubric(folder / f"{name}.toml") for name in REVIEWERS)


def load_rubric(path: Path) -> Rubric:
    """One reviewer's rubric. Raises `InputError` with file, key and reason."""
    try:
        rubric = msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), Rubric)
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}.", path=path) from None
    except UnicodeDecodeError:
        raise InputError("is not UTF-8 text.", path=path) from None
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"is not TOML: {error}.", path=path) from None
    except msgspec.ValidationError as error:
        reason, _, place = str(error).partition(" - at `$")
        raise InputError(f"{reason}.", path=path, field=place.strip(".`") or None) from None
    for field, reason in _faults(rubric):
        raise InputError(reason, path=path, field=field)
    return rubric


def needs(text: str) -> set[str]:
    """The keys that have to be known for a text to be used."""
    return {*PLACEHOLDER.findall(text), *CONDITION.findall(text)}


def _faults(rubric: Rubric) -> Iterator[tuple[str, str]]:
    if not 0 < rubric.bar <= 1 or not 0 < rubric.quorum <= 1:
        yield "bar", f"bar {rubric.bar:g} and quorum {rubric.quorum:g} must lie above 0 and at most at 1."
    if not rubric.criteria:
        yield "criteria", "there is none; a reviewer asks at least one question."
    if len({criterion.name for criterion in rubric.criteria}) < len(rubric.criteria):
        yield "criteria", "two criteria have the same name."
    for moment in Voice.__struct_fields__:
        yield from _text_faults(f"voice.{moment}", getattr(rubric.voice, moment), has_threshold=False)
    for criterion in rubric.criteria:
        yield from _criterion_faults(criterion)


def _criterion_faults(criterion: Criterion) -> Iterator[tuple[str, str]]:
    place = f"criteria.{criterion.name}"
    key = KEYS.get(criterion.key)
    if key is None or key.kind == "word":
        comparable = [name for name, each in KEYS.items() if each.kind != "word"]
        yield f"{place}.key", f"`{criterion.key}` cannot be compared; one of {', '.join(comparable)} can."
        return
    if isinstance(criterion.threshold, bool) != (key.kind == "truth"):
        wanted = "true or false" if key.kind == "truth" else "a number"
        yield f"{place}.threshold", f"`{criterion.key}` is compared with {wanted}, not with {criterion.threshold!r}."
    if key.kind == "truth" and criterion.comparison not in ("==", "!="):
        yield (
            f"{place}.comparison",
            f"`{criterion.comparison}` orders numbers; `{criterion.key}` is true or false. Use `==`.",
        )
    if not criterion.weight > 0:
        yield f"{place}.weight", f"{criterion.weight:g} is not above 0."
    if criterion.veto and not key.published:
        yield f"{place}.veto", f"`{criterion.key}` is measured; only published facts may carry a veto."
    for name, texts in (("pass", criterion.passed), ("fail", criterion.fail), ("unknown", criterion.unknown)):
        yield from _text_faults(f"{place}.{name}", texts, has_threshold=key.kind == "number")
    if criterion.unclear:
        yield from _text_faults(f"{place}.unclear", criterion.unclear, has_threshold=True, own_key=criterion.key)


def _text_faults(
    place: str, texts: list[str], *, has_threshold: bool, own_key: str = "name"
) -> Iterator[tuple[str, str]]:
    for text in texts:
        for name in needs(text):
            if name == THRESHOLD and not has_threshold:
                yield place, f"“{text}” speaks of a threshold, and there is none to speak of here."
            elif name not in KEYS and name != THRESHOLD:
                yield place, f"`{{{name}}}` is no key of a dossier."
        if any(letter.isdigit() for letter in PLACEHOLDER.sub("", CONDITION.sub("", text))):
            yield place, f"“{text}” holds a number. Name the finding it comes from, in braces."
    if not any(needs(text) <= {*ALWAYS_KNOWN, own_key} for text in texts):
        yield (
            place,
            "give at least one text that needs no finding but {name} and {threshold}, for when nothing else is known.",
        )

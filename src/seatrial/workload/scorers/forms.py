"""The forms in which texts are compared: folded text, and words.

Every function here is idempotent: the form of a form is itself.
"""

from __future__ import annotations

import re
import unicodedata

_PLAIN_MARKS = {
    **dict.fromkeys(map(ord, "\u2010\u2011\u2212\ufe63\uff0d"), "-"),
    **dict.fromkeys(map(ord, "\u2018\u2019\u02bc"), "'"),
    **dict.fromkeys(map(ord, "\u201c\u201d"), '"'),
}
_EDGES = " \t\n.,;:!?\"'`*_()[]{}<>"
_MARK_WITHIN = re.compile(r"(?<=\d)[.,](?=\d)|-(?=\d)")
_JOINT = re.compile(r"(?<=[^\W_])[-_]+(?=[^\W_])")
_SCRIPTS_WITHOUT_SPACES = "\u2e80-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_WORD = re.compile(rf"[{_SCRIPTS_WITHOUT_SPACES}]|[^\s\"'`*.,;:!?=()\[\]{{}}<>|/\\_•→–—…{_SCRIPTS_WITHOUT_SPACES}]+")


def fold(text: str, *, ignore_case: bool = True, ignore_space: bool = True, ignore_punctuation: bool = False) -> str:
    """`text` in Unicode NFKC form, with typographic quotes and minus signs made plain, and what is asked for left out.

    Punctuation means every character of a Unicode punctuation category, except a dot or comma between digits and a
    minus before one.
    """
    form = text
    while (folded := _fold_once(form, ignore_case, ignore_space, ignore_punctuation)) != form:
        form = folded
    return form


def bare(text: str) -> str:
    """Folded text without punctuation, quotes or markdown at its edges."""
    return fold(text).strip(_EDGES)


def words(text: str) -> tuple[str, ...]:
    """The words of a text, case folded. `_` and `-` between letters part words; a sign at the edge stays: `-1`, `c++`.

    Scripts written without spaces give one word per character.
    """
    return tuple(_WORD.findall(_JOINT.sub(" ", fold(text))))


def _fold_once(text: str, ignore_case: bool, ignore_space: bool, ignore_punctuation: bool) -> str:
    folded = unicodedata.normalize("NFKC", text).translate(_PLAIN_MARKS)
    if ignore_case:
        folded = folded.casefold()
    if ignore_punctuation:
        kept = {match.start() for match in _MARK_WITHIN.finditer(folded)}
        folded = "".join(
            character
            for place, character in enumerate(folded)
            if place in kept or not unicodedata.category(character).startswith("P")
        )
    if ignore_space:
        folded = " ".join(folded.split())
    return folded

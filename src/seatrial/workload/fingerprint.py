"""The fingerprint of a workload: a SHA-256 over all that could change an answer or a score, and over nothing else.

The order of keys in the files, blank space and line ends do not matter. The order of items and examples does, and so
does that of a scorer's fields and of a schema's properties: the models see them in that order. Pictures and videos
count by what they hold, not by what their files are called.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any

from seatrial.workload.json_text import canonical
from seatrial.workload.specification import Item, Prompt, ScorerSpec

_FORM = "seatrial.workload/1"
_ORDERED_SETTINGS = ("fields", "schema")


def fingerprint(prompt: Prompt, scorer: ScorerSpec, items: Sequence[Item], examples: Sequence[Item]) -> str:
    """64 hexadecimal digits, the same on every platform."""
    digest = hashlib.sha256()
    for line in _canonical_lines(prompt, scorer, items, examples):
        digest.update(line.encode("ascii") + b"\n")
    return digest.hexdigest()


def _canonical_lines(
    prompt: Prompt, scorer: ScorerSpec, items: Sequence[Item], examples: Sequence[Item]
) -> Iterable[str]:
    yield canonical([_FORM, len(items), len(examples)])
    detail = [] if prompt.detail == "auto" else [prompt.detail]
    yield canonical([prompt.system, prompt.user, prompt.shots, prompt.max_tokens, *detail])
    yield canonical(scorer.name)
    for name in sorted(scorer.settings):
        yield canonical([name, scorer.settings[name]], keep_key_order=name in _ORDERED_SETTINGS)
    for item in (*items, *examples):
        yield canonical(_content(item))


def _content(item: Item) -> list[Any]:
    turns = [[turn.role, turn.text] for turn in item.messages]
    shown = [[len(item.pictures), *item.media_sha256]] if item.media_sha256 else []
    return [item.id, item.input, item.expected, item.cluster, turns, *shown]

"""The nouns of a workload: items with what is expected, the prompt they are asked with, and the scorer's settings.

Loading builds these from files; trials and verdicts read them. A workload is a value: its `fingerprint` changes when
anything that could change an answer or a score does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from seatrial.chat import Detail, Message

ScorerName = Literal[
    "exact", "label", "number", "contains", "regex", "anls", "relaxed_accuracy", "json_fields", "json_schema"
]


@dataclass(frozen=True, slots=True)
class Item:
    """One input with what is expected.

    `messages` is set for chat-format items instead of a plain `input`; `input` then holds the last user turn, for
    display. `expected` is a string, number, list or object, as the scorer wants. `cluster` groups items that share a
    source (a customer, a document), None where each item stands alone.

    `pictures` and `video` are absolute paths of files that were checked at loading, `media_sha256` the digests of what
    they held then: the pictures' in order, the video's last. `input` may be empty beside them.
    """

    id: str
    input: str
    expected: Any
    cluster: str | None = None
    messages: tuple[Message, ...] = ()
    pictures: tuple[Path, ...] = ()
    video: Path | None = None
    media_sha256: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Prompt:
    """How an item is asked. `user` has `{input}` in it; the first `shots` examples go before it as turns.

    `detail` is how closely models look at pictures, where they can choose: `low` is one small view of the whole.
    """

    system: str = ""
    user: str = "{input}"
    shots: int = 0
    max_tokens: int = 256
    detail: Detail = "auto"


@dataclass(frozen=True, slots=True)
class ScorerSpec:
    """A scorer and its settings (`labels`, `tolerance`, `pattern`, `fields`, `schema`, …; see `workload.scorers`)."""

    name: ScorerName
    settings: Mapping[str, Any]

    @property
    def structured(self) -> bool:
        """Whether answers must be JSON. Then `Score.parsed is None` says that an answer was not valid output."""
        return self.name in ("json_fields", "json_schema")


@dataclass(frozen=True, slots=True)
class Workload:
    """Items + prompt + scorer + version. `examples` are for prompts and baselines, and share no item with `items`.

    `origin` is where it came from: a built-in name or a path. `fingerprint` is a SHA-256 over all that could change an
    answer or a score. `notes` are sentences for the user about what loading decided on its own, such as the scorer.
    """

    name: str
    version: str
    title: str
    task: str
    description: str
    licence: str
    prompt: Prompt
    scorer: ScorerSpec
    items: tuple[Item, ...]
    examples: tuple[Item, ...]
    origin: str
    fingerprint: str
    notes: tuple[str, ...] = ()

    @property
    def clustered(self) -> bool:
        """Whether items say which of them share a source."""
        return any(item.cluster is not None for item in self.items)

    @property
    def shows(self) -> bool:
        """Whether candidates are shown pictures or videos."""
        return any(item.media_sha256 for item in (*self.items, *self.examples[: self.prompt.shots]))

    @property
    def films(self) -> bool:
        """Whether candidates are shown videos."""
        return any(item.video is not None for item in (*self.items, *self.examples[: self.prompt.shots]))


@dataclass(frozen=True, slots=True)
class Score:
    """How good an answer is. `value` is in [0, 1]; `parsed` is what the scorer read out of the text, None exactly where
    it could read nothing it can use; `detail` says why in a few words; `parts` holds per-field scores where there are
    fields. All of it can be written as JSON.
    """

    value: float
    parsed: Any = None
    detail: str = ""
    parts: Mapping[str, float] | None = None

"""What a verdict says of its writer's machine and nobody else's: the folders of checkpoints, workloads and runs.

In: a document. Out: the same with every path from the root or from a home written as if it lay here:
`/home/me/models/small@int8` becomes `./small@int8`, in commands, in origins and wherever a candidate is named. Two that
would become the same keep as many of their folders as tell them apart.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import PurePosixPath
from typing import Any

import msgspec

from seatrial.verdict.document import Document

_FROM_A_ROOT = ("/", "~/")
_IN_COMMAND = re.compile(r"""(?<![^\s=])(?:'((?:~?/)[^']*)'|((?:~?/)[^\s'"]+))""")


def without_folders(document: Document) -> Document:
    """The document as others may see it; the same object where it names no folder."""
    names = _public_names(sorted(set(_paths(document))), [card.id for card in document.candidates])
    if not names:
        return document
    longest_first = sorted(names, key=len, reverse=True)
    known = re.compile(r"(?<![\w.~])(?:" + "|".join(map(re.escape, longest_first)) + r")(?!\w)")
    told = _changed(msgspec.to_builtins(document), lambda text: known.sub(lambda found: names[found[0]], text))
    return msgspec.convert(told, Document)


def _paths(document: Document) -> Iterator[str]:
    for command in (document.run.repeat, *(card.way_out for card in document.candidates)):
        yield from (found[1] or found[2] for found in _IN_COMMAND.finditer(command))
    names = (*(card.id for card in document.candidates), *(workload.origin for workload in document.workloads))
    yield from (name for name in names if name.startswith(_FROM_A_ROOT))


def _public_names(paths: Sequence[str], candidates: Iterable[str]) -> dict[str, str]:
    """What each path is called: `./` and as many of its last names as no other path ends with, and no candidate."""
    parts = {path: PurePosixPath(path).parts[1:] for path in paths}
    others = {*parts.values(), *(PurePosixPath(name).parts for name in candidates if name not in parts)}
    return {path: "./" + "/".join(own[-_num_telling(own, others - {own}) :]) for path, own in parts.items() if own}


def _num_telling(own: tuple[str, ...], others: Iterable[tuple[str, ...]]) -> int:
    telling = (num for num in range(1, len(own)) if all(other[-num:] != own[-num:] for other in others))
    return next(telling, len(own))


def _changed(value: Any, change: Callable[[str], str]) -> Any:
    """A tree of plain values with every text changed, keys too."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, dict):
        return {_changed(key, change): _changed(each, change) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_changed(each, change) for each in value]
    return value

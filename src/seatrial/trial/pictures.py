"""What a run folder keeps of its items' pictures, so that it can be judged and shown without the workload's files.

At the end of a trial the pictures of some items are made small and laid into `pictures/`: of those on which candidates
differ, and while there is room of those that all failed and that all got right. There is `KEY.webp`, where there is
more to see `KEY-large.webp`, and a line each in `index.jsonl`. KEY stands for the content of the file. Pictures are for
readers: nothing here ever fails a trial or a verdict, what cannot be kept is said instead.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple, TypeAlias

import msgspec

from seatrial.errors import InputError, WorkloadError
from seatrial.trial.contrast import most_telling
from seatrial.trial.record import Observation, PictureRecord
from seatrial.trial.thumbnails import SMALL_BYTES, Version, make_versions

if TYPE_CHECKING:
    from seatrial.workload.specification import Item

FOLDER, INDEX = "pictures", "index.jsonl"
MOST_ITEMS = 24
"""Items of a workload whose pictures are kept: twice as many as a verdict shows."""

MOST_EACH = 4
"""Pictures of one item that are kept and shown."""

_KEY_DIGITS = 32
_LONGEST_NAME = 80
_LONGEST_FAULT = 200
_Pixels: TypeAlias = Annotated[int, msgspec.Meta(ge=0)]


class KeptPicture(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A line of the index. `width` and `height` are the original's, `small_…` those of what is kept, in pixels;
    `has_larger`: there is a larger version too. `fault` says why there is nothing to show, then all else is 0."""

    key: str
    width: _Pixels = 0
    height: _Pixels = 0
    small_width: _Pixels = 0
    small_height: _Pixels = 0
    has_larger: bool = False
    fault: str = ""


class RunPictures:
    """The pictures in a run folder, read as they are asked for. What is absent or damaged is as if never kept."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / FOLDER

    def find(self, key: str) -> KeptPicture | None:
        """What is known of a picture."""
        return self._index.get(key)

    def small(self, key: str) -> bytes | None:
        """The small version's bytes: a WebP file of at most `SMALL_BYTES`."""
        if key not in self._index:
            return None
        try:
            with (self._folder / _small_name(key)).open("rb") as file:
                data = file.read(SMALL_BYTES + 1)
        except OSError:
            return None
        return data if len(data) <= SMALL_BYTES and is_webp(data) else None

    def larger(self, key: str) -> str:
        """The path of the larger version from the run's folder; empty where there is none."""
        kept = self._index.get(key)
        has_one = kept is not None and kept.has_larger and (self._folder / _larger_name(key)).is_file()
        return f"{FOLDER}/{_larger_name(key)}" if has_one else ""

    @cached_property
    def _index(self) -> Mapping[str, KeptPicture]:
        try:
            lines = (self._folder / INDEX).read_bytes().splitlines()
        except OSError:
            return {}
        found = {}
        for line in lines:
            with contextlib.suppress(msgspec.DecodeError, UnicodeDecodeError):
                kept = msgspec.json.decode(line, type=KeptPicture)
                if _is_key(kept.key):
                    found[kept.key] = kept
        return found


class _Source(NamedTuple):
    sha256: str
    path: Path
    is_video: bool

    @property
    def key(self) -> str:
        return self.sha256[:_KEY_DIGITS]


def picture_records(item: Item) -> list[PictureRecord]:
    """An item's pictures as a run remembers them."""
    return [
        PictureRecord(key=source.key, name=_shown_name(source.path), is_video=source.is_video)
        for source in _sources(item)
    ]


def has_pictures(items: Iterable[Item]) -> bool:
    """Whether any of them has one, or a video."""
    return any(item.pictures or item.video for item in items)


def keep_pictures(folder: Path, items: Mapping[str, Sequence[Item]], observations: Iterable[Observation]) -> None:
    """Keep the pictures of items that tell most (`contrast`); those that are kept already stay. Never raises.

    `items` are those that were asked, by the name of their workload.
    """
    scores: dict[str, dict[str, dict[str, float]]] = {}
    for seen in observations:
        score = 0.0 if seen.failure else seen.score
        scores.setdefault(seen.workload, {}).setdefault(seen.item, {})[seen.candidate] = score
    before = RunPictures(folder)
    lines = dict(before._index)
    for workload, asked in items.items():
        by_item = {item: list(each.values()) for item, each in scores.get(workload, {}).items()}
        for source in _worth_keeping(asked, by_item):
            if source.key not in lines or lines[source.key].fault:
                lines[source.key] = _kept(folder / FOLDER, source)
    if lines != before._index:
        content = b"".join(msgspec.json.encode(line) + b"\n" for line in lines.values())
        with contextlib.suppress(OSError):
            _write(folder / FOLDER / INDEX, content)


def is_webp(data: bytes) -> bool:
    """Whether these bytes begin as a WebP file does."""
    return data[:4] == b"RIFF" and data[8:12] == b"WEBP"


def _worth_keeping(items: Sequence[Item], scores: Mapping[str, Sequence[float]]) -> Iterator[_Source]:
    by_id = {item.id: item for item in items}
    for item in [each for each in most_telling(scores) if each in by_id][:MOST_ITEMS]:
        yield from _sources(by_id[item])[:MOST_EACH]


def _sources(item: Item) -> list[_Source]:
    files = [(path, False) for path in item.pictures] + ([(item.video, True)] if item.video is not None else [])
    return [_Source(digest, path, is_video) for digest, (path, is_video) in zip(item.media_sha256, files, strict=True)]


def _kept(folder: Path, source: _Source) -> KeptPicture:
    """Make a picture's versions and write them; what went wrong stands in the line."""
    key = source.key
    try:
        made = make_versions(source.path, source.sha256, is_video=source.is_video)
        _write(folder / _small_name(key), made.small.data)
        has_larger = made.larger is not None and _write_larger(folder / _larger_name(key), made.larger)
    except WorkloadError as error:
        return KeptPicture(key=key, fault=f"The file {error.reason}"[:_LONGEST_FAULT])
    except InputError as error:
        return KeptPicture(key=key, fault=error.reason[:_LONGEST_FAULT])
    except OSError as error:
        return KeptPicture(key=key, fault=f"No picture could be kept: {error.strerror or error}."[:_LONGEST_FAULT])
    except Exception as error:  # a codec can raise anything, and a picture must never stand in a trial's way
        return KeptPicture(key=key, fault=f"It cannot be shown ({type(error).__name__}).")
    return KeptPicture(
        key=key,
        width=made.width,
        height=made.height,
        small_width=made.small.width,
        small_height=made.small.height,
        has_larger=has_larger,
    )


def _write_larger(path: Path, version: Version) -> bool:
    with contextlib.suppress(OSError):
        _write(path, version.data)
        return True
    return False


def _write(path: Path, data: bytes) -> None:
    """Whole or not at all; raises OSError. Without a flush to disk: a picture that a power cut takes is no loss."""
    path.parent.mkdir(exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        part.write_bytes(data)
        part.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            part.unlink()
        raise


def _is_key(key: str) -> bool:
    return len(key) == _KEY_DIGITS and all(digit in "0123456789abcdef" for digit in key)


def _shown_name(path: Path) -> str:
    """The file's name: printable, not too long."""
    name = "".join(letter if letter.isprintable() else "?" for letter in path.name)
    return name if len(name) <= _LONGEST_NAME else name[: _LONGEST_NAME - 1] + "…"


def _small_name(key: str) -> str:
    return f"{key}.webp"


def _larger_name(key: str) -> str:
    return f"{key}-large.webp"

"""The pictures and the video of an item: files that its fields name, checked at loading and read when it is asked.

In: an item's record (`image`, `images`, `video`) and the folder of its file. Out: paths, each with the SHA-256 of what
lies there, so that a file which changes under a run is noticed. A workload may come from a stranger, and what its
items show goes to models and into reports: a name leads to no file outside the workload's folder, by no trick, and a
file is what its first bytes say, whatever it is called.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Mapping
from importlib.resources.abc import Traversable
from pathlib import Path, PurePosixPath
from typing import Any, Literal, NamedTuple

from seatrial.errors import InputError, WorkloadError, nearest_names
from seatrial.media.types import HEAD_BYTES, picture_type, video_type, what_it_is
from seatrial.workload.decoding import check_picture, check_video
from seatrial.workload.media_fields import picture_names, video_name

MOST_PICTURE_BYTES, MOST_VIDEO_BYTES = 20 * 2**20, 4 * 2**30
MOST_DECODED_PIXELS = 1 << 32
"""Pixels of all pictures in a folder that are decoded at loading; of those beyond, only the heads are looked at."""

_LONGEST_NAME = 1024
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")

_Kind = Literal["picture", "video"]


class Media(NamedTuple):
    """What an item shows: absolute paths, and the SHA-256 of each file, the pictures' in order and then the video's."""

    pictures: tuple[Path, ...] = ()
    video: Path | None = None
    sha256: tuple[str, ...] = ()


class MediaFolder:
    """The files beside a workload's items. Each is looked at once, however many items show it."""

    def __init__(self, folder: Traversable) -> None:
        self._folder = folder
        self._known: dict[tuple[str, _Kind], tuple[Path, str]] = {}
        self._pixels_left = MOST_DECODED_PIXELS

    def media(self, record: Mapping[str, Any]) -> Media:
        """What the record's fields show; nothing where it has none of them.

        Raises:
            WorkloadError: a field of the wrong kind, or a name that leads to no picture or video; names the field.
        """
        pictures = [self._file(name, field, "picture") for field, name in picture_names(record)]
        film = video_name(record)
        films = [self._file(film.name, film.field, "video")] if film is not None else []
        return Media(
            pictures=tuple(path for path, _ in pictures),
            video=films[0][0] if films else None,
            sha256=tuple(digest for _, digest in (*pictures, *films)),
        )

    def _file(self, name: Any, field: str, kind: _Kind) -> tuple[Path, str]:
        try:
            if isinstance(name, str) and (name, kind) in self._known:
                return self._known[name, kind]
            path = _inside(self._folder, name)
            found = path, _checked(path, name, kind)
            self._look(path, name, kind)
        except _Refused as refused:
            raise WorkloadError(str(refused), field=field) from None
        self._known[name, kind] = found
        return found

    def _look(self, path: Path, name: str, kind: _Kind) -> None:
        """Decode what will be shown, within the bound on all pictures."""
        try:
            if kind == "video":
                check_video(path)
                return
            self._pixels_left -= check_picture(path, most_decoded=self._pixels_left)
        except InputError as error:
            raise _Refused(f"`{name}` {error.reason}") from None
        except OSError as error:
            raise _Refused(f"`{name}` cannot be read ({error.strerror or error}).") from None


class _Refused(Exception):
    """Why a name will not do: a sentence."""


def read_unchanged(path: Path, sha256: str) -> bytes:
    """The bytes of a file that was checked at loading.

    Raises:
        WorkloadError: it is no longer there, or holds something else by now.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MOST_PICTURE_BYTES + 1)
    except OSError as error:
        raise _gone(path, error) from None
    if hashlib.sha256(data).hexdigest() != sha256:
        raise _changed(path)
    return data


def check_unchanged(path: Path, sha256: str) -> None:
    """The same of a file that is left where it lies: it is read in pieces. Raises as `read_unchanged`."""
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise _gone(path, error) from None
    if digest != sha256:
        raise _changed(path)


def _gone(path: Path, error: OSError) -> WorkloadError:
    why = error.strerror or error
    return WorkloadError(f"cannot be read any more ({why}). Put it back, then run the same command again.", path=path)


def _changed(path: Path) -> WorkloadError:
    return WorkloadError(
        "was changed after the workload was loaded. Run the command again, in a new folder, to ask about it.",
        path=path,
    )


def _inside(folder: Traversable, name: Any) -> Path:
    """The file that `name` means, links followed, inside `folder`."""
    if not isinstance(name, str) or not name.strip():
        raise _Refused("must be the name of a file, counted from the folder of this one.")
    shown = name if len(name) <= 80 else f"{name[:79]}…"
    if len(name) > _LONGEST_NAME or not name.isprintable():
        raise _Refused(f"`{shown!r}` is no file's name." if len(name) <= _LONGEST_NAME else f"`{shown}` is too long.")
    if _SCHEME.match(name):
        raise _Refused(f"`{shown}` is an address. Save the file beside this one, and give its name.")
    if "\\" in name:
        raise _Refused(f"`{shown}` has a backslash in it. Part folders with `/`.")
    pure = PurePosixPath(name)
    if pure.is_absolute() or ".." in pure.parts:
        raise _Refused(f"`{shown}` leads out of this file's folder. Copy the file into it, and give its name there.")
    if not isinstance(folder, Path):
        raise _Refused("cannot be read from within an archive. Unpack it.")
    try:
        home = folder.resolve(strict=True)
        path = (home / pure).resolve(strict=True)
    except FileNotFoundError:
        raise _Refused(f"there is no file `{shown}`{_offer(folder / pure)} Names count from {folder}.") from None
    except (OSError, RuntimeError, ValueError) as error:
        why = getattr(error, "strerror", None) or "a link that leads in a circle"
        raise _Refused(f"`{shown}` cannot be read ({why}).") from None
    if not path.is_relative_to(home):
        raise _Refused(f"`{shown}` is a link that leads out of this file's folder. Copy the file into it.")
    return path


def _offer(missing: Path) -> str:
    """The nearest name in the folder where the missing file should be."""
    try:
        near = nearest_names(missing.name, sorted(os.listdir(missing.parent))[:10_000], limit=1)
    except OSError:
        near = []
    return f". Did you mean `{near[0]}`?" if near else "."


def _checked(path: Path, name: str, kind: _Kind) -> str:
    """The SHA-256 of a file that is a picture or a video, of a size that can be asked about."""
    most_bytes = MOST_PICTURE_BYTES if kind == "picture" else MOST_VIDEO_BYTES
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):
            raise _Refused(f"`{name}` is {'a folder' if stat.S_ISDIR(found.st_mode) else 'no plain file'}.")
        if found.st_size > most_bytes:
            size = f"{found.st_size / 2**20:,.0f} MiB"
            raise _Refused(f"`{name}` has {size}; a {kind} may have {most_bytes // 2**20:,} MiB. Make it smaller.")
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
            _check_kind(head, name, kind)
            file.seek(0)
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise _Refused(f"`{name}` cannot be read ({error.strerror or error}).") from None
    return digest


def _check_kind(head: bytes, name: str, kind: _Kind) -> None:
    if not head:
        raise _Refused(f"`{name}` is empty.")
    found = picture_type(head) if kind == "picture" else video_type(head)
    if found is None:
        wanted = "a PNG, JPEG, GIF or WebP" if kind == "picture" else "an MP4, MOV, WebM, MKV or AVI"
        raise _Refused(
            f"`{name}` is no {kind} that is taken: by its first bytes it is {what_it_is(head)}. Save it as {wanted}."
        )

"""The pictures that an item asks about, as pages show them: the same on the report, the site and its blind page.

Pictures of a document come in, `PictureView`s go out. A report carries them in its own text (`data_uri`), the site
serves each as a file of its own (`file`, named after its content).
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import msgspec

from seatrial.trial.pictures import is_webp
from seatrial.verdict.document import MOST_PICTURES, Document, ItemDifference, PictureShown
from seatrial.verdict.report.names import shortened

_ALT_CHARS = 140
_NAME_CHARS = 80
_NOTE_CHARS = 200
_IN_DOCUMENT = "It is in the verdict’s JSON only: this page shows no more pictures."
_IS_NONE = "What the verdict has of it is no picture."


@dataclass(frozen=True, slots=True)
class PictureView:
    """A picture that an item asks about. `alt` says what the item asks of it; `about` is its name with its size.

    `data` is WebP of `width` by `height` pixels; empty: there is nothing to show, and `note` says why. `larger` is a
    file beside the report; it may be empty.
    """

    alt: str
    name: str
    about: str
    data: bytes
    width: int
    height: int
    larger: str
    note: str

    @property
    def file(self) -> str:
        """A file name that stands for just this content; empty where there is none."""
        return file_name(self.data) if self.data else ""

    @property
    def data_uri(self) -> str:
        """The picture as an address that holds it."""
        return f"data:image/webp;base64,{base64.b64encode(self.data).decode()}"


def view_pictures(pictures: Sequence[PictureShown], asks: str) -> list[PictureView]:
    """The pictures of an item; `asks` is its input."""
    return [
        PictureView(
            alt=_alt(picture, asks, f" {place} of {len(pictures)}" if len(pictures) > 1 else ""),
            name=_name(picture),
            about=_about(picture),
            data=picture.data if is_shown(picture) and picture.data is not None else b"",
            width=picture.width,
            height=picture.height,
            larger=picture.larger,
            note="" if is_shown(picture) else shortened(picture.note or _IS_NONE, _NOTE_CHARS),
        )
        for place, picture in enumerate(pictures, start=1)
    ]


def is_shown(picture: PictureShown) -> bool:
    """Whether there is something to show: a WebP file with a size."""
    return picture.data is not None and is_webp(picture.data) and picture.width > 0 and picture.height > 0


def file_name(data: bytes) -> str:
    """What a picture of this content is called as a file."""
    return f"{hashlib.sha256(data).hexdigest()[:32]}.webp"


def picture_files(document: Document) -> dict[str, bytes]:
    """The pictures that a page of this document shows, by the names of their files."""
    pictures = (picture for item in bounded(document.item_differences) for picture in item.pictures)
    return {file_name(each.data): each.data for each in pictures if each.data is not None and is_shown(each)}


def bounded(items: Iterable[ItemDifference], most: int = MOST_PICTURES) -> Iterator[ItemDifference]:
    """The items with at most so many pictures in all: the bound on a page's weight, whoever wrote the document."""
    num_left = most
    for item in items:
        kept = []
        for picture in item.pictures:
            num_left -= picture.data is not None
            cut = picture.data is not None and num_left < 0
            kept.append(msgspec.structs.replace(picture, data=None, note=_IN_DOCUMENT) if cut else picture)
        yield msgspec.structs.replace(item, pictures=kept) if kept else item


def _alt(picture: PictureShown, asks: str, place: str) -> str:
    what = f"Frame of the video{place}" if picture.is_video else f"Picture{place}"
    text = " ".join(asks[: 2 * _ALT_CHARS].split())
    return f"{what} for: {shortened(text, _ALT_CHARS)}" if text else f"{what} for the item, {_name(picture)}"


def _about(picture: PictureShown) -> str:
    """`receipt.png, 900 × 1,200 pixels`."""
    has_size = picture.full_width > 0 and not picture.is_video
    size = f", {picture.full_width:,} × {picture.full_height:,} pixels" if has_size else ""
    return f"{'a frame of ' if picture.is_video else ''}{_name(picture)}{size}"


def _name(picture: PictureShown) -> str:
    return shortened(picture.name, _NAME_CHARS)

"""Which fields of an item name the files that it shows: `image`, `images`, `video`, and those meant to be one of them.

In: an item's record. Out: the names with their fields. A field that is nearly one of the three is refused, since the
item would be asked without its picture, and a model that saw nothing would be measured as if it had.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from seatrial.errors import WorkloadError

MOST_PICTURES = 64
_FIELDS = ("image", "images", "video")
# As other formats call them, blank space and marks left out: `pictures`, `img_2`, `input_image`, `image_url`.
_MEANT = re.compile(
    r"(?:input)?(?:image|img|pic|picture|photo|(video|vid))s?\d*(url|uri|path|file|filename|base64|b64)?s?"
)


class NamedFile(NamedTuple):
    """What should be a file's name, and the field that holds it."""

    field: str
    name: Any


def picture_names(record: Mapping[str, Any]) -> list[NamedFile]:
    """The names of the record's pictures, in order. Raises WorkloadError for fields of the wrong kind."""
    one, several = record.get("image"), record.get("images")
    if one is not None and several is not None:
        raise WorkloadError("stands beside `image`: an item has one or the other.", field="images")
    if isinstance(one, list):
        raise WorkloadError("must be the name of one file; a list of names goes into `images`.", field="image")
    if one is not None:
        return [NamedFile("image", one)]
    if several is None:
        return []
    if not isinstance(several, list) or not several:
        hint = " A single name goes into `image`." if isinstance(several, str) else ""
        raise WorkloadError(f"must be a list of at least one file's name.{hint}", field="images")
    if len(several) > MOST_PICTURES:
        raise WorkloadError(f"lists {len(several):,} pictures; an item may have {MOST_PICTURES}.", field="images")
    return [NamedFile(f"images[{place}]", name) for place, name in enumerate(several)]


def video_name(record: Mapping[str, Any]) -> NamedFile | None:
    """The name of the record's video. Raises WorkloadError for several."""
    name = record.get("video")
    if isinstance(name, list):
        raise WorkloadError("must be the name of one file, not a list: an item shows one video.", field="video")
    return None if name is None else NamedFile("video", name)


def refuse_misnamed(record: Mapping[str, Any], cluster: str | None) -> None:
    """Pass a record without fields that are nearly `image`, `images` or `video`.

    Numbers and what is empty show nothing; an address or a path beside a field that is read says where that came from;
    and `cluster`, the field that groups items, may be called anything.

    Raises:
        WorkloadError: there is such a field; names it, and the one that is meant.
    """
    shows = any(record.get(field) for field in _FIELDS)
    for field, value in record.items():
        if field in _FIELDS or field == cluster or not value or not isinstance(value, str | list | dict):
            continue
        word = re.sub(r"[\W_]+", "", field.casefold())
        known = _MEANT.fullmatch(word)
        near = [name for name in _FIELDS if _is_one_slip_from(name, word)]
        if not near and (known is None or (known[2] and shows)):
            continue
        is_video = "video" in near if near else known is not None and known[1]
        meant = "video" if is_video else "images" if isinstance(value, list) else "image"
        raise WorkloadError(
            f"is no field that is read; nothing would be shown. Did you mean `{meant}`? A note needs another name.",
            field=field if len(field) <= 40 else f"{field[:39]}…",
        )


def _is_one_slip_from(name: str, word: str) -> bool:
    """Whether one letter is too many, missing or another, or letters stand in another order."""
    if len(name) == len(word):
        return sum(one != other for one, other in zip(name, word, strict=True)) <= 1 or sorted(name) == sorted(word)
    longer, shorter = (name, word) if len(name) > len(word) else (word, name)
    return len(longer) == len(shorter) + 1 and any(
        longer[:at] + longer[at + 1 :] == shorter for at in range(len(longer))
    )

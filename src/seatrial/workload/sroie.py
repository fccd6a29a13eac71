"""The SROIE receipts as a workload: four key fields of scanned receipts, from a folder that the user has.

ICDAR 2019 Robust Reading Challenge on Scanned Receipts OCR and Information Extraction, task 3 (Huang et al. 2019). In:
a folder with `img/` (JPEG or PNG) and `key/` (a JSON object each, `company`, `date`, `address`, `total`, as `.json` or
as the challenge's `.txt`). Out: a manifest and items. The pictures are not ours to pass on, so none come with Seatrial.

As in the challenge an answer is right field by field, and the score is the F1 over all fields that a receipt has. Texts
count as equal but for case, blank space and marks at their edges; the total is a number.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from seatrial.errors import WorkloadError
from seatrial.workload.items import PlacedItem
from seatrial.workload.json_text import NotJsonError, decode
from seatrial.workload.manifest import FILE_NAME, Manifest
from seatrial.workload.media import MediaFolder
from seatrial.workload.scorers import check_scorer
from seatrial.workload.scorers.forms import words
from seatrial.workload.scorers.relaxed_accuracy import plain, read_quantity
from seatrial.workload.specification import Item, Prompt

NAME = "sroie"
SOURCE = "https://rrc.cvc.uab.es/?ch=13 (or github.com/zzzDavid/ICDAR-2019-SROIE, in `data`)"
_PICTURES, _KEYS = "img", "key"
_PICTURE_ENDS, _KEY_ENDS = (".jpg", ".jpeg", ".png"), (".json", ".txt")
_TEXTS = ("company", "date", "address")
_LARGEST_KEY_BYTES = 2**16
_QUESTION = "Read this receipt: company, date, address, total."
_SYSTEM = """You read scanned receipts and answer with one JSON object and nothing else. Its fields:
company: who issued the receipt, as printed
date: the day of the purchase, exactly as printed
address: where the company is, as printed, on one line
total: the amount to pay, as a number
What the receipt does not show is null."""


class Receipts(NamedTuple):
    """The workload before it is put together: `items` with what is expected as the scorer wants it."""

    manifest: Manifest
    items: list[PlacedItem]


def is_sroie(folder: Path) -> bool:
    """Whether a folder is laid out as the data set is, and is no workload of another kind."""
    return (folder / _PICTURES).is_dir() and (folder / _KEYS).is_dir() and not (folder / FILE_NAME).exists()


def read_sroie(folder: Path) -> Receipts:
    """The receipts of a folder, in the order of their names; those of one company share a cluster.

    Raises:
        WorkloadError: a receipt without its key or the other way round, or with two, a key that is no such object, a
            picture that is none; names the file.
    """
    pictures = _by_stem(folder / _PICTURES, _PICTURE_ENDS)
    keys = _by_stem(folder / _KEYS, _KEY_ENDS)
    if not pictures:
        raise WorkloadError(f"has no pictures in it ({', '.join(_PICTURE_ENDS)}).", path=folder / _PICTURES)
    lonely = sorted(pictures.keys() ^ keys.keys())
    if lonely:
        missing = _KEYS if lonely[0] in pictures else _PICTURES
        raise WorkloadError(f"has no file for the receipt `{lonely[0]}`.", path=folder / missing)
    beside = MediaFolder(folder)
    items = []
    for number, (stem, picture) in enumerate(pictures.items(), start=1):
        key = _key(keys[stem])
        try:
            media = beside.media({"image": f"{_PICTURES}/{picture.name}"})
        except WorkloadError as error:
            raise WorkloadError(error.reason, path=folder / _PICTURES) from None
        cluster = " ".join(words(key["company"] or "")) or stem
        items.append(PlacedItem(number, Item(stem, _QUESTION, key, cluster, (), *media)))
    return Receipts(_manifest(), items)


def _manifest() -> Manifest:
    fields: dict[str, Any] = {name: {"type": "string", "optional": True} for name in _TEXTS}
    fields["total"] = {"type": "number", "tolerance": 0.005, "optional": True}
    return Manifest(
        name=NAME,
        version="1",
        title="SROIE receipts",
        task="extraction",
        description="Company, date, address and total of scanned receipts (ICDAR 2019 SROIE, task 3).",
        licence="ICDAR 2019 terms",
        cluster="company",
        prompt=Prompt(system=_SYSTEM, max_tokens=256),
        scorer=check_scorer("json_fields", {"average": "micro", "fields": fields}),
    )


def _by_stem(folder: Path, ends: tuple[str, ...]) -> dict[str, Path]:
    try:
        files = sorted(path for path in folder.iterdir() if path.suffix.lower() in ends and path.name[0] != ".")
    except OSError as error:
        raise WorkloadError(f"cannot be read ({error.strerror or error}).", path=folder) from None
    by_stem: dict[str, Path] = {}
    for path in files:
        first = by_stem.setdefault(path.stem, path)
        if first is not path:
            raise WorkloadError(
                f"holds both `{first.name}` and `{path.name}` for the receipt `{path.stem}`. Leave one out.",
                path=folder,
            )
    return by_stem


def _key(path: Path) -> dict[str, Any]:
    """What is expected of a receipt; absent fields are None."""
    try:
        with path.open("rb") as file:
            key = decode(file.read(_LARGEST_KEY_BYTES).decode("utf-8-sig"))
    except OSError as error:
        raise WorkloadError(f"cannot be read ({error.strerror or error}).", path=path) from None
    except UnicodeDecodeError as error:
        raise WorkloadError(f"is not UTF-8 at byte {error.start:,}.", path=path) from None
    except NotJsonError as error:
        raise WorkloadError(f"{error}.", path=path) from None
    if not isinstance(key, dict):
        raise WorkloadError("must be an object with company, date, address and total.", path=path)
    return {name: _text(key, name, path) for name in _TEXTS} | {"total": _total(key, path)}


def _text(key: Mapping[str, Any], name: str, path: Path) -> str | None:
    value = key.get(name)
    if value is not None and not isinstance(value, str):
        raise WorkloadError("must be a text.", path=path, field=name)
    return value.strip() or None if value else None


def _total(key: Mapping[str, Any], path: Path) -> float | None:
    text = _text(key, "total", path)
    if text is None:
        return None
    amount = read_quantity(plain(text))
    if amount is None:
        raise WorkloadError(f"{text!r} is no amount.", path=path, field="total")
    return amount.value

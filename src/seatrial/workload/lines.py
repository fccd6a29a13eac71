"""Reading JSON lines: a file in, numbered objects out, and every fault with its file and line."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.resources.abc import Traversable
from typing import Any, NamedTuple

from seatrial.errors import WorkloadError
from seatrial.workload.json_text import NotJsonError, decode

LONGEST_LINE_BYTES = 4 * 2**20
_UTF8_MARK = b"\xef\xbb\xbf"
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")


class Line(NamedTuple):
    """A line's number, counted from 1, and the object on it."""

    number: int
    record: dict[str, Any]


def read_lines(file: Traversable) -> Iterator[Line]:
    """The objects of a JSON-lines file. A byte-order mark, CRLF line ends and blank lines are fine.

    Raises:
        WorkloadError: the file cannot be read, or a line is too long, not UTF-8, not JSON, or no object.
    """
    try:
        with file.open("rb") as stream:
            offset = 0
            for number, raw in enumerate(iter(lambda: stream.readline(LONGEST_LINE_BYTES + 1), b""), start=1):
                start, offset = offset, offset + len(raw)
                text = _text(raw.removeprefix(_UTF8_MARK) if number == 1 else raw, file, number, start)
                if text:
                    yield Line(number, _record(text, file, number))
    except OSError as error:
        raise WorkloadError(f"cannot be read ({error.strerror or error}).", path=str(file)) from None


def _text(raw: bytes, file: Traversable, number: int, offset: int) -> str:
    if len(raw) > LONGEST_LINE_BYTES:
        raise WorkloadError(
            f"is longer than {LONGEST_LINE_BYTES // 2**20} MiB, the limit. Is each item on a line of its own?",
            path=str(file),
            line=number,
        )
    if number == 1 and raw.startswith(_UTF16_MARKS):
        raise WorkloadError("is UTF-16. Save the file as UTF-8.", path=str(file), line=number)
    try:
        return raw.decode("utf-8").strip()
    except UnicodeDecodeError as error:
        at = offset + error.start
        raise WorkloadError(
            f"is not UTF-8: byte 0x{raw[error.start]:02x} at offset {at:,} of the file. Save the file as UTF-8.",
            path=str(file),
            line=number,
        ) from None


def _record(text: str, file: Traversable, number: int) -> dict[str, Any]:
    try:
        record = decode(text)
    except NotJsonError as error:
        hint = " The file looks like one JSON array: write one object a line." if text.startswith("[") else ""
        raise WorkloadError(f"{error}.{hint}", path=str(file), line=number) from None
    if not isinstance(record, dict):
        kind = {list: "an array", str: "a text", bool: "true or false"}.get(type(record), "a number or null")
        raise WorkloadError(f"must be an object, is {kind}. Write one object a line.", path=str(file), line=number)
    return record

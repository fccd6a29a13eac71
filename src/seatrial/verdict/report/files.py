"""The verdict's two files: `report.html` for people, `verdict.json` for programs; each written whole or not at all."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import msgspec

from seatrial.errors import InputError, StorageError
from seatrial.verdict.document import DOCUMENT_SCHEMA, Document
from seatrial.verdict.report.render import render_report

REPORT_FILE = "report.html"
DOCUMENT_FILE = "verdict.json"


def write_report(document: Document, folder: Path) -> Path:
    """Render the page into `folder/report.html` and return its path. Raises `StorageError`."""
    return _write(folder / REPORT_FILE, render_report(document).encode("utf-8", "replace"))


def write_document(document: Document, folder: Path) -> Path:
    """Write `folder/verdict.json`, indented, and return its path. Raises `StorageError`."""
    return _write(folder / DOCUMENT_FILE, msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n")


def read_document(folder: Path) -> Document:
    """Read `folder/verdict.json`. Raises `InputError` where it is absent, unreadable or not such a document."""
    path = folder / DOCUMENT_FILE
    try:
        document = msgspec.json.decode(path.read_bytes(), type=Document)
    except FileNotFoundError:
        raise InputError(
            f"There is no such file. `seatrial verdict {folder}` makes it from a run.", path=path
        ) from None
    except OSError as error:
        raise InputError(f"Cannot read it: {error.strerror or error}.", path=path) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InputError(f"Not a verdict: {error}. `seatrial verdict {folder}` writes it anew.", path=path) from error
    if document.schema != DOCUMENT_SCHEMA:
        raise InputError(
            f"Its schema is `{document.schema}`; this version reads `{DOCUMENT_SCHEMA}`. "
            f"`seatrial verdict {folder}` writes it anew.",
            path=path,
            field="schema",
        )
    return document


def _write(path: Path, content: bytes) -> Path:
    """Write beside the goal under a temporary name, flush to disk, rename over it."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise StorageError(
            f"Cannot write `{path}`: {error.strerror or error}. Free some space or choose another folder with `--out`."
        ) from error
    return path

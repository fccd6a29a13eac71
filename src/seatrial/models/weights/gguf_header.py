"""The header of a GGUF file (ggml's specification, versions 2 and 3): metadata and where each tensor lies.

In: a path. Out: a `GGUFHeader`, in which every count, length, type, dimension and offset has been held against the
size of the file, so that nothing read later can ask for more memory than the file is long. Numbers are little-endian.
Torch-free.
"""

from __future__ import annotations

import errno
import math
import mmap
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from seatrial.errors import CheckpointError, UnsupportedModel
from seatrial.models.quoting import quoted

_MAGIC = b"GGUF"
_VERSIONS = (2, 3)
_MAX_DIMENSIONS = 4
_MAX_NAME = 256
_AGAIN = "Fetch the file again."
_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_STRING, _ARRAY = 8, 9
# The least that one entry of each kind takes: a key of no letters with a one-byte value; a name, no dimensions, offset.
_MIN_PAIR_BYTES, _MIN_TENSOR_BYTES = 8 + 4 + 1, 8 + 4 + 4 + 8


class BlockType(NamedTuple):
    """How a tensor type packs numbers: `size` of them in `num_bytes` bytes."""

    name: str
    size: int
    num_bytes: int


BLOCK_TYPES: Mapping[int, BlockType] = {
    0: BlockType("F32", 1, 4),
    1: BlockType("F16", 1, 2),
    2: BlockType("Q4_0", 32, 18),
    3: BlockType("Q4_1", 32, 20),
    6: BlockType("Q5_0", 32, 22),
    7: BlockType("Q5_1", 32, 24),
    8: BlockType("Q8_0", 32, 34),
    12: BlockType("Q4_K", 256, 144),
    13: BlockType("Q5_K", 256, 176),
    14: BlockType("Q6_K", 256, 210),
    30: BlockType("BF16", 1, 2),
}
_OTHER_TYPES = {
    9: "Q8_1", 10: "Q2_K", 11: "Q3_K", 15: "Q8_K", 16: "IQ2_XXS", 17: "IQ2_XS", 18: "IQ3_XXS", 19: "IQ1_S",
    20: "IQ4_NL", 21: "IQ3_S", 22: "IQ2_S", 23: "IQ4_XS", 24: "I8", 25: "I16", 26: "I32", 27: "I64", 28: "F64",
    29: "IQ1_M", 34: "TQ1_0", 35: "TQ2_0", 39: "MXFP4", 40: "NVFP4", 41: "Q1_0",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class TensorPlace:
    """One tensor: its type, its shape in numpy's order (slowest first), and its bytes in the file."""

    name: str
    type: BlockType
    shape: tuple[int, ...]
    start: int
    num_bytes: int


@dataclass(frozen=True, slots=True)
class GGUFHeader:
    """Metadata (scalars, texts, lists) and tensors by name."""

    path: Path
    metadata: Mapping[str, Any]
    tensors: Mapping[str, TensorPlace]


def read_header(path: Path) -> GGUFHeader:
    """Read and check the header.

    Raises CheckpointError or UnsupportedModel, naming the file and what is wrong; MemoryError where the file cannot be
    mapped.
    """
    if not path.is_file():
        raise CheckpointError("not a file", path=path)
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return _parse(_Cursor(data, path))
    except ValueError as error:
        raise CheckpointError(f"the file is empty. {_AGAIN}", path=path) from error
    except OSError as error:
        if error.errno == errno.ENOMEM:
            raise MemoryError from error
        raise CheckpointError(f"cannot be read: {error.strerror or error}", path=path) from error


class _Cursor:
    """Reads forward and never past the end."""

    def __init__(self, data: mmap.mmap, path: Path) -> None:
        self.data, self.path, self.at, self.size = data, path, 0, len(data)

    def take(self, num_bytes: int, what: str) -> bytes:
        if num_bytes > self.size - self.at:
            raise CheckpointError(
                f"cut off: {what} needs {num_bytes:,} bytes at {self.at:,}, the file has {self.size:,}. {_AGAIN}",
                path=self.path,
            )
        self.at += num_bytes
        return self.data[self.at - num_bytes : self.at]

    def number(self, code: str, what: str) -> Any:
        layout = "<" + code
        return struct.unpack(layout, self.take(struct.calcsize(layout), what))[0]

    def text(self, what: str) -> str:
        raw = self.take(self.number("Q", what), what)
        try:
            return raw.decode("utf-8")
        except UnicodeDecodeError as error:
            raise CheckpointError(f"{what} is not UTF-8", path=self.path) from error

    def texts(self, count: int, what: str) -> list[str]:
        """As `text`, `count` times: vocabularies have hundreds of thousands, so without a call for each part."""
        found, read_length, data, at = [], struct.Struct("<Q").unpack_from, self.data, self.at
        try:
            for _ in range(count):
                end = at + 8 + read_length(data, at)[0]
                if end > self.size:
                    raise CheckpointError(f"cut off: {what} reach past the end of the file. {_AGAIN}", path=self.path)
                found.append(data[at + 8 : end].decode("utf-8"))
                at = end
        except struct.error as error:
            raise CheckpointError(
                f"cut off: {what} reach past the end of the file. {_AGAIN}", path=self.path
            ) from error
        except UnicodeDecodeError as error:
            raise CheckpointError(f"{what} are not UTF-8", path=self.path) from error
        self.at = at
        return found

    def fits(self, count: int, least_bytes: int, what: str) -> None:
        if count * least_bytes > self.size - self.at:
            raise CheckpointError(f"{what}: {count:,} cannot fit in {self.size:,} bytes. {_AGAIN}", path=self.path)


def _parse(cursor: _Cursor) -> GGUFHeader:
    if cursor.take(4, "the magic number") != _MAGIC:
        raise CheckpointError(
            "not a GGUF file: it does not begin with `GGUF`. Name another file, or a folder with a model's files.",
            path=cursor.path,
        )
    version = cursor.number("I", "the version")
    if version not in _VERSIONS:
        swapped = int.from_bytes(version.to_bytes(4, "little"), "big")
        reason = "a big-endian file" if swapped in _VERSIONS else f"GGUF version {version}"
        raise UnsupportedModel(f"{reason}; known: little-endian versions 2 and 3", path=cursor.path)
    num_tensors, num_pairs = cursor.number("Q", "the tensor count"), cursor.number("Q", "the metadata count")
    cursor.fits(num_pairs, _MIN_PAIR_BYTES, "metadata entries")
    metadata: dict[str, Any] = {}
    for _ in range(num_pairs):
        key = cursor.text("a metadata key")
        if not key.isprintable():
            raise CheckpointError(f"a metadata key is {quoted(key)}, which cannot be printed", path=cursor.path)
        if key in metadata:
            raise CheckpointError("this key stands twice", path=cursor.path, field=key[:80])
        metadata[key] = _value(cursor, cursor.number("I", "a metadata type"), key[:80])
    cursor.fits(num_tensors, _MIN_TENSOR_BYTES, "tensors")
    entries = [_tensor_entry(cursor) for _ in range(num_tensors)]
    return GGUFHeader(cursor.path, metadata, _placed(cursor, entries, _alignment(metadata, cursor.path)))


def _value(cursor: _Cursor, kind: int, key: str) -> Any:
    if kind in _SCALARS:
        return cursor.number(_SCALARS[kind], f"`{key}`")
    if kind == _STRING:
        return cursor.text(f"`{key}`")
    if kind != _ARRAY:
        raise CheckpointError(f"metadata type {kind} does not exist", path=cursor.path, field=key)
    element, count = cursor.number("I", f"`{key}`"), cursor.number("Q", f"`{key}`")
    if element == _STRING:
        cursor.fits(count, 8, f"texts of `{key}`")
        return cursor.texts(count, f"texts of `{key}`")
    if element not in _SCALARS:
        raise CheckpointError(f"an array of type {element} is not known", path=cursor.path, field=key)
    code = _SCALARS[element]
    cursor.fits(count, struct.calcsize(code), f"numbers of `{key}`")
    layout = f"<{count}{code}"
    return list(struct.unpack(layout, cursor.take(struct.calcsize(layout), f"`{key}`")))


class _Entry(NamedTuple):
    name: str
    type: BlockType
    shape: tuple[int, ...]
    offset: int


def _tensor_entry(cursor: _Cursor) -> _Entry:
    name = cursor.text("a tensor's name")
    if not name or len(name) > _MAX_NAME:
        raise CheckpointError(f"a tensor's name has {len(name):,} characters", path=cursor.path)
    if not name.isprintable():
        raise CheckpointError(f"a tensor's name is {quoted(name)}, which cannot be printed", path=cursor.path)
    num_dimensions = cursor.number("I", f"`{name}`")
    if not 1 <= num_dimensions <= _MAX_DIMENSIONS:
        raise CheckpointError(f"{num_dimensions} dimensions; 1 to 4 are possible", path=cursor.path, field=name)
    sizes = [cursor.number("Q", f"`{name}`") for _ in range(num_dimensions)]
    kind, offset = cursor.number("I", f"`{name}`"), cursor.number("Q", f"`{name}`")
    if kind not in BLOCK_TYPES:
        if kind not in _OTHER_TYPES:
            raise CheckpointError(f"tensor type {kind} does not exist", path=cursor.path, field=name)
        known = ", ".join(block.name for block in BLOCK_TYPES.values())
        raise UnsupportedModel(
            f"quantisation {_OTHER_TYPES[kind]} is not one we read; known: {known}", path=cursor.path, field=name
        )
    if min(sizes) < 1 or sizes[0] % BLOCK_TYPES[kind].size:
        raise CheckpointError(
            f"dimensions {sizes} do not fit blocks of {BLOCK_TYPES[kind].size}", path=cursor.path, field=name
        )
    return _Entry(name, BLOCK_TYPES[kind], tuple(reversed(sizes)), offset)


def _alignment(metadata: Mapping[str, Any], path: Path) -> int:
    alignment = metadata.get("general.alignment", 32)
    if not isinstance(alignment, int) or not 8 <= alignment <= 1 << 20 or alignment & (alignment - 1):
        raise CheckpointError(
            f"{quoted(alignment)} is not a power of two from 8 to 1,048,576", path=path, field="general.alignment"
        )
    return alignment


def _placed(cursor: _Cursor, entries: list[_Entry], alignment: int) -> dict[str, TensorPlace]:
    """Tensors with absolute places: aligned, inside the file, no two overlapping, no name twice."""
    base = -(-cursor.at // alignment) * alignment
    places: dict[str, TensorPlace] = {}
    end = base
    for entry in sorted(entries, key=lambda one: one.offset):
        num_bytes = math.prod(entry.shape) // entry.type.size * entry.type.num_bytes
        start = base + entry.offset
        problem = (
            "this tensor stands twice"
            if entry.name in places
            else f"offset {entry.offset:,} is not a multiple of {alignment}"
            if entry.offset % alignment
            else "it overlaps the tensor before it"
            if start < end
            else f"cut off: it ends at byte {start + num_bytes:,}, the file has {cursor.size:,}. {_AGAIN}"
            if start + num_bytes > cursor.size
            else None
        )
        if problem:
            raise CheckpointError(problem, path=cursor.path, field=entry.name)
        places[entry.name] = TensorPlace(entry.name, entry.type, entry.shape, start, num_bytes)
        end = start + num_bytes
    return places

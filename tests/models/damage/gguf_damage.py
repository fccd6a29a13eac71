"""Damage to GGUF files: a small valid file taken apart, one thing or several made wrong, and put together again.

In: a valid file and a random generator. Out: bytes of a damaged one. `Parts` is the file as its header says it;
structural damage edits the parts, so that everything around the one wrong thing still fits.
"""

from __future__ import annotations

import copy
import random
import struct
from collections.abc import Callable
from dataclasses import dataclass

EXTREME = [
    *(0, 1, 2, 3, 7, 31, 32, 33, 63, 64, 255, 256, 257, 1000, 1 << 15, 1 << 16, 1 << 20, (1 << 31) - 1, 1 << 31),
    *((1 << 32) - 1, 1 << 32, 1 << 40, 1 << 58, 1 << 61, (1 << 63) - 1, 1 << 63, (1 << 64) - 32, (1 << 64) - 1),
]
FLOATS = [0.0, -1.0, 1e-310, 1e-40, 1e30, 1e300, float("inf"), float("-inf"), float("nan"), 1.0000001, 0.5, 2.0]
TEXTS = ["", "x", "llama", "smollm3", "gpt2", "yarn", "linear", "\0", "{{", "{% for x in y %}", "é" * 50, "a b c"]
SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
STRING, ARRAY = 8, 9
# Keys that change what is computed, and that a converted file of the family often lacks.
OPTIONAL = [
    *("rope.scaling.type", "rope.scaling.factor", "rope.scaling.original_context_length", "rope.scaling.attn_factor"),
    *("rope.scaling.yarn_beta_fast", "rope.scaling.yarn_beta_slow", "attention.key_length", "rope.dimension_count"),
    *("expert_count", "attention.sliding_window", "logit_scale", "vocab_size"),
]


@dataclass
class Tensor:
    name: bytes
    sizes: list[int]
    kind: int
    offset: int


@dataclass
class Parts:
    """A file in pieces. `pairs` are (key, type, value as it stands in the file)."""

    version: int
    pairs: list[tuple[bytes, int, bytes]]
    tensors: list[Tensor]
    body: bytes

    def bytes(self) -> bytes:
        head = b"GGUF" + struct.pack("<IQQ", self.version, len(self.tensors), len(self.pairs))
        pairs = b"".join(text(key) + struct.pack("<I", kind) + value for key, kind, value in self.pairs)
        entries = b"".join(
            text(one.name) + struct.pack(f"<I{len(one.sizes)}QIQ", len(one.sizes), *one.sizes, one.kind, one.offset)
            for one in self.tensors
        )
        data = head + pairs + entries
        return data + b"\0" * (-len(data) % 32) + self.body


def text(value: bytes) -> bytes:
    return struct.pack("<Q", len(value)) + value


def take_apart(data: bytes) -> Parts:
    """The parts of a valid little-endian file with an alignment of 32."""
    version, num_tensors, num_pairs = struct.unpack_from("<IQQ", data, 4)
    at = 24

    def number(code: str) -> int:
        nonlocal at
        at += struct.calcsize(code)
        return int(struct.unpack_from("<" + code, data, at - struct.calcsize(code))[0])

    def word() -> bytes:
        nonlocal at
        length = number("Q")
        at += length
        return data[at - length : at]

    def value(kind: int) -> bytes:
        nonlocal at
        start = at
        if kind == STRING:
            word()
        elif kind == ARRAY:
            element = number("I")
            for _ in range(number("Q")):
                value(element)
        else:
            at += struct.calcsize(SCALARS[kind])
        return data[start:at]

    pairs = []
    for _ in range(num_pairs):
        key, kind = word(), number("I")
        pairs.append((key, kind, value(kind)))
    tensors = [
        Tensor(word(), [number("Q") for _ in range(number("I"))], number("I"), number("Q")) for _ in range(num_tensors)
    ]
    return Parts(version, pairs, tensors, data[at + -at % 32 :])


def damaged(rng: random.Random, whole: bytes) -> bytes:
    """The file with one to three things wrong."""
    data = whole
    if rng.random() < 0.6:
        parts = take_apart(whole)
        for _ in range(rng.choice([1, 1, 2])):
            rng.choice(STRUCTURAL)(rng, parts)
        data = parts.bytes()
        if rng.random() < 0.7:
            return data
    for _ in range(rng.choice([1, 1, 2, 3])):
        data = rng.choice(RAW)(rng, data)
    return data


def _place(rng: random.Random, data: bytes) -> int:
    """Anywhere, but mostly where the counts, names and offsets are."""
    if len(data) < 40:
        return rng.randrange(max(1, len(data)))
    return rng.randrange(rng.choice([32, min(len(data), 9000), len(data)]))


def _flip(rng: random.Random, data: bytes) -> bytes:
    changed = bytearray(data)
    for _ in range(rng.choice([1, 2, 8])):
        if changed:
            changed[_place(rng, data)] ^= 1 << rng.randrange(8)
    return bytes(changed)


def _cut(rng: random.Random, data: bytes) -> bytes:
    return data[: _place(rng, data)]


def _splice(rng: random.Random, data: bytes) -> bytes:
    at = _place(rng, data)
    number = rng.choice(EXTREME)
    new = struct.pack("<Q", number) if rng.random() < 0.5 else struct.pack("<I", number & 0xFFFFFFFF)
    return data[:at] + new + data[at + len(new) :]


def _remove_or_repeat(rng: random.Random, data: bytes) -> bytes:
    at, length = _place(rng, data), rng.choice([1, 4, 8, 32, 1000])
    if rng.random() < 0.5:
        return data[:at] + data[at + length :]
    return data[:at] + data[at : at + length] + data[at:]


def _text_over(rng: random.Random, data: bytes) -> bytes:
    at = _place(rng, data)
    new = rng.choice([b"\xff" * 16, b"\0" * 64, b"GGUF", b"A" * 300])
    return data[:at] + new + data[at + len(new) :]


RAW: list[Callable[[random.Random, bytes], bytes]] = [
    _flip,
    _flip,
    _cut,
    _splice,
    _splice,
    _remove_or_repeat,
    _text_over,
]


def _scalar(rng: random.Random, kind: int) -> bytes:
    code = SCALARS[kind]
    if code in "fd":
        number = rng.choice(FLOATS)
        return struct.pack("<" + code, 1e38 if code == "f" and 1e38 < abs(number) < float("inf") else number)
    if code == "?":
        return rng.choice([b"\0", b"\1", b"\7"])
    size = struct.calcsize(code)
    return (rng.choice(EXTREME) % (1 << 8 * size)).to_bytes(size, "little")


def _value(rng: random.Random, kind: int) -> bytes:
    if kind == STRING:
        return text(rng.choice(TEXTS).encode())
    if kind != ARRAY:
        return _scalar(rng, kind)
    element = rng.choice([STRING, ARRAY, *SCALARS])
    count = rng.choice([0, 1, 3])
    return struct.pack("<IQ", element, count) + b"".join(_value(rng, element) for _ in range(count))


def _change_value(rng: random.Random, parts: Parts) -> None:
    """Another value, half the time of another type. Arrays of the vocabulary are left to `_change_array`."""
    at = rng.choice([i for i, (_, kind, _) in enumerate(parts.pairs) if kind != ARRAY])
    key, kind, _ = parts.pairs[at]
    new = kind if rng.random() < 0.6 else rng.choice([STRING, ARRAY, *SCALARS])
    parts.pairs[at] = (key, new, _value(rng, new))


def _change_array(rng: random.Random, parts: Parts) -> None:
    arrays = [i for i, (_, kind, value) in enumerate(parts.pairs) if kind == ARRAY and len(value) >= 12]
    if not arrays:
        return
    at = rng.choice(arrays)
    key, kind, value = parts.pairs[at]
    element, count = struct.unpack_from("<IQ", value)
    what = rng.randrange(4)
    if what == 0:
        count = rng.choice([*EXTREME, count - 1, count + 1]) % (1 << 64)
    elif what == 1:
        element = rng.choice([STRING, ARRAY, 13, 255, *SCALARS])
    elif what == 2:
        parts.pairs[at] = (key, kind, _value(rng, ARRAY))
        return
    elif len(value) > 20:
        place = rng.randrange(12, len(value) - 8)
        new = struct.pack("<Q", rng.choice(EXTREME))
        value = value[:place] + new + value[place + 8 :]
    parts.pairs[at] = (key, kind, struct.pack("<IQ", element, count) + value[12:])


def _nest_arrays(rng: random.Random, parts: Parts) -> None:
    depth = rng.choice([1, 5, 1000, 20_000])
    parts.pairs.insert(rng.randrange(len(parts.pairs) + 1), (b"deep", ARRAY, struct.pack("<IQ", ARRAY, 1) * depth))


def _change_pairs(rng: random.Random, parts: Parts) -> None:
    at = rng.randrange(len(parts.pairs))
    what = rng.randrange(4)
    if what == 0:
        del parts.pairs[at]
    elif what == 1:
        parts.pairs.insert(at, copy.copy(parts.pairs[rng.randrange(len(parts.pairs))]))
    elif what == 2:
        key, kind, value = parts.pairs[at]
        parts.pairs[at] = (rng.choice([b"", b"\xff\xfe", key + b"x", key * 50]), kind, value)
    else:
        kind = rng.choice([*SCALARS, STRING])
        parts.pairs.append((b"general.alignment", kind, _value(rng, kind)))


def _add_option(rng: random.Random, parts: Parts) -> None:
    """An option of the architecture, of any type; with YaRN switched on, often."""
    prefix = next((value[8:] for key, _, value in parts.pairs if key == b"general.architecture"), b"llama") + b"."
    names = rng.sample(OPTIONAL, 3)
    if rng.random() < 0.6:
        names.append("rope.scaling.factor")
        parts.pairs.append((prefix + b"rope.scaling.type", STRING, text(b"yarn")))
    for name in dict.fromkeys(names):
        kind = rng.choice([4, 6, 6, 10, 12, STRING])
        parts.pairs.append((prefix + name.encode(), kind, _value(rng, kind)))


def _change_tensor(rng: random.Random, parts: Parts) -> None:
    one = rng.choice(parts.tensors)
    what = rng.randrange(6)
    if what == 0 and one.sizes:
        one.sizes[rng.randrange(len(one.sizes))] = rng.choice(EXTREME)
    elif what == 1:
        one.sizes = rng.choice([[], [1], one.sizes[::-1], [*one.sizes, 1], [1] * 5, [1 << 40, 1 << 40], [1 << 63, 2]])
    elif what == 2:
        one.kind = rng.choice([*range(45), 1 << 31])
    elif what == 3:
        other = rng.choice(parts.tensors).offset
        one.offset = rng.choice([*EXTREME, other, one.offset + 32, max(0, one.offset - 32)])
    elif what == 4:
        one.name = rng.choice([b"", b"\xff", b"x" * 5000, rng.choice(parts.tensors).name, one.name + b"x"])
    else:
        other = rng.choice(parts.tensors)
        one.name, other.name = other.name, one.name


def _change_tensors(rng: random.Random, parts: Parts) -> None:
    at = rng.randrange(len(parts.tensors))
    if rng.random() < 0.5 and len(parts.tensors) > 1:
        del parts.tensors[at]
    else:
        parts.tensors.insert(at, copy.deepcopy(rng.choice(parts.tensors)))


def _change_numbers(rng: random.Random, parts: Parts) -> None:
    """What the tensors hold: anything may stand there, and the file is well-formed all the same."""
    body = bytearray(parts.body)
    for _ in range(rng.choice([1, 10, 200])):
        if body:
            at = rng.randrange(len(body))
            new = rng.choice([b"\xff\xff", b"\x00\x7c", b"\x00\x7e", b"\xff\xff\x7f\x7f", b"\x00\x00\xc0\x7f", b"\0\0"])
            body[at : at + len(new)] = new
    parts.body = bytes(body[: len(parts.body)])


def _change_body(rng: random.Random, parts: Parts) -> None:
    parts.body = rng.choice([b"", parts.body[:-1], parts.body[: len(parts.body) // 2], parts.body + b"\0" * 5000])


STRUCTURAL: list[Callable[[random.Random, Parts], None]] = [
    *(_change_value, _change_value, _change_array, _change_array, _nest_arrays, _change_pairs, _add_option),
    *(_add_option, _change_tensor, _change_tensor, _change_tensors, _change_numbers, _change_body),
]

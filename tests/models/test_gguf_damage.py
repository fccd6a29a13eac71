"""GGUF files that are cut, mislabelled, flipped or hostile: a CheckpointError, never a crash or a huge buffer."""

from __future__ import annotations

import contextlib
import resource
import struct
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from seatrial.engine.model import Model
from seatrial.engine.request import SamplingParams
from seatrial.errors import CheckpointError, ContextTooLong, SeatrialError, UnsupportedModel
from seatrial.models.checkpoint import open_checkpoint
from seatrial.models.weights.gguf_header import read_header


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, tiny: Callable[..., Any]) -> bytes:
    path = tmp_path_factory.mktemp("gguf") / "model.gguf"
    return tiny(num_hidden_layers=1).write_gguf(path, "Q4_1").read_bytes()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("damaged") / "model.gguf"


def read(place: Path, data: bytes) -> None:
    place.write_bytes(data)
    open_checkpoint(place, now=datetime.now)


def run(place: Path, data: bytes) -> None:
    """Open, and where that works answer too: damaged numbers may spoil an answer, not the process."""
    place.write_bytes(data)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with contextlib.suppress(CheckpointError, ContextTooLong):
        Model.from_pretrained(place, dtype="float32", device="cpu").generate(
            "hello world", SamplingParams(max_tokens=3)
        )
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # KiB


def test_the_whole_file_is_fine(place: Path, whole: bytes) -> None:
    read(place, whole)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(share=st.floats(0, 1, exclude_max=True))
def test_truncated(place: Path, whole: bytes, share: float) -> None:
    with pytest.raises(CheckpointError):
        read(place, whole[: int(len(whole) * share)])


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_flipped_bits(place: Path, whole: bytes, data: st.DataObject) -> None:
    damaged = bytearray(whole)
    header = len(whole) // 2 if data.draw(st.booleans()) else 6_000
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, header))] ^= 1 << data.draw(st.integers(0, 7))
    run(place, bytes(damaged))


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_spliced_numbers(place: Path, whole: bytes, data: st.DataObject) -> None:
    """Any eight bytes of the header replaced by an extreme number."""
    at = data.draw(st.integers(4, 8_000))
    number = data.draw(st.sampled_from([0, 1, 255, 1 << 16, (1 << 31) - 1, 1 << 32, 1 << 40, (1 << 63), (1 << 64) - 1]))
    run(place, whole[:at] + struct.pack("<Q", number) + whole[at + 8 :])


@settings(max_examples=60, deadline=None)
@given(tail=st.binary(max_size=400))
def test_random_bytes_behind_the_magic_number(place: Path, tail: bytes) -> None:
    with pytest.raises(CheckpointError):
        read(place, b"GGUF" + struct.pack("<I", 3) + tail)


def text(value: str) -> bytes:
    return struct.pack("<Q", len(value)) + value.encode()


def entry(name: str, sizes: list[int], kind: int, offset: int) -> bytes:
    return text(name) + struct.pack(f"<I{len(sizes)}QIQ", len(sizes), *sizes, kind, offset)


def pair(key: str, kind: int, value: bytes) -> bytes:
    return text(key) + struct.pack("<I", kind) + value


def gguf_of(pairs: list[bytes], tensors: list[bytes], body: bytes = b"\0" * 4096, **counts: int) -> bytes:
    head = struct.pack("<IQQ", 3, counts.get("num_tensors", len(tensors)), counts.get("num_pairs", len(pairs)))
    data = b"GGUF" + head + b"".join(pairs) + b"".join(tensors)
    return data + b"\0" * (-len(data) % 32) + body


HUGE = (1 << 64) - 1
REFUSED: dict[str, tuple[bytes, type[Exception], str]] = {
    "not GGUF": (b"PK\x03\x04" + b"\0" * 64, CheckpointError, "does not begin with `GGUF`"),
    "empty": (b"", CheckpointError, "empty"),
    "version 1": (b"GGUF" + struct.pack("<I", 1) + b"\0" * 64, UnsupportedModel, "GGUF version 1"),
    "big-endian": (b"GGUF" + struct.pack(">I", 3) + b"\0" * 64, UnsupportedModel, "big-endian"),
    "more tensors than bytes": (gguf_of([], [], num_tensors=HUGE), CheckpointError, "cannot fit"),
    "more metadata than bytes": (gguf_of([], [], num_pairs=HUGE), CheckpointError, "cannot fit"),
    "a text of 16 exabytes": (gguf_of([struct.pack("<Q", HUGE)], []), CheckpointError, "cut off"),
    "an array of 16 exabytes": (
        gguf_of([pair("k", 9, struct.pack("<IQ", 12, HUGE))], []),
        CheckpointError,
        "cannot fit",
    ),
    "texts of 16 exabytes": (
        gguf_of([pair("k", 9, struct.pack("<IQ", 8, 1 << 61))], []),
        CheckpointError,
        "cannot fit",
    ),
    "an array of arrays": (gguf_of([pair("k", 9, struct.pack("<IQ", 9, 1))], []), CheckpointError, "array of type 9"),
    "metadata type 99": (gguf_of([pair("k", 99, b"")], []), CheckpointError, "type 99"),
    "a key twice": (gguf_of([pair("k", 0, b"1")] * 2, []), CheckpointError, "twice"),
    "not UTF-8": (gguf_of([struct.pack("<Q", 2) + b"\xff\xfe"], []), CheckpointError, "UTF-8"),
    "five dimensions": (gguf_of([], [entry("t", [32] * 5, 0, 0)]), CheckpointError, "5 dimensions"),
    "no dimensions": (gguf_of([], [entry("t", [], 0, 0)]), CheckpointError, "0 dimensions"),
    "a dimension of 0": (gguf_of([], [entry("t", [0], 0, 0)]), CheckpointError, "do not fit"),
    "sizes that overflow": (gguf_of([], [entry("t", [1 << 40, 1 << 40], 0, 0)]), CheckpointError, "cut off"),
    "rows that are no whole blocks": (gguf_of([], [entry("t", [33], 3, 0)]), CheckpointError, "blocks of 32"),
    "past the end": (gguf_of([], [entry("t", [32], 0, 1 << 20)]), CheckpointError, "cut off"),
    "an offset of 16 exabytes": (gguf_of([], [entry("t", [32], 0, HUGE - 31)]), CheckpointError, "cut off"),
    "not aligned": (gguf_of([], [entry("t", [32], 0, 4)]), CheckpointError, "multiple of 32"),
    "overlapping": (
        gguf_of([], [entry("a", [64], 0, 0), entry("b", [32], 0, 128)]),
        CheckpointError,
        r"b.*overlaps",
    ),
    "a tensor twice": (gguf_of([], [entry("a", [8], 0, 0), entry("a", [8], 0, 32)]), CheckpointError, "twice"),
    "alignment 0": (gguf_of([pair("general.alignment", 4, struct.pack("<I", 0))], []), CheckpointError, "power of two"),
    "an unsupported quantisation": (
        gguf_of([], [entry("t", [256], 23, 0)]),
        UnsupportedModel,
        r"t.*IQ4_XS.*known: F32, F16, Q4_0",
    ),
    "a type that does not exist": (gguf_of([], [entry("t", [32], 4, 0)]), CheckpointError, "type 4 does not exist"),
}


@pytest.mark.parametrize("case", list(REFUSED))
def test_refused_by_name(place: Path, case: str) -> None:
    data, error, reason = REFUSED[case]
    place.write_bytes(data)
    with pytest.raises(error, match=reason) as caught:
        read_header(place)
    assert str(place) in str(caught.value)


def test_header_that_is_right_but_no_model_we_know(place: Path) -> None:
    named = [pair("general.architecture", 8, text("mamba"))]
    with pytest.raises(UnsupportedModel, match=r"general.architecture.*`mamba`.*`llama`"):
        read(place, gguf_of(named, []))
    with pytest.raises(CheckpointError, match=r"general.architecture.*expected text"):
        read(place, gguf_of([], []))


def test_dimensions_that_contradict_the_metadata(tmp_path: Path, tiny: Callable[..., Any]) -> None:
    model = tiny()
    model.raw["intermediate_size"] = 128
    with pytest.raises(CheckpointError, match=r"blk.0.ffn_gate.weight.*\[96, 64\].*\[128, 64\]"):
        open_checkpoint(model.write_gguf(tmp_path / "model.gguf"), now=datetime.now)


def test_weights_that_are_not_numbers_fail_their_answer_alone(tmp_path: Path, tiny: Callable[..., Any]) -> None:
    model = tiny(tie_word_embeddings=False)
    model.tensors["model.embed_tokens.weight"][200] = float("nan")
    loaded = Model.from_pretrained(model.write_gguf(tmp_path / "model.gguf"), dtype="float32", device="cpu")
    good, bad = loaded.generate([5, 6], SamplingParams(max_tokens=2)), SamplingParams(max_tokens=2)
    with pytest.raises(SeatrialError, match="not numbers"):
        loaded.generate([5, 200], bad)
    loaded.engine.add(0, [5, 200], bad)
    loaded.engine.add(1, [5, 6], bad)
    gains = []
    while len(loaded.engine):
        gains += loaded.engine.step()
    assert [gain.finish for gain in gains if gain.key == 0] == ["failed"]
    assert [gain.token_id for gain in gains if gain.key == 1] == good.token_ids

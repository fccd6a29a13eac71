"""Which picture encoder a checkpoint gets, and random ones of true size."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from seatrial.engine.native_vision import NativeVision
from seatrial.engine.random_model import RandomTensors, checkpoint_of, eyes, random_checkpoint, shapes
from seatrial.engine.torch_vision import TorchVision
from seatrial.engine.vision import open_vision
from seatrial.errors import NotRunnable, UnknownName
from seatrial.kernels import cpu
from seatrial.models.checkpoint import Checkpoint, open_checkpoint
from seatrial.models.tensors import expected_shapes, vision_shapes


@pytest.fixture(scope="module")
def seeing(tiny_vision: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    folder: Path = tiny_vision().write_folder(tmp_path_factory.mktemp("eyes") / "model")
    return open_checkpoint(folder, now=datetime.now)


def test_a_model_of_text_alone_has_none(tiny: Callable[..., Any], tmp_path: Path) -> None:
    checkpoint = open_checkpoint(tiny().write_folder(tmp_path / "model"), now=datetime.now)
    assert checkpoint.vision is None
    assert open_vision(checkpoint, name="tiny") is None


@pytest.mark.parametrize("dtype", ["float32", "f16"])
def test_float_formats_are_the_plain_paths(seeing: Checkpoint, dtype: str) -> None:
    encoder = open_vision(seeing, dtype=dtype, device="cpu", name="tiny")
    assert isinstance(encoder, TorchVision)
    encoder.close()


def test_the_kernels_take_what_they_can(seeing: Checkpoint) -> None:
    encoder = open_vision(seeing, dtype="auto", device="cpu", threads=1, name="tiny")
    assert encoder is not None
    assert isinstance(encoder, TorchVision if cpu.why_absent() else NativeVision)
    encoder.close()


@pytest.mark.parametrize("dtype", ["auto", "int8", "int4", "bfloat16"])
def test_without_kernels_every_dtype_sees(seeing: Checkpoint, dtype: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rounded to 8 bits the encoder loses little, and bfloat16 about as much: the rows point where they did."""
    monkeypatch.setattr("seatrial.engine.native_vision.open_native_vision", lambda *_, **__: None)
    assert seeing.vision is not None
    tiles = np.random.default_rng(1).uniform(-1, 1, (2, 3, 32, 32)).astype(np.float32)
    encoder = open_vision(seeing, dtype=dtype, device="cpu", name="tiny")
    exact = open_vision(seeing, dtype="float32", device="cpu", name="tiny")
    assert isinstance(encoder, TorchVision)
    assert exact is not None
    rows, wanted = encoder.encode(tiles), exact.encode(tiles)
    assert rows.dtype == np.float32
    assert np.corrcoef(rows.ravel(), wanted.ravel())[0, 1] > 0.995


@pytest.mark.skipif(cpu.why_absent() is not None, reason="the native kernels are not built")
@pytest.mark.parametrize("level", cpu.levels())
@pytest.mark.parametrize("kind", ["Q4_0", "Q8_0"])
def test_a_file_in_blocks(kind: str, level: str, tiny_vision: Callable[..., Any], tmp_path: Path) -> None:
    """llama.cpp's pair on a disk: matrices in blocks of 4 or 8 bits, patches and places in floats."""
    tiny_vision().write_ggufs(tmp_path, kind)
    checkpoint = open_checkpoint(tmp_path, now=datetime.now)
    encoder = open_vision(checkpoint, dtype="auto", device="cpu", threads=1, level=level, name="tiny")
    exact = open_vision(checkpoint, dtype="float32", device="cpu", name="tiny")
    assert isinstance(encoder, NativeVision)
    assert exact is not None
    tiles = np.random.default_rng(1).uniform(-1, 1, (3, 3, 32, 32)).astype(np.float32)
    rows, wanted = encoder.encode(tiles), exact.encode(tiles)
    assert np.linalg.norm(rows - wanted) < 2e-2 * np.linalg.norm(wanted)


def test_what_cannot_be_had(seeing: Checkpoint) -> None:
    with pytest.raises(UnknownName):
        open_vision(seeing, dtype="int3", name="tiny")
    with pytest.raises(UnknownName):
        open_vision(seeing, device="tpu", name="tiny")


def test_too_little_memory_is_said(seeing: Checkpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seatrial.models.plain_dtype.free_bytes", lambda _: 1_000)
    with pytest.raises(NotRunnable, match=r"weights of `tiny` take .* GB"):
        open_vision(seeing, dtype="float32", device="cpu", name="tiny")
    monkeypatch.setattr("seatrial.engine.vision.free_bytes", lambda _: 1_000)
    with pytest.raises(NotRunnable, match=r"picture encoder of `tiny` takes .* GB"):
        open_vision(seeing, dtype="int8", device="cpu", name="tiny")


def test_true_sizes_hold_as_many_weights_as_their_names_say() -> None:
    text = {name: sum(map(math.prod, expected_shapes(shapes()[name]).values())) / 1e6 for name in eyes()}
    vision = {name: sum(map(math.prod, vision_shapes(config).values())) / 1e6 for name, config in eyes().items()}
    total = {name: text[name] + vision[name] for name in eyes()}
    assert total == {
        "smolvlm2-256m": pytest.approx(256, abs=1),
        "smolvlm2-500m": pytest.approx(507, abs=1),
        "smolvlm2-2.2b": pytest.approx(2_247, abs=1),
    }
    assert {name: config.tokens_per_tile for name, config in eyes().items()} == {
        "smolvlm2-256m": 64,
        "smolvlm2-500m": 64,
        "smolvlm2-2.2b": 81,
    }


def test_random_eyes_of_true_size() -> None:
    """Matrices of whole groups are stored in 8 bits, the 4,304 columns of the 2.2B's are none and are not."""
    parts = random_checkpoint("smolvlm2-2.2b", dtype="int4").vision
    assert parts is not None
    assert isinstance(parts.tensors, RandomTensors)
    at = "vision_model.encoder.layers.0."
    kinds = {name: parts.tensors.kind(f"{at}{name}.weight") for name in ("mlp.fc1", "mlp.fc2", "layer_norm1")}
    assert kinds == {"mlp.fc1": "Q8_0", "mlp.fc2": "F32", "layer_norm1": "F32"}
    assert parts.tensors.kind("vision_model.embeddings.patch_embedding.weight") == "F32"
    assert parts.tensors.kind("vision_model.embeddings.position_embedding.weight") == "F32"
    assert parts.tensors.kind("connector.proj.weight") == "Q8_0"
    queries = parts.tensors.numbers(f"{at}self_attn.q_proj.weight")
    assert queries.shape == (1152, 1152)
    assert queries.std() == pytest.approx(1152**-0.5, rel=0.05)
    biases = parts.tensors.numbers(f"{at}mlp.fc1.bias")
    assert 0.01 < biases.std() < 0.03


def test_the_marks_of_pictures_stand_where_they_were_published() -> None:
    checkpoint = checkpoint_of(
        shapes()["smolvlm2-256m"], name="x", dtype="int4", stored=None, seed=0, vision=eyes()["smolvlm2-256m"]
    )
    encode = checkpoint.tokenizer.encode
    assert encode("<image>") == [49_190]
    assert encode("<fake_token_around_image><row_1_col_1><row_6_col_6><global-img>") == [49_189, 49_153, 49_188, 49_152]
    assert encode("<end_of_utterance>") == [49_279]
    assert checkpoint.tokenizer.num_tokens == checkpoint.config.vocab_size == 49_280

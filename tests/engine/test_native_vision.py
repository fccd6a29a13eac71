"""The native picture encoder, packed from a checkpoint's eyes, against the plain one with the same weights."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import gguf
import numpy as np
import pytest
import torch

from seatrial.engine.native_vision import NativeVision, open_native_vision
from seatrial.errors import CheckpointError
from seatrial.kernels import cpu
from seatrial.kernels.cpu.vision import pack_padded
from seatrial.models.checkpoint import VisionParts
from seatrial.models.smolvlm2 import eyes
from seatrial.models.tensors import vision_shapes
from seatrial.models.vision_config import PictureRules, VideoRules, VisionConfig
from seatrial.models.weights.blocks import Blocks

pytestmark = pytest.mark.skipif(cpu.why_absent() is not None, reason="the native kernels are not built")
every_level = pytest.mark.parametrize("level", cpu.levels())
SMALL = VisionConfig(
    image_size=64, patch_size=16, hidden_size=128, intermediate_size=256, num_layers=2, num_heads=2, norm_eps=1e-6,
    scale_factor=2, text_hidden_size=96, image_token_id=0,
)  # fmt: skip
CONFIGS = {
    "as B/16: 16 patches, heads of 64": SMALL,
    "as SO400M: pixels at the edge that no patch takes, heads of 72, no size a multiple of 32": replace(
        SMALL, image_size=47, patch_size=5, hidden_size=144, intermediate_size=200, scale_factor=3, text_hidden_size=50
    ),
    "729 patches, as many as SO400M has": replace(
        SMALL, image_size=108, patch_size=4, hidden_size=48, intermediate_size=64, num_layers=1, num_heads=3,
        scale_factor=3,
    ),
}  # fmt: skip
# The largest relative error of rows, as a norm. bf16: keys and values are rounded to bfloat16, nothing else is. q8_0:
# inputs of every product are rounded to 8 bits by groups of 32.
TOLERANCES = {"bfloat16": 3e-3, "int8": 2e-2}


def numbers_of(config: VisionConfig, seed: int = 0) -> dict[str, np.ndarray]:
    """Matrices that keep the size of what they multiply, norms around one, biases that matter."""
    rng, numbers = np.random.default_rng(seed), {}
    for name, shape in vision_shapes(config).items():
        drawn = rng.standard_normal(shape)
        if "norm" in name:
            drawn = 1 + drawn / 4 if name.endswith("weight") else drawn / 4
        elif len(shape) > 1 and "position" not in name:
            drawn *= np.prod(shape[1:]) ** -0.5 * (2 if "q_proj" in name or "k_proj" in name else 1)
        numbers[name] = drawn.astype(np.float32)
    return numbers


def parts_of(config: VisionConfig, tensors: Mapping[str, Any]) -> VisionParts:
    edge = config.image_size
    half = (0.5, 0.5, 0.5)
    return VisionParts(config, PictureRules(4 * edge, edge, True, half, half, VideoRules(1.0, 64, edge)), tensors)


def as_torch(numbers: Mapping[str, np.ndarray]) -> dict[str, torch.Tensor]:
    return {name: torch.from_numpy(array) for name, array in numbers.items()}


def opened(config: VisionConfig, tensors: Mapping[str, Any], dtype: str, **more: Any) -> NativeVision:
    encoder = open_native_vision(parts_of(config, tensors), dtype=dtype, **{"threads": 1} | more)
    assert encoder is not None
    return encoder


def rounded(numbers: Mapping[str, np.ndarray], format: str) -> dict[str, torch.Tensor]:
    """The numbers that the packed matrices stand for."""
    found = {}
    for name, array in numbers.items():
        if array.ndim > 1 and "position" not in name:
            flat = array.reshape(len(array), -1)
            back = cpu.dequantise(pack_padded([("F32", flat)], flat.shape[1], format))
            array = np.ascontiguousarray(back[:, : flat.shape[1]]).reshape(array.shape)
        found[name] = torch.from_numpy(array)
    return found


def plain_rows(config: VisionConfig, tensors: Mapping[str, torch.Tensor], tiles: np.ndarray) -> np.ndarray:
    return eyes(config, tensors, dtype=torch.float32, device=torch.device("cpu"))(torch.from_numpy(tiles)).numpy()


def tiles_of(config: VisionConfig, count: int, seed: int = 1) -> np.ndarray:
    """Pixels from -1 to 1 with some order in them."""
    rng, edge = np.random.default_rng(seed), config.image_size
    coarse = rng.uniform(-1, 1, (count, 3, 8, 8)).repeat(-(-edge // 8), 2).repeat(-(-edge // 8), 3)
    fine = rng.uniform(-1, 1, (count, 3, edge, edge))
    return np.clip(0.8 * coarse[:, :, :edge, :edge] + 0.2 * fine, -1, 1).astype(np.float32)


def relative_error(found: np.ndarray, expected: np.ndarray) -> float:
    return float(np.linalg.norm(found - expected) / np.linalg.norm(expected))


@every_level
@pytest.mark.parametrize("dtype", TOLERANCES)
@pytest.mark.parametrize("name", CONFIGS)
def test_rows_are_those_of_the_plain_encoder(name: str, dtype: str, level: str) -> None:
    config = CONFIGS[name]
    numbers, tiles = numbers_of(config), tiles_of(config, 2)
    expected = plain_rows(config, rounded(numbers, {"bfloat16": "bf16", "int8": "q8_0"}[dtype]), tiles)
    found = opened(config, as_torch(numbers), dtype, level=level).encode(tiles)
    assert found.shape == (2, config.tokens_per_tile, config.text_hidden_size)
    assert relative_error(found, expected) < TOLERANCES[dtype]
    assert relative_error(found[::-1], expected) > 0.1


@every_level
@pytest.mark.parametrize("name", CONFIGS)
def test_a_tile_has_the_same_bits_in_any_batch_and_on_any_threads(name: str, level: str) -> None:
    config = CONFIGS[name]
    tensors, tiles = as_torch(numbers_of(config)), tiles_of(config, 5)
    alone = opened(config, tensors, "int8", level=level)
    expected = np.concatenate([alone.encode(tiles[at : at + 1]) for at in range(5)])
    for threads in (1, 2, 3):
        together = opened(config, tensors, "int8", level=level, threads=threads)
        np.testing.assert_array_equal(together.encode(tiles), expected)
        np.testing.assert_array_equal(together.encode(tiles[2:4]), expected[2:4])


@every_level
def test_a_damaged_pixel_spoils_its_own_tile_alone(level: str) -> None:
    encoder, tiles = opened(SMALL, as_torch(numbers_of(SMALL)), "bfloat16", level=level), tiles_of(SMALL, 3)
    expected = encoder.encode(tiles)
    tiles[1, 2, 40, 7] = np.nan
    found = encoder.encode(tiles)
    assert np.isnan(found[1]).all()
    np.testing.assert_array_equal(found[[0, 2]], expected[[0, 2]])


def test_tiles_need_not_lie_in_order_in_memory() -> None:
    encoder, tiles = opened(SMALL, as_torch(numbers_of(SMALL)), "int8"), tiles_of(SMALL, 2)
    other = np.ascontiguousarray(tiles.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
    np.testing.assert_array_equal(encoder.encode(other), encoder.encode(tiles))


class Stored(Mapping[str, torch.Tensor]):
    """Tensors as a GGUF file holds them: matrices as Q8_0 where their rows divide into blocks, F16 elsewhere."""

    def __init__(self, numbers: Mapping[str, np.ndarray]) -> None:
        self.stored = {name: self._store(array) for name, array in numbers.items()}
        self.shapes = {name: array.shape for name, array in numbers.items()}
        self.released: set[str] = set()

    @staticmethod
    def _store(array: np.ndarray) -> Blocks:
        flat = array.reshape(len(array), -1)
        kind = "F32" if array.ndim == 1 else "Q8_0" if flat.shape[1] % 32 == 0 else "F16"
        return Blocks(kind, gguf.quants.quantize(flat, gguf.GGMLQuantizationType[kind]).view(np.uint8))

    def kind(self, name: str) -> str:
        return self.stored[name].kind

    def blocks(self, name: str) -> Blocks:
        return self.stored[name]

    def numbers(self, name: str) -> np.ndarray:
        kind, raw = self.stored[name]
        dtype = {"F32": np.float32, "F16": np.float16}.get(kind)
        found = raw.view(dtype) if dtype else gguf.quants.dequantize(raw, gguf.GGMLQuantizationType.Q8_0)
        return found.astype(np.float32).reshape(self.shapes[name])

    def release(self, name: str) -> None:
        self.released.add(name)

    def __getitem__(self, name: str) -> torch.Tensor:
        return torch.from_numpy(self.numbers(name))

    def __iter__(self) -> Iterator[str]:
        return iter(self.stored)

    def __len__(self) -> int:
        return len(self.stored)


@pytest.mark.parametrize("name", list(CONFIGS)[:2])
@pytest.mark.parametrize("dtype", ["auto", "int4", "int8", "bfloat16"])
def test_blocks_of_a_file_go_in_as_they_are(name: str, dtype: str) -> None:
    config = CONFIGS[name]
    stored, tiles = Stored(numbers_of(config)), tiles_of(config, 2)
    found = opened(config, stored, dtype).encode(tiles)
    assert relative_error(found, plain_rows(config, stored, tiles)) < TOLERANCES["int8"]
    assert {name for name in stored if stored.kind(name) != "F32" and "position" not in name} <= stored.released


def test_other_dtypes_are_left_to_pytorch() -> None:
    parts = parts_of(SMALL, as_torch(numbers_of(SMALL)))
    assert open_native_vision(parts, dtype="float32", threads=1) is None
    assert open_native_vision(parts, dtype="float16", threads=1) is None


def test_without_kernels_it_is_left_to_pytorch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cpu, "why_absent", lambda: "The native kernels are not built (no compiler).")
    assert open_native_vision(parts_of(SMALL, as_torch(numbers_of(SMALL))), dtype="auto", threads=1) is None


def test_weights_that_are_no_numbers_are_refused_by_name() -> None:
    tensors = as_torch(numbers_of(SMALL))
    tensors["vision_model.encoder.layers.1.mlp.fc2.weight"][3, 5] = torch.nan
    with pytest.raises(CheckpointError, match=r"layers\.1\.mlp\.fc2\.weight.*not finite"):
        open_native_vision(parts_of(SMALL, tensors), dtype="auto", threads=2)


def test_one_call_at_a_time() -> None:
    encoder, tiles = opened(SMALL, as_torch(numbers_of(SMALL)), "int8"), tiles_of(SMALL, 300)
    said: list[str] = []

    def encode() -> None:
        try:
            encoder.encode(tiles)
        except RuntimeError as error:
            said.append(str(error))

    threads = [threading.Thread(target=encode) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all("another thread" in text for text in said)
    assert encoder.encode(tiles[:1]).shape == (1, 4, 96)

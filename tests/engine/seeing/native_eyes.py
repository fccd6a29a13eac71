"""Random eyes for the native picture encoder: their weights, tiles for them, the plain encoder's rows, and how near the
kernels have to come.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import gguf
import numpy as np
import torch

from seatrial.engine.native_vision import NativeVision, open_native_vision
from seatrial.kernels import cpu
from seatrial.kernels.cpu.vision import pack_padded
from seatrial.models.checkpoint import VisionParts
from seatrial.models.smolvlm2 import eyes
from seatrial.models.tensors import vision_shapes
from seatrial.models.vision_config import PictureRules, VideoRules, VisionConfig
from seatrial.models.weights.blocks import Blocks

Numbers = dict[str, np.ndarray]

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
DTYPES = ("bfloat16", "int8")
FORMATS = {"bfloat16": "bf16", "int8": "q8_0"}

# The largest relative error of rows, as a norm, against float32 with the same weights. With products of bytes, inputs
# are rounded to 8 bits by groups of 32; keys and values are rounded to bfloat16.
_COARSE = {"bfloat16": 3e-3, "int8": 2e-2}
# AMX multiplies inputs and weights, queries and keys in bfloat16, AVX2 in whole numbers of 16 bits.
_FINE = {"amx": {"bfloat16": 5e-3, "int8": 7e-3}, "avx2": {"bfloat16": 2e-4, "int8": 2e-4}}


def tolerance(level: str, dtype: str) -> float:
    """The largest relative error of rows on a level, with weights of a dtype."""
    return _FINE.get(level, _COARSE)[dtype]


def relative_error(found: np.ndarray, expected: np.ndarray) -> float:
    """The norm of the difference over the norm of what was expected."""
    return float(np.linalg.norm(found - expected) / np.linalg.norm(expected))


def numbers_of(config: VisionConfig, seed: int = 0) -> Numbers:
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


def as_torch(numbers: Mapping[str, np.ndarray]) -> dict[str, torch.Tensor]:
    return {name: torch.from_numpy(array) for name, array in numbers.items()}


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


def parts_of(config: VisionConfig, tensors: Mapping[str, Any]) -> VisionParts:
    edge = config.image_size
    half = (0.5, 0.5, 0.5)
    return VisionParts(config, PictureRules(4 * edge, edge, True, half, half, VideoRules(1.0, 64, edge)), tensors)


def opened(config: VisionConfig, tensors: Mapping[str, Any], dtype: str, **more: Any) -> NativeVision:
    encoder = open_native_vision(parts_of(config, tensors), dtype=dtype, **{"threads": 1} | more)
    assert encoder is not None
    return encoder


def plain_rows(config: VisionConfig, tensors: Mapping[str, torch.Tensor], tiles: np.ndarray) -> np.ndarray:
    return eyes(config, tensors, dtype=torch.float32, device=torch.device("cpu"))(torch.from_numpy(tiles)).numpy()


def tiles_for(config: VisionConfig, count: int, seed: int = 1) -> np.ndarray:
    """Pixels from -1 to 1 with some order in them."""
    rng, edge = np.random.default_rng(seed), config.image_size
    coarse = rng.uniform(-1, 1, (count, 3, 8, 8)).repeat(-(-edge // 8), 2).repeat(-(-edge // 8), 3)
    fine = rng.uniform(-1, 1, (count, 3, edge, edge))
    return np.clip(0.8 * coarse[:, :, :edge, :edge] + 0.2 * fine, -1, 1).astype(np.float32)


class Stored(Mapping[str, torch.Tensor]):
    """Tensors as a GGUF file holds them: vectors as F32, matrices whose rows are no whole blocks as F16.

    Other matrices are of the kind of whichever word of `kinds` their name holds, or Q8_0.
    """

    def __init__(self, numbers: Mapping[str, np.ndarray], kinds: Mapping[str, str] | None = None) -> None:
        self.stored = {name: self._store(name, array, kinds or {}) for name, array in numbers.items()}
        self.shapes = {name: array.shape for name, array in numbers.items()}
        self.released: set[str] = set()

    @staticmethod
    def _store(name: str, array: np.ndarray, kinds: Mapping[str, str]) -> Blocks:
        flat = array.reshape(len(array), -1)
        kind = next((kind for word, kind in kinds.items() if word in name), "Q8_0")
        kind = "F32" if array.ndim == 1 else kind if flat.shape[1] % 32 == 0 else "F16"
        return Blocks(kind, gguf.quants.quantize(flat, gguf.GGMLQuantizationType[kind]).view(np.uint8))

    def kind(self, name: str) -> str:
        return self.stored[name].kind

    def blocks(self, name: str) -> Blocks:
        return self.stored[name]

    def numbers(self, name: str) -> np.ndarray:
        kind, raw = self.stored[name]
        dtype = {"F32": np.float32, "F16": np.float16}.get(kind)
        found = raw.view(dtype) if dtype else gguf.quants.dequantize(raw, gguf.GGMLQuantizationType[kind])
        return found.astype(np.float32).reshape(self.shapes[name])

    def release(self, name: str) -> None:
        self.released.add(name)

    def __getitem__(self, name: str) -> torch.Tensor:
        return torch.from_numpy(self.numbers(name))

    def __iter__(self) -> Iterator[str]:
        return iter(self.stored)

    def __len__(self) -> int:
        return len(self.stored)

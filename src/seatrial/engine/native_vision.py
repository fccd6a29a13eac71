"""The picture encoder of our own CPU kernels: packed weights, and one native call for a batch of tiles.

In: the eyes of an open checkpoint and the dtype that was asked for. Out: a `NativeVision`, or None where plain PyTorch
must do. As for the decoder (`models.precision`), `auto` keeps weights as they are stored, `int8` and `int4` round them
to 8 bits, `bfloat16` to bfloat16. Blocks of a GGUF file go in as they are; of rows that do not divide into blocks of
32, such as SO400M's 4,304 numbers, numbers are read and the kernels' rows padded with zeros.

Shape suffixes: N tiles, C colours, H and W pixels, P rows of a tile, D hidden size of the decoder, E of the encoder,
Q patches of a tile, R rows and K columns of a matrix.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from seatrial.errors import NotRunnable
from seatrial.kernels import cpu
from seatrial.kernels.cpu.vision import Affine, Norm, VisionLayer, VisionTower, pack_padded
from seatrial.models.precision import NATIVE_DTYPES, choose_format
from seatrial.models.tensors import PROJECTION
from seatrial.models.vision_config import VisionConfig
from seatrial.models.weights.packed import Quantised, numbers, taken

if TYPE_CHECKING:
    from seatrial.models.checkpoint import VisionParts

_log = logging.getLogger(__name__)
_LARGEST_HEAD = 1024
# Threads beyond these wait for memory, and hold one matrix more each.
_MOST_THREADS = 4
_EMBEDDINGS = "vision_model.embeddings."
_LAYERS = "vision_model.encoder.layers."
_LAST_NORM = "vision_model.post_layernorm"

Floats = NDArray[np.float32]


class NativeVision:
    """See `VisionEncoder`. Holds the native tower, which holds the weights."""

    def __init__(self, config: VisionConfig, tower: VisionTower) -> None:
        self._config, self._tower = config, tower

    @property
    def config(self) -> VisionConfig:
        """See `VisionEncoder`."""
        return self._config

    @property
    def level(self) -> str:
        """The level it computes on."""
        return self._tower.level

    @property
    def seconds(self) -> dict[str, float]:
        """What the last call's time went to, seconds by kind of work; see `VisionTower`."""
        return self._tower.seconds

    def encode(self, tiles_NCHW: Floats) -> Floats:
        """See `VisionEncoder`."""
        return self._tower.encode(np.ascontiguousarray(tiles_NCHW, np.float32))

    def close(self) -> None:
        """See `VisionEncoder`."""
        self._tower.close()


def open_native_vision(
    parts: VisionParts, *, dtype: str, threads: int, level: str | None = None
) -> NativeVision | None:
    """Pack the encoder's weights for the kernels of `level` (None: the best of this machine), or None if they cannot.

    `dtype` is a full name of `models.precision`; only NATIVE_DTYPES are for the kernels.

    Raises UsageError (a level that is not here), NotRunnable (no memory), CheckpointError (numbers that are none).
    """
    reason = _why_not(parts.config, dtype)
    if reason is not None:
        _log.info("The native picture encoder cannot be used: %s", reason)
        return None
    try:
        tower = _tower(parts, dtype, threads, level)
    except MemoryError as error:
        raise NotRunnable(
            f"The picture encoder's {parts.num_weights / 1e6:,.0f} million weights do not fit into memory.",
            "Close other programs, or ask for dtype `int8`.",
        ) from error
    return NativeVision(parts.config, tower)


def _why_not(config: VisionConfig, dtype: str) -> str | None:
    if dtype not in NATIVE_DTYPES:
        return f"`{dtype}` is computed by PyTorch"
    if config.head_dim > _LARGEST_HEAD:
        return f"its heads have {config.head_dim:,} numbers; the kernels take at most {_LARGEST_HEAD:,}"
    return cpu.why_absent()


class _Matrix(NamedTuple):
    """A matrix of the kernels: the tensors that are stacked in it, and its columns before padding."""

    parts: tuple[str, ...]
    columns: int


def _tower(parts: VisionParts, dtype: str, threads: int, level: str | None) -> VisionTower:
    config, tensors = parts.config, parts.tensors
    wanted = dict(_matrices(config))
    with ThreadPoolExecutor(min(threads, _MOST_THREADS)) as pool:
        packed = dict(zip(wanted, pool.map(lambda matrix: _pack(tensors, matrix, dtype), wanted.values()), strict=True))

    def affine(name: str) -> Affine:
        biases = [numbers(tensors, f"{part.removesuffix('.weight')}.bias") for part in wanted[name].parts]
        return Affine(packed[name], np.concatenate(biases))

    def norm(name: str) -> Norm:
        return Norm(numbers(tensors, f"{name}.weight"), numbers(tensors, f"{name}.bias"))

    layers = [
        VisionLayer(
            attention_norm=norm(f"{_LAYERS}{layer}.layer_norm1"),
            qkv=affine(f"{layer}.qkv"),
            output=affine(f"{layer}.output"),
            mlp_norm=norm(f"{_LAYERS}{layer}.layer_norm2"),
            up=affine(f"{layer}.up"),
            down=affine(f"{layer}.down"),
        )
        for layer in range(config.num_layers)
    ]
    places_QE = numbers(tensors, f"{_EMBEDDINGS}position_embedding.weight")
    return VisionTower(
        config,
        patch=affine("patch"),
        places=places_QE,
        layers=layers,
        norm=norm(_LAST_NORM),
        projection=packed["projection"],
        threads=threads,
        level=level,
    )


def _matrices(config: VisionConfig) -> Iterator[tuple[str, _Matrix]]:
    """Every matrix by a name of our own. The projection, the largest, comes first."""
    hidden = config.hidden_size
    yield "projection", _Matrix((PROJECTION,), hidden * config.scale_factor**2)
    yield "patch", _Matrix((f"{_EMBEDDINGS}patch_embedding.weight",), 3 * config.patch_size**2)
    for layer in range(config.num_layers):
        at = f"{_LAYERS}{layer}."
        yield f"{layer}.qkv", _Matrix(tuple(f"{at}self_attn.{part}_proj.weight" for part in "qkv"), hidden)
        yield f"{layer}.output", _Matrix((f"{at}self_attn.out_proj.weight",), hidden)
        yield f"{layer}.up", _Matrix((f"{at}mlp.fc1.weight",), hidden)
        yield f"{layer}.down", _Matrix((f"{at}mlp.fc2.weight",), config.intermediate_size)


def _pack(tensors: Mapping[str, Any], matrix: _Matrix, dtype: str) -> cpu.PackedWeight:
    """The narrowest format is of 8 bits: whoever asks for `int4` means the decoder."""
    stored = [tensors.kind(name) if isinstance(tensors, Quantised) else "F32" for name in matrix.parts]
    to = choose_format(stored, dtype, outer=True)
    with taken(tensors, matrix.parts, matrix.columns, to) as parts:
        return pack_padded(parts, matrix.columns, to)

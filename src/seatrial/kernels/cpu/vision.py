"""The native picture encoder, as Python sees it: SigLIP, pixel shuffle and connector in one call for a batch of tiles.

In: packed weights, then normalised tiles in float32. Out: rows for the decoder in float32. Matrices are packed with
their columns padded with zeros to a multiple of 32 (`pack_padded`).

Shape suffixes: N tiles, C colours, H and W pixels, P rows of a tile, D hidden size of the decoder, E of the encoder,
F its inner size, Q patches of a tile, K columns of a matrix, R its rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from seatrial.errors import NotRunnable, UsageError
from seatrial.kernels import cpu
from seatrial.kernels.cpu import Float32, PackedWeight

try:
    import seatrial.kernels.cpu._native as _native
except ImportError:  # `cpu.why_absent` says why
    _native = None  # type: ignore[assignment]

_GROUP = 32
# As `Work` in `native/vision.h`.
_WORKS = ("products", "attention", "norms", "gelu", "moves")


class VisionShape(Protocol):
    """What the encoder asks of a configuration: sizes, edges in pixels; see `models.vision_config`."""

    @property
    def image_size(self) -> int: ...  # noqa: D102
    @property
    def patch_size(self) -> int: ...  # noqa: D102
    @property
    def hidden_size(self) -> int: ...  # noqa: D102
    @property
    def intermediate_size(self) -> int: ...  # noqa: D102
    @property
    def num_heads(self) -> int: ...  # noqa: D102
    @property
    def norm_eps(self) -> float: ...  # noqa: D102
    @property
    def scale_factor(self) -> int: ...  # noqa: D102
    @property
    def text_hidden_size(self) -> int: ...  # noqa: D102


class Norm(NamedTuple):
    """A layer norm: float32 [E] each."""

    weight: Float32
    bias: Float32


class Affine(NamedTuple):
    """A packed matrix and what is added to its rows, float32 [R]."""

    weight: PackedWeight
    bias: Float32


class VisionLayer(NamedTuple):
    """One layer. `qkv` stacks queries, keys and values."""

    attention_norm: Norm
    qkv: Affine
    output: Affine
    mlp_norm: Norm
    up: Affine
    down: Affine


def pack_padded(
    parts: Sequence[tuple[str, NDArray[np.uint8] | NDArray[np.float32]]], columns: int, format: str
) -> PackedWeight:
    """As `pack`, for a matrix of any number of columns: parts of kind "F32" are padded with zeros to a multiple of 32.

    Raises ValueError as `pack`, also for blocks whose columns are no such multiple: those cannot be.
    """
    padded = -(-columns // _GROUP) * _GROUP
    return cpu.pack([(kind, _widened(array, columns, padded, kind)) for kind, array in parts], padded, format)


class VisionTower:
    """The whole encoder and the connector; one call computes a batch. Not for two threads at once.

    `patch` has columns in the order colour, row, column; `places` [Q, E] holds what each patch's place adds, the
    patch embedding's bias not included. `level` None is the machine's best.

    Raises ValueError where the parts do not fit together, UsageError for a level that is not to be had, NotRunnable
    where no extension was built.
    """

    def __init__(
        self,
        shape: VisionShape,
        *,
        patch: Affine,
        places: Float32,
        layers: Sequence[VisionLayer],
        norm: Norm,
        projection: PackedWeight,
        threads: int,
        level: str | None = None,
    ) -> None:
        resolved = _level(level)
        sizes = (
            shape.image_size,
            shape.patch_size,
            shape.hidden_size,
            shape.intermediate_size,
            shape.num_heads,
            shape.scale_factor,
            shape.text_hidden_size,
        )
        self._native = _native.VisionTower(
            sizes=sizes,
            eps=shape.norm_eps,
            patch=patch,
            places=np.ascontiguousarray(places, np.float32),
            layers=layers,
            norm=norm,
            projection=projection,
            threads=threads,
            level=resolved,
        )

    @property
    def level(self) -> str:
        """The level it computes on."""
        return self._native.level

    @property
    def threads(self) -> int:
        """Threads that compute, the caller's included."""
        return self._native.threads

    @property
    def seconds(self) -> dict[str, float]:
        """What the last call's time went to, seconds by kind of work: products, attention, norms, gelu, moves."""
        return dict(zip(_WORKS, self._native.seconds, strict=True))

    def encode(self, tiles_NCHW: Float32) -> Float32:
        """Rows of normalised tiles, [N, P, D]; a tile's are the same bits in any batch and on any number of threads.

        Other Python threads run meanwhile. Raises ValueError for tiles of another size, RuntimeError when closed, when
        another thread is in here, or in a process forked after the tower was made.
        """
        return self._native.encode(tiles_NCHW)

    def close(self) -> None:
        """Give the memory back and end the threads."""
        self._native.close()


def _widened(
    array: NDArray[np.uint8] | NDArray[np.float32], columns: int, padded: int, kind: str
) -> NDArray[np.uint8] | NDArray[np.float32]:
    if kind != "F32" or columns == padded:
        return array
    wide_RK = np.zeros((len(array), padded), np.float32)
    wide_RK[:, :columns] = array
    return wide_RK


def layer_norm(level: str, x: Float32, weight: Float32, bias: Float32, eps: float) -> Float32:
    """weight * (x - mean) / sqrt(variance + eps) + bias of one row."""
    return _native.layer_norm(_level(level), x, weight, bias, eps)


def gelu(level: str, x: Float32, bias: Float32) -> Float32:
    """gelu(x + bias) of one row, in the form with tanh."""
    return _native.gelu(_level(level), x, bias)


def _level(name: str | None) -> str:
    reason = cpu.why_absent()
    if reason is not None:
        raise NotRunnable(reason, "Pictures are then encoded with PyTorch.")
    try:
        return _native.resolve_level(name or "")
    except ValueError as error:
        raise UsageError(str(error)) from error

"""The native CPU decoder and its kernels, as Python sees them.

In: packed weights, then steps of tokens as int32 arrays. Out: scores or hidden states in float32. The machine's levels
(instruction sets) are found at run time; `level=None` is the best. Where the extension was not built, `levels()` is
empty, `why_absent()` says why, and everything else raises NotRunnable.

Shape suffixes: T tokens, S sequences, B blocks of the longest of them, R rows wanted, V vocabulary, D hidden size,
G groups of 32 columns, N rows of a weight, K its columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from seatrial.errors import NotRunnable, UsageError

_reason: str | None = None
try:
    import seatrial.kernels.cpu._native as _native
    from seatrial.kernels.cpu._native import LayerStore, PackedWeight
except ImportError as error:
    _reason = str(error)
    LayerStore = PackedWeight = None  # type: ignore[assignment,misc]

__all__ = [
    "Decoder",
    "DecoderShape",
    "LayerStore",
    "LayerWeights",
    "PackedWeight",
    "attention_store",
    "dequantise",
    "levels",
    "matmul",
    "pack",
    "packed_bytes",
    "quantise",
    "read_bandwidth",
    "rms_norm",
    "rope",
    "silu_mul",
    "why_absent",
]

Float32 = NDArray[np.float32]
Int32 = NDArray[np.int32]
_WAY_OUT = (
    "Install a C++17 compiler and Python's headers (Debian: apt install g++ python3-dev), then Seatrial again; "
    "until then it computes with PyTorch."
)


class LayerWeights(NamedTuple):
    """One layer: norms as float32 arrays, matrices packed. `qkv` stacks queries, keys, values; `gate_up` both."""

    attention_norm: Float32
    qkv: PackedWeight
    output: PackedWeight
    mlp_norm: Float32
    gate_up: PackedWeight
    down: PackedWeight


class DecoderShape(Protocol):
    """What the decoder reads of a model's configuration."""

    @property
    def vocab_size(self) -> int: ...  # noqa: D102 - named as in `ModelConfig`
    @property
    def hidden_size(self) -> int: ...  # noqa: D102
    @property
    def intermediate_size(self) -> int: ...  # noqa: D102
    @property
    def num_heads(self) -> int: ...  # noqa: D102
    @property
    def num_kv_heads(self) -> int: ...  # noqa: D102
    @property
    def head_dim(self) -> int: ...  # noqa: D102
    @property
    def norm_eps(self) -> float: ...  # noqa: D102
    @property
    def rope_layers(self) -> tuple[bool, ...]: ...  # noqa: D102


def levels() -> tuple[str, ...]:
    """The levels this machine runs, best first; none where no extension was built."""
    return () if _reason is not None else tuple(_native.levels())


def why_absent() -> str | None:
    """Why there are no native kernels, with the way out; None where they are there."""
    return None if _reason is None else f"The native kernels are not built ({_reason}). {_WAY_OUT}"


def pack(
    parts: Sequence[tuple[str, NDArray[np.uint8] | NDArray[np.float32]]], columns: int, format: str
) -> PackedWeight:
    """Pack a matrix whose rows are the parts' rows, one part after another.

    A part is (kind, array). Kinds "Q4_0", "Q4_1", "Q8_0": GGUF blocks as uint8 [rows, bytes of a row], which go as
    they are into the `format` of the same name. Kind "F32": float32 [rows, columns], rounded to nearest into `format`
    ("q4_0", "q4_1", "q8_0" or "bf16"; block formats as in ggml's specification, scales in half). A group with a value
    that is no number gets a scale that is none.

    Raises ValueError where `columns` is no multiple of 32, or parts do not fit `columns` or `format`.
    """
    _expect_built()
    return _native.pack(parts, columns, format)


def dequantise(weight: PackedWeight) -> Float32:
    """The numbers a packed matrix stands for, [rows, columns]."""
    _expect_built()
    return _native.dequantise(weight)


def packed_bytes(weight: PackedWeight) -> NDArray[np.uint8]:
    """The matrix as it lies in memory, [panels of 16 rows, groups of 32 columns, bytes of a group], read-only."""
    _expect_built()
    return _native.packed_bytes(weight)


class Decoder:
    """The whole model over a paged KV cache; one call computes one step. Not for two threads at once.

    `frequencies` are the angles per position, [head_dim / 2]; `rope_scale` multiplies cosines and sines. `embedding`
    may be `output` itself (tied). `level` None is the machine's best.

    Raises ValueError where the parts do not fit together, UsageError for a level that is not to be had, NotRunnable
    where no extension was built.
    """

    def __init__(
        self,
        config: DecoderShape,
        *,
        embedding: PackedWeight,
        layers: Sequence[LayerWeights],
        norm: Float32,
        output: PackedWeight,
        frequencies: Float32,
        rope_scale: float,
        threads: int,
        level: str | None = None,
    ) -> None:
        _expect_built()
        sizes = (
            config.vocab_size,
            config.hidden_size,
            config.intermediate_size,
            config.num_heads,
            config.num_kv_heads,
            config.head_dim,
        )
        self._native = _native.Decoder(
            sizes=sizes,
            eps=config.norm_eps,
            rope_scale=rope_scale,
            frequencies=np.ascontiguousarray(frequencies, np.float32),
            embedding=embedding,
            layers=layers,
            rope_layers=list(config.rope_layers),
            norm=np.ascontiguousarray(norm, np.float32),
            output=output,
            threads=threads,
            level=_level(level),
        )
        self._cache = "bf16"

    @property
    def level(self) -> str:
        """The level it computes on."""
        return self._native.level

    @property
    def threads(self) -> int:
        """Threads that compute, the caller's included."""
        return self._native.threads

    @property
    def block_bytes(self) -> int:
        """Memory of one block of 16 positions over all layers, bytes, in the cache's format."""
        return self.bytes_of_block(self._cache)

    def bytes_of_block(self, cache: str) -> int:
        """`block_bytes` of a cache format ("bf16" or "int8")."""
        return self._native.block_bytes(cache)

    def allocate(self, num_blocks: int, cache: str = "bf16") -> None:
        """Take memory for the cache ("bf16" or "int8"), in place of an earlier one. Pages are used when first written.

        Raises MemoryError where the system refuses it.
        """
        self._native.allocate(num_blocks, cache)
        self._cache = cache

    def forward(
        self,
        tokens: Int32,
        positions: Int32,
        starts: Int32,
        tables: Int32,
        rows: Int32,
        places: Int32 | None = None,
        embeddings: Float32 | None = None,
    ) -> Float32:
        """Compute a step (arrays as in the engine's `StepInput`) and return scores [R, V].

        The tokens at `places` [E], which rise, begin as the rows of `embeddings` [E, D] in place of their ids' own.

        The result's memory is used again by the next call. Other Python threads run meanwhile. Raises ValueError for
        ids, positions or blocks out of range, RuntimeError without a cache, when closed, when another thread is in
        here, or in a process forked after the decoder was made.
        """
        return self._native.forward(tokens, positions, starts, tables, rows, places, embeddings)

    def hidden(
        self,
        tokens: Int32,
        positions: Int32,
        starts: Int32,
        tables: Int32,
        rows: Int32,
        places: Int32 | None = None,
        embeddings: Float32 | None = None,
    ) -> Float32:
        """As `forward`, but return hidden states [R, D] after the last norm; the output matrix is not computed."""
        return self._native.hidden(tokens, positions, starts, tables, rows, places, embeddings)

    def close(self) -> None:
        """Give the memory back and end the threads."""
        self._native.close()


def quantise(level: str, x: Float32) -> tuple[NDArray[np.int8], Float32, Float32]:
    """Activations [T, K] as codes [G, T, 32], scales [G, T] and sums [G, T] = scale * (sum of codes)."""
    _expect_built()
    return _native.quantise(_level(level), x)


def matmul(level: str, weight: PackedWeight, x: Float32) -> Float32:
    """x [T, K] times the transpose of `weight`: [T, N]."""
    _expect_built()
    return _native.matmul(_level(level), weight, x)


def rms_norm(level: str, x: Float32, weight: Float32, eps: float) -> Float32:
    """weight * x / sqrt(mean(x^2) + eps) of one row."""
    _expect_built()
    return _native.rms_norm(_level(level), x, weight, eps)


def silu_mul(level: str, gate_up: Float32) -> Float32:
    """silu(first half) * second half of one row."""
    _expect_built()
    return _native.silu_mul(_level(level), gate_up)


def rope(level: str, heads: Float32, cosines: Float32, sines: Float32) -> Float32:
    """Heads [n, H] with pairs (i, i + H/2) rotated; `cosines` and `sines` are [H/2]."""
    _expect_built()
    return _native.rope(_level(level), heads, cosines, sines)


def attention_store(
    level: str, num_blocks: int, heads: int, head_dim: int, *, cache: str = "bf16", fill: int = 0
) -> LayerStore:
    """The paged cache of one layer: `store(keys, values, blocks, slots)` and `attend(q, positions, sequences, tables)`.

    Keys and values are [T, heads, head_dim], queries [T, query heads, head_dim], the rest int32 [T], `tables` [S, B].
    `fill` is the byte that unused memory holds: 255 makes it NaNs, which must not matter.
    """
    _expect_built()
    return _native.LayerStore(_level(level), num_blocks, heads, head_dim, cache, fill)


def read_bandwidth(threads: int, megabytes: int = 512) -> float:
    """Bytes per second that `threads` together read from memory: the best of five passes over a buffer."""
    _expect_built()
    return _native.read_bandwidth(threads, megabytes)


def _expect_built() -> None:
    if _reason is not None:
        raise NotRunnable(f"The native kernels are not built ({_reason}).", _WAY_OUT)


def _level(name: str | None) -> str:
    try:
        return _native.resolve_level(name or "")
    except ValueError as error:
        raise UsageError(str(error)) from error

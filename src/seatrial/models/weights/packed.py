"""A checkpoint's tensors as the native kernels hold them: packed once, in the formats that `precision` chose.

In: a configuration, lazy tensors, a format for each matrix. Out: `PackedWeights`. Blocks of a GGUF file go in as they
are, or as blocks of a wider type; everything else is read as numbers and rounded by the kernels. Matrices are read one
after another and dropped, so that beside the packed weights there is never more than one matrix for each thread.

Shape suffixes: D hidden size.
"""

# ruff: noqa: N815 - fields of weights carry shape suffixes

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from seatrial.errors import CheckpointError
from seatrial.kernels import cpu
from seatrial.models.config import ModelConfig
from seatrial.models.precision import GROUP, Format, Matrix, matrices
from seatrial.models.tensors import expected_shapes
from seatrial.models.weights.blocks import Blocks, convert

if TYPE_CHECKING:
    import torch

# Threads beyond these wait for memory, and hold one matrix more each.
_MOST_THREADS = 4

Part = tuple[str, NDArray[Any]]


@runtime_checkable
class Quantised(Protocol):
    """Tensors that can be had as the blocks they are stored in; see `GGUFTensors`."""

    def kind(self, name: str) -> str:
        """The GGUF type of a tensor."""
        ...

    def blocks(self, name: str) -> Blocks:
        """The tensor as stored."""
        ...

    def numbers(self, name: str) -> NDArray[np.float32]:
        """The tensor, dequantised."""
        ...

    def release(self, name: str) -> None:
        """The tensor will not be read again soon."""
        ...


class PackedWeights(NamedTuple):
    """The whole decoder. Where the two are tied, `output` is `embedding`."""

    embedding: cpu.PackedWeight
    layers: tuple[cpu.LayerWeights, ...]
    norm_D: NDArray[np.float32]
    output: cpu.PackedWeight


def stored_kinds(config: ModelConfig, tensors: Mapping[str, torch.Tensor]) -> dict[str, str]:
    """The GGUF type of each tensor; "F32" stands for numbers of any width in other files."""
    if isinstance(tensors, Quantised):
        return {name: tensors.kind(name) for name in expected_shapes(config)}
    return dict.fromkeys(expected_shapes(config), "F32")


def pack_weights(
    config: ModelConfig,
    tensors: Mapping[str, torch.Tensor],
    formats: Mapping[str, Format],
    *,
    threads: int,
    path: Path | None = None,
) -> PackedWeights:
    """Pack every matrix into its format. Raises CheckpointError, naming `path`, for numbers that are not finite."""
    wanted = matrices(config)
    with ThreadPoolExecutor(min(threads, _MOST_THREADS)) as pool:
        packed = dict(
            zip(wanted, pool.map(lambda name: _pack(tensors, wanted[name], formats[name], path), wanted), strict=True)
        )

    def norm(name: str) -> NDArray[np.float32]:
        return numbers(tensors, name, path=path)

    layers = tuple(
        cpu.LayerWeights(
            attention_norm=norm(f"model.layers.{layer}.input_layernorm.weight"),
            qkv=packed[f"{layer}.qkv"],
            output=packed[f"{layer}.output"],
            mlp_norm=norm(f"model.layers.{layer}.post_attention_layernorm.weight"),
            gate_up=packed[f"{layer}.gate_up"],
            down=packed[f"{layer}.down"],
        )
        for layer in range(config.num_layers)
    )
    return PackedWeights(
        embedding=packed["embedding"],
        layers=layers,
        norm_D=norm("model.norm.weight"),
        output=packed["embedding" if config.tied_embeddings else "output"],
    )


def _pack(tensors: Mapping[str, torch.Tensor], matrix: Matrix, format: Format, path: Path | None) -> cpu.PackedWeight:
    with taken(tensors, matrix.parts, matrix.columns, format, path=path) as parts:
        return cpu.pack(parts, matrix.columns, format)


@contextlib.contextmanager
def taken(
    tensors: Mapping[str, torch.Tensor],
    names: Sequence[str],
    columns: int,
    format: Format,
    *,
    path: Path | None = None,
) -> Iterator[list[Part]]:
    """Tensors as parts of a matrix to pack, each of rows of `columns` numbers; let go at the end.

    Blocks stay blocks where the format takes them and rows are whole blocks. Raises CheckpointError as `numbers`.
    """
    yield [_part(tensors, name, columns, format, path) for name in names]
    if isinstance(tensors, Quantised):
        for name in names:
            tensors.release(name)


def numbers(tensors: Mapping[str, torch.Tensor], name: str, *, path: Path | None = None) -> NDArray[np.float32]:
    """A tensor as float32. Raises CheckpointError, naming `path`, where one is not finite."""
    if isinstance(tensors, Quantised):
        found = tensors.numbers(name)
    else:
        found = np.ascontiguousarray(tensors[name].float().numpy(), np.float32)
    # Not one pass for each number: a sum is finite if they all are (and weights are far from where it overflows).
    with np.errstate(all="ignore"):
        is_finite = np.isfinite(found.sum())
    if not is_finite:
        raise CheckpointError("holds numbers that are not finite", path=path, field=name)
    return found


def _part(tensors: Mapping[str, torch.Tensor], name: str, columns: int, format: Format, path: Path | None) -> Part:
    if isinstance(tensors, Quantised) and format != "bf16" and columns % GROUP == 0:
        blocks = convert(tensors.blocks(name), format.upper())
        if blocks is not None:
            return blocks.kind, np.ascontiguousarray(blocks.raw)
    return "F32", np.ascontiguousarray(numbers(tensors, name, path=path).reshape(-1, columns))

"""What a model's passes cost, counted and not timed: operations of a prompt, bytes of a decode step, memory taken.

In: an opened model and the dtype it was asked for. Out: numbers to hold a measurement against.
"""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from seatrial.engine.memory import weights_bytes
from seatrial.engine.model import Model
from seatrial.engine.native_runner import NativeRunner
from seatrial.engine.runner import BLOCK_TOKENS, Runner
from seatrial.models.config import ModelConfig
from seatrial.models.precision import Format, choose_formats, dtype_by_name, matrices, packed_bytes
from seatrial.models.tensors import expected_shapes
from seatrial.models.weights.packed import stored_kinds

if TYPE_CHECKING:
    import torch


def runner_name(runner: Runner) -> str:
    """What computes: the level of the native kernels, or PyTorch with its device and number format."""
    if isinstance(runner, NativeRunner):
        return runner.level
    return f"torch {runner.device} {str(_plain_dtype(runner)).removeprefix('torch.')}"


def prefill_operations(config: ModelConfig, num_tokens: int) -> float:
    """Multiplications and additions of a prompt's pass, scores of its last token alone.

    A matrix takes 2 for each of its numbers and each token; attention takes 4 for each head's number and each pair of
    a position and one that it sees. Example: 3 tokens see 1 + 2 + 3 = 6 positions.
    """
    layers = sum(matrix.rows * matrix.columns for name, matrix in matrices(config).items() if "." in name)
    seen = num_tokens * (num_tokens + 1) / 2
    attention = config.num_layers * 4 * config.num_heads * config.head_dim * seen
    return 2 * (layers * num_tokens + config.vocab_size * config.hidden_size) + attention


def step_bytes(model: Model, dtype: str, batch: int, mean_context: float) -> float:
    """What a decode step of `batch` answers reads at least: weights, and keys and values of `mean_context` tokens each.

    Of an embedding that is not the output matrix too, a step reads a few rows; it does not count.
    """
    weights = model_bytes(model, dtype)
    if not model.config.tied_embeddings:
        weights -= _embedding_bytes(model, dtype)
    return weights + batch * mean_context * model.runner.block_bytes / BLOCK_TOKENS


def model_bytes(model: Model, dtype: str) -> int:
    """What the weights take as they are computed with."""
    if isinstance(model.runner, NativeRunner):
        return weights_bytes(model.config, formats_of(model, dtype))
    shapes = expected_shapes(model.config).values()
    return sum(math.prod(shape) for shape in shapes) * _plain_dtype(model.runner).itemsize


def formats_of(model: Model, dtype: str) -> dict[str, Format]:
    """The format of each matrix that the native kernels hold."""
    kinds = stored_kinds(model.config, model.checkpoint.tensors)
    return choose_formats(model.config, kinds, dtype_by_name(dtype))


def peak_resident_bytes() -> int | None:
    """The most that this process has had in memory, or None where the system does not say."""
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _embedding_bytes(model: Model, dtype: str) -> int:
    config = model.config
    if isinstance(model.runner, NativeRunner):
        return packed_bytes(matrices(config)["embedding"], formats_of(model, dtype)["embedding"])
    return config.vocab_size * config.hidden_size * _plain_dtype(model.runner).itemsize


def _plain_dtype(runner: Runner) -> torch.dtype:
    from seatrial.engine.torch_runner import TorchRunner

    assert isinstance(runner, TorchRunner)
    return runner.decoder.dtype

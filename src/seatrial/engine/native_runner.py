"""The runner of our own CPU kernels: packed weights, and one native call for each pass.

In: an open checkpoint and what was asked for. Out: a `NativeRunner`, or the reason why the plain path must do.
"""

from __future__ import annotations

import logging

import numpy as np
from numpy.typing import NDArray

from seatrial.engine.memory import CacheFormat, kv_block_bytes, plan_memory
from seatrial.engine.runner import BLOCK_TOKENS, Int32, StepInput
from seatrial.errors import NotRunnable, UnknownName, UsageError
from seatrial.kernels import cpu
from seatrial.models.checkpoint import Checkpoint
from seatrial.models.config import ModelConfig
from seatrial.models.devices import Device, free_bytes
from seatrial.models.frequencies import inverse_frequencies
from seatrial.models.precision import GROUP, NATIVE_DTYPES, choose_formats, dtype_by_name, matrices
from seatrial.models.weights.packed import pack_weights, stored_kinds

_log = logging.getLogger(__name__)
_CACHES: tuple[CacheFormat, ...] = ("bf16", "int8")
_HEAD_STEP, _LARGEST_HEAD = 16, 1024
# Where a pass turns from bound by memory to bound by arithmetic, by level.
_CHEAP_TOKENS = {"amx": 16, "avx512": 16, "avx2": 8, "neon": 4}
_MOST_THREADS = 1024


class NativeRunner:
    """See `Runner`. Holds the native decoder, which holds weights and cache."""

    def __init__(self, config: ModelConfig, decoder: cpu.Decoder, *, cache: CacheFormat) -> None:
        self.config, self.cache, self.level, self.threads = config, cache, decoder.level, decoder.threads
        self.device: Device = "cpu"
        self._decoder = decoder

    @property
    def cheap_tokens(self) -> int:
        """See `Runner`."""
        return _CHEAP_TOKENS.get(self.level, 1)

    @property
    def block_bytes(self) -> int:
        """See `Runner`."""
        return kv_block_bytes(self.config, self.cache)

    def allocate(self, num_blocks: int) -> None:
        """See `Runner`."""
        try:
            self._decoder.allocate(num_blocks, self.cache)
        except (MemoryError, RuntimeError) as error:
            raise NotRunnable(
                f"A cache of {num_blocks * BLOCK_TOKENS:,} positions takes "
                f"{num_blocks * self.block_bytes / 1e9:.1f} GB, which cannot be had.",
                "Ask for a shorter context or fewer requests at once.",
            ) from error

    def forward(self, step: StepInput) -> NDArray[np.float32]:
        """See `Runner`. The scores are the kernels' own memory, not copied."""
        return self._decoder.forward(*_arrays(step))

    def hidden(self, step: StepInput) -> NDArray[np.float32]:
        """See `Runner`. Not copied either."""
        return self._decoder.hidden(*_arrays(step))

    def close(self) -> None:
        """See `Runner`."""
        self._decoder.close()


def open_native(
    checkpoint: Checkpoint,
    *,
    dtype: str = "auto",
    threads: int,
    level: str | None = None,
    cache: CacheFormat = "bf16",
    max_sequences: int = 1,
    context: int | None = None,
    name: str | None = None,
) -> NativeRunner:
    """Pack a checkpoint's weights for the kernels of `level` (None: the best of this machine) and build the decoder.

    `dtype` is one of NATIVE_DTYPES (see `models.precision`), `cache` the number format of keys and values, `name` what
    messages call the model. Before anything is taken, weights and a cache for `max_sequences` sequences of at most
    `context` tokens are held against the memory that is free, and said to the log.

    Raises UnknownName, UsageError, NotRunnable (no kernels, sizes they do not take, weights that do not fit),
    CheckpointError (damaged weights).
    """
    config, model = checkpoint.config, name or checkpoint.path.name
    dtype = _checked(dtype, threads, level, cache)
    reason = why_not_native(config, dtype)
    if reason is not None:
        raise NotRunnable(f"`{model}` cannot run on the native kernels: {reason}.", "Ask for dtype `float32`.")
    kinds = stored_kinds(config, checkpoint.tensors)
    need = plan_memory(
        config,
        kinds,
        dtype=dtype,
        cache=cache,
        free_bytes=free_bytes("cpu"),
        max_sequences=max_sequences,
        context=context,
        model=model,
        num_eye_weights=0 if checkpoint.vision is None else checkpoint.vision.num_weights,
    )
    _log.info("%s takes %s", model, need)
    formats = choose_formats(config, kinds, dtype)
    weights = pack_weights(config, checkpoint.tensors, formats, threads=threads, path=checkpoint.path)
    decoder = cpu.Decoder(
        config,
        embedding=weights.embedding,
        layers=weights.layers,
        norm=weights.norm_D,
        output=weights.output,
        frequencies=inverse_frequencies(config),
        rope_scale=config.yarn.attention_factor if config.yarn else 1.0,
        threads=threads,
        level=level,
    )
    return NativeRunner(config, decoder, cache=cache)


def why_not_native(config: ModelConfig, dtype: str) -> str | None:
    """What keeps a model off the native kernels on this machine, as words for a message; None if nothing does.

    Raises UnknownName for a dtype that is none.
    """
    dtype = dtype_by_name(dtype)
    if dtype not in NATIVE_DTYPES:
        return f"`{dtype}` is computed by PyTorch"
    absent = cpu.why_absent()
    if absent is not None:
        return absent.rstrip(".")
    for name, matrix in matrices(config).items():
        if matrix.columns % GROUP:
            return f"its `{name}` matrix has {matrix.columns:,} columns, not a multiple of {GROUP}"
    if config.head_dim % _HEAD_STEP or config.head_dim > _LARGEST_HEAD:
        return f"its heads have {config.head_dim:,} numbers, not a multiple of {_HEAD_STEP} up to {_LARGEST_HEAD:,}"
    return None


def _arrays(step: StepInput) -> tuple[Int32, Int32, Int32, Int32, Int32, Int32 | None, NDArray[np.float32] | None]:
    places_E, rows_ED = step.pictures or (None, None)
    return step.tokens_T, step.positions_T, step.starts_S1, step.tables_SB, step.rows_R, places_E, rows_ED


def _checked(dtype: str, threads: int, level: str | None, cache: str) -> str:
    if level is not None and level not in cpu.levels():
        raise UnknownName("level of the CPU kernels", level, cpu.levels(), f"Here: {', '.join(cpu.levels())}.")
    if cache not in _CACHES:
        raise UnknownName("format of the KV cache", cache, _CACHES)
    if not 1 <= threads <= _MOST_THREADS:
        raise UsageError(f"`threads` is {threads:,}; it must be from 1 to {_MOST_THREADS:,}.")
    return dtype_by_name(dtype)

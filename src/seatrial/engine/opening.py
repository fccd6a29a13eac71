"""Which runner computes a checkpoint: our kernels where they can, plain PyTorch elsewhere.

In: an opened checkpoint and what was asked for. Out: a `Runner` with its weights in memory. On a CPU with built
kernels a GGUF file runs in the precision it is stored in and safetensors in bfloat16 (or rounded to int8 or int4);
`float32`, `float16`, GPUs, and matrices that the kernels cannot hold take the plain path.
"""

from __future__ import annotations

import logging
import os
from typing import Literal

from seatrial.engine.native_runner import open_native, why_not_native
from seatrial.engine.runner import Runner
from seatrial.errors import NotRunnable
from seatrial.models.checkpoint import Checkpoint
from seatrial.models.devices import choose_device
from seatrial.models.precision import NATIVE_DTYPES, dtype_by_name

_log = logging.getLogger(__name__)


def open_runner(
    checkpoint: Checkpoint,
    *,
    name: str,
    dtype: str = "auto",
    device: str = "auto",
    threads: int | None = None,
    level: str | None = None,
    cache: Literal["bf16", "int8"] = "bf16",
    max_sequences: int = 1,
    context: int | None = None,
) -> Runner:
    """A runner for the checkpoint; `name` is what messages call it.

    `dtype`: `auto`, `float32`, `bfloat16`, `float16`, `int8`, `int4` or a short name. `device`: `auto`, `cpu`, `cuda`
    or `mps`. `threads`: default all cores that this process may use. `level`: of the CPU kernels, default the best.
    `cache`: how the CPU kernels keep keys and values; `int8` takes half the memory.
    `max_sequences` and `context` (tokens) say what cache will be asked for, to refuse early what will not fit.

    Raises NotRunnable (memory, or a precision that cannot be had here), UnknownName, CheckpointError.
    """
    asked, chosen_device = dtype_by_name(dtype), choose_device(device)
    unfit = why_not_native(checkpoint.config, asked) if chosen_device == "cpu" else "it runs on a GPU"
    if unfit is None:
        return open_native(
            checkpoint,
            name=name,
            dtype=asked,
            threads=threads or usable_cores(),
            level=level,
            cache=cache,
            max_sequences=max_sequences,
            context=context,
        )
    native_only = {
        f"dtype `{asked}`": asked in ("int8", "int4"),
        f"level `{level}`": level is not None,
        f"cache `{cache}`": cache != "bf16",
    }
    wanted = next((what for what, is_asked in native_only.items() if is_asked), None)
    if wanted is not None:
        way_out = "Leave it out." if asked in NATIVE_DTYPES else f"Leave it out, or the dtype `{asked}`."
        raise NotRunnable(f"`{name}` cannot run with {wanted} here: {unfit}.", way_out)
    if asked == "auto":
        _log.info("%s runs in plain PyTorch: %s", name, unfit)
    from seatrial.engine.torch_runner import open_plain

    return open_plain(checkpoint, name=name, dtype=asked, device=chosen_device, threads=threads)


def usable_cores() -> int:
    """Cores that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

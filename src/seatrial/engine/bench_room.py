"""What a benchmark will take in tokens and memory, held against the context and the machine before it is taken.

In: `BenchSettings`, a checkpoint that was opened and not loaded. Out: a number of cache blocks, and the reason where
something does not fit: as an error where nothing can be measured, as words where one measurement is left out.
"""

from __future__ import annotations

from seatrial.engine.bench_report import BenchSettings
from seatrial.engine.memory import kv_block_bytes, weights_bytes
from seatrial.engine.native_runner import why_not_native
from seatrial.engine.runner import BLOCK_TOKENS
from seatrial.engine.timing import AHEAD_TOKENS
from seatrial.errors import ContextTooLong, NotRunnable
from seatrial.models.checkpoint import Checkpoint
from seatrial.models.devices import Device, free_bytes
from seatrial.models.precision import choose_formats, dtype_by_name
from seatrial.models.weights.packed import stored_kinds

_SHARE_OF_FREE = 0.9


def check_before_loading(ask: BenchSettings, checkpoint: Checkpoint, *, dtype: str, device: Device, model: str) -> None:
    """Refuse what the configuration alone shows to be too much.

    Where the native kernels will compute, weights and cache are known to the byte; of the plain path only the cache,
    at two bytes a number, the least that it takes. Raises ContextTooLong, NotRunnable, UnknownName.
    """
    config = checkpoint.config
    longest, context = ask.prompt + ask.generate, config.context_length
    if longest > context:
        ways = [f"`--prompt` to {context - ask.generate:,}"] if ask.generate < context else []
        ways += [f"`--generate` to {context - ask.prompt:,}"] if ask.prompt < context else []
        raise ContextTooLong(
            f"A prompt of {ask.prompt:,} tokens and an answer of {ask.generate:,} are {longest:,}; "
            f"`{model}` takes {context:,}. Lower {' or '.join(ways) or '`--prompt` and `--generate`'}."
        )
    weights = 0
    if device == "cpu" and why_not_native(config, dtype) is None:
        kinds = stored_kinds(config, checkpoint.tensors)
        weights = weights_bytes(config, choose_formats(config, kinds, dtype_by_name(dtype)))
    check_cache_fits(ask, context, kv_block_bytes(config, "bf16"), free_bytes(device), weights=weights)


def check_cache_fits(
    ask: BenchSettings, context: int, block_bytes: int, free: int | None, *, weights: int = 0, num_copied: int = 0
) -> int:
    """Blocks of the cache that holds the largest measurement, of `num_copied` tokens of a prompt that is repeated too.

    `weights` are bytes that are still to be taken beside it. Raises NotRunnable, with the number of answers that fit,
    where that is more than nine tenths of the `free` bytes (None: nobody knows).
    """
    most, each = max(ask.batches), _blocks(ask.prompt + ask.generate + AHEAD_TOKENS) + 2
    shared = _blocks(ask.prefix + ask.own) + 4 * (_blocks(ask.own) + 1) if ask.prefix + ask.own < context else 0
    num_blocks = max(most * each, shared, _blocks(num_copied) + 2)
    left = None if free is None else int(free * _SHARE_OF_FREE) - weights
    if left is None or num_blocks * block_bytes <= left:
        return num_blocks
    fitting = max(left, 0) // (each * block_bytes)
    lower = f"`--batch` to {fitting:,}, or lower " if 0 < fitting < most else ""
    beside = f" beside {_size(weights)} of weights" if weights else ""
    raise NotRunnable(
        f"A cache for {most:,} answers of {ask.prompt + ask.generate:,} tokens at once takes "
        f"{_size(num_blocks * block_bytes)}{beside}; {_size(free or 0)} are free.",
        f"Lower {lower}`--prompt` or `--generate`.",
    )


def what_is_left_out(ask: BenchSettings, context: int, *, is_random: bool, num_copied: int) -> dict[str, str]:
    """What cannot be measured, with the reason. `num_copied`: see `check_cache_fits`."""
    reasons = {}
    if is_random:
        reasons["load"] = "random weights are made, not read"
        reasons["speculation"] = "they copy nothing"
    if ask.prefix + ask.own >= context:
        reasons["cached prefix"] = f"{ask.prefix + ask.own + 1:,} tokens do not fit a context of {context:,}"
    if num_copied > context:
        reasons["speculation"] = f"{num_copied:,} tokens do not fit a context of {context:,}"
    return reasons


def _blocks(num_tokens: int) -> int:
    return -(-num_tokens // BLOCK_TOKENS)


def _size(num_bytes: int) -> str:
    return f"{num_bytes / 1e9:,.1f} GB" if num_bytes >= 1e9 else f"{num_bytes / 1e6:,.1f} MB"

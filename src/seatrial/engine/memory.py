"""What a model needs in memory, said before any of it is taken.

In: a configuration, how its tensors are stored, what is free. Out: bytes of weights and of the KV cache, the number
of cache blocks to take, and a NotRunnable that says what would fit where something does not. A model that sees needs
the weights of its eyes besides, and beside each position of the cache room for a row of a picture.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from seatrial.engine.runner import BLOCK_TOKENS
from seatrial.errors import NotRunnable, UsageError
from seatrial.models.config import ModelConfig
from seatrial.models.precision import Format, choose_formats, matrices, packed_bytes

CacheFormat = Literal["bf16", "int8"]

# What each sequence is given room for where that is more than one whole context: most answers stay below it.
_MODERATE_TOKENS = 2048
# What a sequence is given at most where nobody asked for more: a file's word alone takes no more memory than this.
_LONGEST_UNASKED = 1 << 17
# The share of free memory that a cache takes of its own accord, and the one it may take for a single context.
_COMFORTABLE, _UTMOST = 0.5, 0.9
_SHORT_DTYPES = ("f32", "bf16", "f16", "int8", "int4")
_NARROWER = {"auto": ("int8", "int4"), "bfloat16": ("int8", "int4"), "int8": ("int4",), "int4": ()}


@dataclass(frozen=True, slots=True)
class MemoryNeed:
    """What a model takes, in bytes. `str` is fit to show to a user.

    `eyes_bytes` are the weights that see, `picture_block_bytes` what is kept of pictures for each block of the cache.
    """

    weights_bytes: int
    num_blocks: int
    block_bytes: int
    eyes_bytes: int = 0
    picture_block_bytes: int = 0

    @property
    def cache_bytes(self) -> int:
        """The KV cache."""
        return self.num_blocks * self.block_bytes

    @property
    def picture_bytes(self) -> int:
        """Rows of pictures, at most."""
        return self.num_blocks * self.picture_block_bytes

    @property
    def total_bytes(self) -> int:
        """All of it."""
        return self.weights_bytes + self.eyes_bytes + self.cache_bytes + self.picture_bytes

    def __str__(self) -> str:
        positions = self.num_blocks * BLOCK_TOKENS
        cache = f"{_size(self.cache_bytes)} for a cache of {positions:,} tokens"
        sight = ""
        if self.eyes_bytes:
            sight = f", {_size(self.eyes_bytes)} for those that see, {_size(self.picture_bytes)} for what was seen"
        return f"{_size(self.weights_bytes)} for weights{sight} and {cache}, {_size(self.total_bytes)} in all"


def plan_memory(
    config: ModelConfig,
    kinds: Mapping[str, str],
    *,
    dtype: str,
    cache: CacheFormat,
    free_bytes: int | None,
    max_sequences: int,
    context: int | None,
    model: str,
    num_eye_weights: int = 0,
) -> MemoryNeed:
    """What the native kernels will take for weights stored as `kinds`, and a cache as `plan_cache` chooses it.

    `context` None stands for `usual_context`; `num_eye_weights` are the numbers of a picture encoder, 0 without one.
    Nothing is taken. Raises NotRunnable where weights, or one context beside them, do not fit into `free_bytes`.
    """
    taken = check_weights_fit(
        config, kinds, dtype=dtype, free_bytes=free_bytes, model=model, num_eye_weights=num_eye_weights
    )
    left = None if free_bytes is None else free_bytes - taken
    block_bytes = kv_block_bytes(config, cache)
    for_pictures = picture_block_bytes(config) if num_eye_weights else 0
    longest = usual_context(config, block_bytes + for_pictures, left) if context is None else context
    num_blocks = plan_cache(
        config, block_bytes + for_pictures, left, max_sequences=max_sequences, context=longest, model=model
    )
    eyes = eyes_bytes(num_eye_weights, dtype)
    return MemoryNeed(taken - eyes, num_blocks, block_bytes, eyes, for_pictures)


def check_weights_fit(
    config: ModelConfig,
    kinds: Mapping[str, str],
    *,
    dtype: str,
    free_bytes: int | None,
    model: str,
    num_eye_weights: int = 0,
) -> int:
    """Bytes of the packed weights, those of the eyes included.

    Raises NotRunnable where `free_bytes` are too few, with a dtype that would fit.
    """

    def size(name: str) -> int:
        return weights_bytes(config, choose_formats(config, kinds, name)) + eyes_bytes(num_eye_weights, name)

    needed = size(dtype)
    if free_bytes is None or needed <= free_bytes:
        return needed
    sizes = {name: size(name) for name in _NARROWER[dtype]}
    fitting = next((name for name, size in sizes.items() if size <= free_bytes), None)
    way_out = "Free memory, or take a smaller model."
    if fitting is not None:
        way_out = f"As `{fitting}` they take {_size(sizes[fitting])}: ask for `{_asked_as(model, fitting)}`."
    stored = "stored" if dtype == "auto" else f"`{dtype}`"
    raise NotRunnable(
        f"The weights of `{model}` take {_size(needed)} as {stored}; {_size(free_bytes)} are free.", way_out
    )


def out_of_memory(error: Exception, *, model: str, dtype: str, free_bytes: int | None) -> NotRunnable | None:
    """What to raise for an `error` of loading as `dtype` that says memory ran out after all; None for any other."""
    words = str(error).lower()
    if not isinstance(error, MemoryError) and "memory" not in words and "new thread" not in words:
        return None
    free = "" if free_bytes is None else f"; {_size(free_bytes)} are free"
    way_out = "Free memory, or take a smaller model."
    if dtype != "int4":
        way_out = f"Free memory, take a smaller model, or ask for `{_asked_as(model, 'int4')}`."
    return NotRunnable(f"Memory ran out while `{model}` was loaded{free}.", way_out)


def weights_bytes(config: ModelConfig, formats: Mapping[str, Format]) -> int:
    """What the packed matrices and the norms take."""
    norms = (2 * config.num_layers + 1) * config.hidden_size * 4
    return norms + sum(packed_bytes(matrix, formats[name]) for name, matrix in matrices(config).items())


def eyes_bytes(num_weights: int, dtype: str) -> int:
    """What the weights that see take at most: in 8 bits, which `int4` means for them too, or as they are stored.

    Files store them in 16 bits or fewer. 8 bits are 34 bytes for 32 numbers.
    """
    return num_weights * 34 // 32 if dtype in ("int8", "int4") else num_weights * 2


def picture_block_bytes(config: ModelConfig) -> int:
    """Rows of pictures for 16 positions, float32: as many are kept as the cache has positions."""
    return BLOCK_TOKENS * config.hidden_size * 4


def kv_block_bytes(config: ModelConfig, cache: CacheFormat) -> int:
    """One block of 16 positions over all layers: two bytes a number, or one and a float scale for each head.

    Example: SmolLM2-135M in bf16 has 30 layers of 3 heads of 64: 30 * 2 * 3 * 16 * 64 * 2 bytes, 360 KiB.
    """
    per_head = config.head_dim * 2 if cache == "bf16" else config.head_dim + 4
    return config.num_layers * 2 * config.num_kv_heads * BLOCK_TOKENS * per_head


def context_bytes(config: ModelConfig, cache: CacheFormat, num_tokens: int) -> int:
    """What one sequence of `num_tokens` takes, in whole blocks."""
    return _blocks(num_tokens) * kv_block_bytes(config, cache)


def usual_context(config: ModelConfig, block_bytes: int, free_bytes: int | None) -> int:
    """The longest sequence where nobody asked for one, in tokens: the model's own, or what half of `free_bytes` holds.

    At most 131,072 tokens; at least 2,048 (or the model's own), so that too little memory is an error and not a
    useless model.
    """
    longest = min(config.context_length, _LONGEST_UNASKED)
    if free_bytes is None:
        return longest
    holds = int(free_bytes * _COMFORTABLE) // block_bytes * BLOCK_TOKENS
    return min(longest, max(holds, _MODERATE_TOKENS))


def check_context(config: ModelConfig, context: int | None, *, model: str) -> None:
    """Raises UsageError for a context (tokens) that was asked for and that the model does not take."""
    if context is not None and not 1 <= context <= config.context_length:
        raise UsageError(
            f"A context of {context:,} tokens was asked for; `{model}` takes from 1 to {config.context_length:,}."
        )


def plan_cache(
    config: ModelConfig,
    block_bytes: int,
    free_bytes: int | None,
    *,
    max_sequences: int,
    context: int | None = None,
    model: str | None = None,
) -> int:
    """How many blocks to take: for one whole context, or 2,048 tokens for each sequence if that is more.

    `context` is the longest sequence, in tokens; None stands for the model's own. Messages name `model`. Beyond one
    context no more than half of `free_bytes` is taken. Raises NotRunnable, naming the context that fits, where one
    takes over nine tenths.
    """
    longest = config.context_length if context is None else context
    for name, value in (("context", longest), ("max_sequences", max_sequences)):
        if value < 1:
            raise UsageError(f"`{name}` is {value}; it must be at least 1.")
    needed = _blocks(longest)
    wanted = max(needed, max_sequences * _blocks(min(longest, _MODERATE_TOKENS)))
    if free_bytes is None:
        return wanted
    most = max(0, int(free_bytes * _UTMOST)) // block_bytes
    if needed > most:
        what = "A context" if model is None else f"`{model}`: a context"
        raise NotRunnable(
            f"{what} of {longest:,} tokens takes {_size(needed * block_bytes)} of KV cache; "
            f"{_size(free_bytes)} are free.",
            _shorter(config, block_bytes, most),
        )
    return max(needed, min(wanted, int(free_bytes * _COMFORTABLE) // block_bytes))


def _shorter(config: ModelConfig, block_bytes: int, most: int) -> str:
    if most == 0:
        return "Free memory, or take a smaller model."
    fits = f"A context of {most * BLOCK_TOKENS:,} tokens fits"
    small_bytes = kv_block_bytes(config, "int8")
    if small_bytes < block_bytes:
        fits += f", or {most * block_bytes // small_bytes * BLOCK_TOKENS:,} in an INT8 cache"
    return f"{fits}."


def _asked_as(model: str, dtype: str) -> str:
    """The model in another dtype, as a candidate is written: `x` is `x@int8`, `x@bf16,seed=1` is `x@seed=1,int8`."""
    name, at, settings = model.rpartition("@")
    if not at:
        return f"{model}@{dtype}"
    kept = [part for part in settings.split(",") if part not in _SHORT_DTYPES and not part.startswith("dtype=")]
    return f"{name}@{','.join([*kept, dtype])}"


def _blocks(num_tokens: int) -> int:
    return -(-num_tokens // BLOCK_TOKENS)


def _size(num_bytes: int) -> str:
    return f"{num_bytes / 1e9:.1f} GB" if num_bytes >= 1e9 else f"{max(num_bytes, 0) / 1e6:.1f} MB"

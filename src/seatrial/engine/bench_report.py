"""What a benchmark of the engine asks and what it finds: values without torch, fit for JSON.

In: nothing. Out: `BenchSettings`, checked when made, and `BenchReport` with a figure for each thing measured. Every
time is in seconds, every size in bytes, every rate per second; a share is a part of 1.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from seatrial.errors import UsageError

_MOST_AT_ONCE = 512
_MOST_TOKENS = 1 << 20


@dataclass(frozen=True, slots=True)
class BenchSettings:
    """What is measured. `prompt` and `generate` are tokens, `batches` how many answers are decoded at once.

    `prefix` tokens are cached before the request that follows them with `own` tokens of its own is timed. `repeats`
    are timed after one that is not. Raises UsageError for a value that is out of range.
    """

    prompt: int = 512
    generate: int = 128
    batches: tuple[int, ...] = (1, 4, 16, 32)
    repeats: int = 5
    prefix: int = 1000
    own: int = 100
    seed: int = 0

    def __post_init__(self) -> None:
        counts = {"prompt": self.prompt, "generate": self.generate, "prefix": self.prefix, "own": self.own}
        for name, value in counts.items():
            _check(name, value, _MOST_TOKENS)
        _check("repeats", self.repeats, 1000)
        if not self.batches:
            raise UsageError("`batch` is empty; name at least one number of answers, such as `1,4,16`.")
        for batch in self.batches:
            _check("batch", batch, _MOST_AT_ONCE)


@dataclass(frozen=True, slots=True)
class Spread:
    """Repeated measurements of one thing: their median, with the least and the most."""

    median: float
    least: float
    most: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """The spread of at least one value."""
        return cls(statistics.median(values), min(values), max(values))


@dataclass(frozen=True, slots=True)
class Limits:
    """What the machine can do, measured in the same run.

    `matrix_rates` are operations a second (a multiply-add counts as two) of large products alone, by how they were
    computed; the best of them is what prefill is held against.
    """

    read_bytes_per_s: float
    matrix_rates: dict[str, float]

    @property
    def matrix_rate(self) -> float:
        """The best of `matrix_rates`."""
        return max(self.matrix_rates.values())


@dataclass(frozen=True, slots=True)
class Prefill:
    """A prompt of `num_tokens`, alone. `ttft_s` is its time to first token; `operations` what the model multiplies."""

    num_tokens: int
    ttft_s: Spread
    tokens_per_s: Spread
    operations: float
    share_of_matrix_rate: float


@dataclass(frozen=True, slots=True)
class CachedPrefix:
    """A request that shares its first `num_shared` tokens with one before it and brings `num_own` of its own.

    `alone_ttft_s` is what a prompt of `num_own` tokens takes with nothing before it, and `ratio` the median of
    `ttft_s` over the median of that.
    """

    num_shared: int
    num_own: int
    num_cached: int
    ttft_s: Spread
    alone_ttft_s: Spread

    @property
    def ratio(self) -> float:
        """How many times its own tokens alone."""
        return self.ttft_s.median / self.alone_ttft_s.median


@dataclass(frozen=True, slots=True)
class Decode:
    """`batch` answers at once; `tokens_per_s` is all of them together. Each step reads `step_bytes` at least."""

    batch: int
    tokens_per_s: Spread
    step_bytes: float
    share_of_bandwidth: float


@dataclass(frozen=True, slots=True)
class Copying:
    """An answer that repeats its prompt, with and without speculation; the two answers were compared."""

    num_prompt: int
    num_generated: int
    plain_tokens_per_s: Spread
    speculating_tokens_per_s: Spread
    num_drafted: int
    num_accepted: int
    same_answer: bool

    @property
    def ratio(self) -> float:
        """How many times faster speculation makes it."""
        return self.speculating_tokens_per_s.median / self.plain_tokens_per_s.median


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes of the weights and of the cache, and the most that the process had resident, where the system tells."""

    weights_bytes: int
    cache_bytes: int
    peak_bytes: int | None

    @property
    def beyond_bytes(self) -> int | None:
        """The peak without weights and cache: interpreter, libraries, scores, whatever loading took."""
        return None if self.peak_bytes is None else self.peak_bytes - self.weights_bytes - self.cache_bytes


@dataclass(frozen=True, slots=True)
class Circumstances:
    """Where and how it was measured. `dtype` is what was asked for, `measured_at` the UTC start in ISO 8601."""

    dtype: str
    threads: int
    cpu: str
    versions: dict[str, str]
    measured_at: str


@dataclass(frozen=True, slots=True)
class BenchReport:
    """Everything a run of the benchmark found. `left_out` says what was not measured, and why.

    `runner` is what computed: a level of the native kernels (`avx2`), or PyTorch on a device (`torch cpu float32`).
    `load_s` is None where weights were made up and not read.
    """

    model: str
    runner: str
    circumstances: Circumstances
    settings: BenchSettings
    load_s: float | None
    limits: Limits
    prefill: Prefill
    cached_prefix: CachedPrefix | None
    decode: tuple[Decode, ...]
    copying: Copying | None
    memory: Memory
    left_out: tuple[str, ...] = ()


def _check(name: str, value: int, most: int) -> None:
    if not 1 <= value <= most:
        raise UsageError(f"`{name}` is {value:,}; it must be from 1 to {most:,}.")

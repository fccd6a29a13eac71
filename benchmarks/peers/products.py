"""How fast one matrix product of ours is by itself, all threads side by side, each with its share of the rows.

In: a level, a weight format, a shape, a number of tokens. Out: seconds. Few tokens are bound by memory, so copies of
the matrix, larger together than any cache, take turns. Quantising the inputs and making the output array count in. A
product is checked against its definition before it is timed.
"""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np

from seatrial.kernels import cpu

SHAPES = {"135M's gate and up": (576, 3072), "3B's gate and up": (2048, 22016)}
FEW_TOKENS = 32
_FEW_TOKENS_BYTES = 200 * 2**20  # weights that take turns: several times the largest cache
_GROUP_BYTES = {"q4_0": 18, "q4_1": 20, "q8_0": 34}


class Product(NamedTuple):
    """Seconds of one product: median, least and most; multiply-adds and bytes of weights in it."""

    format: str
    shape: str
    tokens: int
    median_s: float
    least_s: float
    most_s: float
    num_products: int
    num_bytes: int

    @property
    def operations_per_s(self) -> float:
        """A multiply-add counts as two."""
        return 2 * self.num_products / self.median_s

    @property
    def bytes_per_s(self) -> float:
        """Weights that go by."""
        return self.num_bytes / self.median_s


def measure_products(
    level: str, format: str, shape: str, tokens: Sequence[int], *, threads: int, repeats: int
) -> Iterator[Product]:
    """One `Product` for each of `tokens`. `shape` is a key of SHAPES, `format` one of `cpu.pack`."""
    rng, (columns, num_rows) = np.random.default_rng(1), SHAPES[shape]
    share = num_rows // threads // 16 * 16
    turns = [[_weight(rng, format, share, columns) for _ in range(threads)]]
    num_bytes = sum(weight.num_bytes for weight in turns[0])
    _check(level, turns[0][0])
    while len(turns) * num_bytes < _FEW_TOKENS_BYTES and min(tokens) <= FEW_TOKENS:
        turns.append([_weight(rng, format, share, columns) for _ in range(threads)])
    with _Side(threads) as side:
        for count in tokens:
            x = rng.standard_normal((count, columns)).astype(np.float32)
            chosen = turns if count <= FEW_TOKENS else turns[:1]

            def once(x: np.ndarray = x, chosen: list[list[cpu.PackedWeight]] = chosen) -> None:
                side.run(lambda thread: [cpu.matmul(level, weights[thread], x) for weights in chosen])

            times_s = [elapsed / len(chosen) for elapsed in times_of(once, repeats)]
            num_products = count * columns * share * threads
            median_s = statistics.median(times_s)
            yield Product(format, shape, count, median_s, min(times_s), max(times_s), num_products, num_bytes)


def times_of(once: Callable[[], None], repeats: int) -> list[float]:
    """Seconds of each call after one that does not count."""
    once()
    times_s = []
    for _ in range(repeats):
        start = time.perf_counter()
        once()
        times_s.append(time.perf_counter() - start)
    return times_s


class _Side:
    """Threads that do the same thing side by side; the products let other threads run."""

    def __init__(self, threads: int) -> None:
        self._pool = ThreadPoolExecutor(threads)
        self._start = threading.Barrier(threads)
        self._threads = range(threads)

    def __enter__(self) -> _Side:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown()

    def run(self, work: Callable[[int], object]) -> None:
        def started(thread: int) -> None:
            self._start.wait()
            work(thread)

        list(self._pool.map(started, self._threads))


def _weight(rng: np.random.Generator, format: str, rows: int, columns: int) -> cpu.PackedWeight:
    if format == "bf16":
        return cpu.pack([("F32", rng.standard_normal((rows, columns), np.float32))], columns, format)
    blocks = rng.integers(0, 256, (rows, columns // 32, _GROUP_BYTES[format]), np.uint8)
    blocks[..., 1] = 0x24  # scales of about 0.02, and minima of either sign
    if format == "q4_1":
        blocks[..., 3] = blocks[..., 3] & 0x80 | 0x28
    return cpu.pack([(format.upper(), blocks.reshape(rows, -1))], columns, format)


def _check(level: str, weight: cpu.PackedWeight) -> None:
    x = np.random.default_rng(2).standard_normal((17, weight.columns)).astype(np.float32)
    got, expected = cpu.matmul(level, weight, x), cpu.matmul("generic", weight, x)
    np.testing.assert_allclose(got, expected, atol=1e-4 * np.abs(expected).max())

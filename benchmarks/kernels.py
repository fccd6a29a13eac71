"""How fast the native products are, per weight format and number of tokens, against what the machine can do.

    python benchmarks/kernels.py --hardware epyc-milan-2c --write

A row is one matrix and one number of tokens, computed by `--threads` threads side by side, each with its share of the
rows. Few tokens are bound by memory: copies of the matrix, larger together than any cache, take turns, and the
rate at which weights go by stands beside the measured rate of plain reading. Many are bound by arithmetic: beside
them stands PyTorch's float32 product of the same shape. Quantising the inputs and making the output array count in.
Every product is checked against its definition before it is timed.
"""

from __future__ import annotations

import argparse
import datetime
import platform
import statistics
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from seatrial.kernels import cpu
from seatrial.trial.environment import read_environment

ROOT = Path(__file__).resolve().parents[1]
SHAPES = {"135M's gate and up": (576, 3072), "3B's gate and up": (2048, 22016)}
FORMATS = ("q4_0", "q4_1", "q8_0", "bf16")
FEW, MANY = (1, 2, 4, 8), (16, 32, 128, 512)
FEW_TOKENS_BYTES = 200 * 2**20  # weights that take turns: several times the largest cache
GROUP_BYTES = {"q4_0": 18, "q4_1": 20, "q8_0": 34}


class Row(NamedTuple):
    """Seconds of one product: median, least and most; multiply-adds and bytes of weights in it."""

    format: str
    shape: str
    tokens: int
    median_s: float
    least_s: float
    most_s: float
    num_products: int
    num_bytes: int


class Limits(NamedTuple):
    """Bytes read from memory and float32 multiply-adds by PyTorch, per second, all threads together."""

    read_bytes: float
    float_products: dict[str, float]


def main() -> None:
    """Parse, measure, print, and write the result file where asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hardware", default=platform.machine())
    parser.add_argument("--level", default=None, help=f"one of {', '.join(cpu.levels())}; the best by default")
    parser.add_argument("--formats", nargs="+", choices=FORMATS, default=FORMATS)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--write", action="store_true")
    args = parser.parse_args()
    level = args.level or cpu.levels()[0]
    limits = _limits(args.threads, args.repeats)
    rows = [
        row
        for name, (columns, num_rows) in SHAPES.items()
        for kind in args.formats
        for row in _rows(level, kind, name, columns, num_rows, args.threads, args.repeats)
    ]
    text = _markdown(rows, limits, level, args)
    print(text)
    if args.write:
        day = datetime.date.today().isoformat()
        path = ROOT / "benchmarks" / "results" / f"kernels-{level}_{args.hardware}_{day}.md"
        path.write_text(text)


def _limits(threads: int, repeats: int) -> Limits:
    torch.set_num_threads(threads)
    products = {}
    for name, (columns, rows) in SHAPES.items():
        x, weight = torch.randn(512, columns), torch.randn(rows, columns)

        def once(x: torch.Tensor = x, weight: torch.Tensor = weight) -> None:
            torch.nn.functional.linear(x, weight)

        products[name] = 512 * columns * rows / statistics.median(_times(once, repeats))
    return Limits(cpu.read_bandwidth(threads), products)


def _rows(level: str, format: str, shape: str, columns: int, num_rows: int, threads: int, repeats: int) -> list[Row]:
    rng = np.random.default_rng(1)
    share = num_rows // threads // 16 * 16
    first = [_weight(rng, format, share, columns) for _ in range(threads)]
    num_bytes = sum(weight.num_bytes for weight in first)
    _check(level, first[0])
    turns = [first]
    while len(turns) * num_bytes < FEW_TOKENS_BYTES:
        turns.append([_weight(rng, format, share, columns) for _ in range(threads)])
    rows = []
    with _Side(threads) as side:
        for tokens in (*FEW, *MANY):
            x = rng.standard_normal((tokens, columns)).astype(np.float32)
            chosen = turns if tokens in FEW else turns[:1]

            def once(x: np.ndarray = x, chosen: list[list[cpu.PackedWeight]] = chosen) -> None:
                side.run(lambda thread: [cpu.matmul(level, weights[thread], x) for weights in chosen])

            times = [elapsed / len(chosen) for elapsed in _times(once, repeats)]
            median_s, num_products = statistics.median(times), tokens * columns * share * threads
            rows.append(Row(format, shape, tokens, median_s, min(times), max(times), num_products, num_bytes))
    return rows


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


def _times(once: Callable[[], None], repeats: int) -> list[float]:
    once()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        once()
        times.append(time.perf_counter() - start)
    return times


def _weight(rng: np.random.Generator, format: str, rows: int, columns: int) -> cpu.PackedWeight:
    if format == "bf16":
        return cpu.pack([("F32", rng.standard_normal((rows, columns), np.float32))], columns, format)
    blocks = rng.integers(0, 256, (rows, columns // 32, GROUP_BYTES[format]), np.uint8)
    blocks[..., 1] = 0x24  # scales of about 0.02, and minima of either sign
    if format == "q4_1":
        blocks[..., 3] = blocks[..., 3] & 0x80 | 0x28
    return cpu.pack([(format.upper(), blocks.reshape(rows, -1))], columns, format)


def _check(level: str, weight: cpu.PackedWeight) -> None:
    x = np.random.default_rng(2).standard_normal((17, weight.columns)).astype(np.float32)
    got, expected = cpu.matmul(level, weight, x), cpu.matmul("generic", weight, x)
    np.testing.assert_allclose(got, expected, atol=1e-4 * np.abs(expected).max())


def _markdown(rows: list[Row], limits: Limits, level: str, args: argparse.Namespace) -> str:
    where = read_environment(datetime.datetime.now)
    lines = [
        f"# Products of the `{level}` level, {args.hardware}, {datetime.date.today().isoformat()}",
        "",
        f"`python benchmarks/kernels.py`, Python {platform.python_version()}, torch {torch.__version__}, {where.cpu}, "
        f"{args.threads} threads. Median of {args.repeats} (least to most).",
        "",
        f"- reading memory: {limits.read_bytes / 1e9:.1f} GB/s",
        *(
            f"- PyTorch's float32 product, 512 tokens, {name}: {rate / 1e9:.0f} G multiply-adds/s"
            for name, rate in limits.float_products.items()
        ),
        "",
        "| matrix | format | tokens | ms | G multiply-adds/s | of float32's | weights, GB/s | of reading |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        rate, weights = row.num_products / row.median_s, row.num_bytes / row.median_s
        spread = f"{row.median_s * 1e3:.3g} ({row.least_s * 1e3:.3g} to {row.most_s * 1e3:.3g})"
        memory = f"{weights / 1e9:.1f} | {weights / limits.read_bytes:.0%}" if row.tokens in FEW else "– | –"
        lines.append(
            f"| {row.shape} | {row.format} | {row.tokens} | {spread} | {rate / 1e9:.0f} | "
            f"{rate / limits.float_products[row.shape]:.2f} × | {memory} |"
        )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()

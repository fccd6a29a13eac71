"""How fast the native products are, per weight format and number of tokens, against what the machine can do.

    python benchmarks/kernels.py --hardware epyc-milan-2c --write

A row is one matrix and one number of tokens, computed by `--threads` threads side by side, each with its share of the
rows. Few tokens are bound by memory: copies of the matrix, larger together than any cache, take turns, and the
rate at which weights go by stands beside the measured rate of plain reading. Many are bound by arithmetic: beside
them stands PyTorch's float32 product of the same shape. Every product is checked before it is timed.
"""

from __future__ import annotations

import argparse
import datetime
import os
import platform
import statistics
import sys
from pathlib import Path
from typing import NamedTuple

import torch

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "benchmarks" / "peers"))

from omissions import missing_levels  # noqa: E402
from process import measured_limits  # noqa: E402
from products import SHAPES, Product, measure_products, times_of  # noqa: E402

from seatrial.kernels import cpu  # noqa: E402
from seatrial.trial.environment import read_environment  # noqa: E402

FORMATS = ("q4_0", "q4_1", "q8_0", "bf16")
TOKENS = (1, 2, 4, 8, 16, 32, 128, 512)
_BOUND_BY_MEMORY = 8


class Limits(NamedTuple):
    """Bytes read from memory, float32 multiply-adds by PyTorch, operations from registers: per second, all threads."""

    read_bytes: float
    float_products: dict[str, float]
    operations: dict[str, float]

    def multiply_adds(self, format: str) -> float | None:
        """The most that the instructions for a format could do; None where that was not measured."""
        starts = ("float32", "bf16") if format == "bf16" else ("int8",)
        return max((rate / 2 for name, rate in self.operations.items() if name.startswith(starts)), default=None)


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
    args.load = os.getloadavg()
    level = args.level or cpu.levels()[0]
    limits = _limits(args.threads, args.repeats)
    rows = [
        product
        for shape in SHAPES
        for kind in args.formats
        for product in measure_products(level, kind, shape, TOKENS, threads=args.threads, repeats=args.repeats)
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

        products[name] = 512 * columns * rows / statistics.median(times_of(once, repeats))
    return Limits(cpu.read_bandwidth(threads), products, measured_limits(threads))


def _markdown(rows: list[Product], limits: Limits, level: str, args: argparse.Namespace) -> str:
    where = read_environment(datetime.datetime.now)
    lines = [
        f"# Products of the `{level}` level, {args.hardware}, {datetime.date.today().isoformat()}",
        "",
        f"`python benchmarks/kernels.py`, Python {platform.python_version()}, torch {torch.__version__}, {where.cpu}, "
        f"{args.threads} threads, load averages before: {', '.join(f'{value:.1f}' for value in args.load)}. "
        f"Median of {args.repeats} (least to most).",
        "",
        f"- reading memory: {limits.read_bytes / 1e9:.1f} GB/s",
        *(
            f"- PyTorch's float32 product, 512 tokens, {name}: {rate / 1e9:.0f} G multiply-adds/s"
            for name, rate in limits.float_products.items()
        ),
        f"- multiplication from registers: {_registers(limits) or 'not measured'}",
        "",
        "| matrix | format | tokens | ms | G multiply-adds/s | of float32's | of registers' | weights, GB/s | read |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        rate, weights = row.operations_per_s / 2, row.bytes_per_s
        median, least, most = (_milliseconds(value) for value in (row.median_s, row.least_s, row.most_s))
        memory = (
            f"{weights / 1e9:.1f} | {weights / limits.read_bytes:.0%}" if row.tokens <= _BOUND_BY_MEMORY else "– | –"
        )
        possible = limits.multiply_adds(row.format)
        share = f"{rate / possible:.0%}" if possible else "–"
        lines.append(
            f"| {row.shape} | {row.format} | {row.tokens} | {median} ({least} to {most}) | {rate / 1e9:.0f} | "
            f"{rate / limits.float_products[row.shape]:.2f} × | {share} | {memory} |"
        )
    return "\n".join([*lines, "", *(f"- {missing}" for missing in missing_levels())]).rstrip() + "\n"


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1e3:,.0f}" if seconds >= 0.1 else f"{seconds * 1e3:.3g}"


def _registers(limits: Limits) -> str:
    return ", ".join(f"{name} {rate / 2e9:,.0f} G multiply-adds/s" for name, rate in limits.operations.items())


if __name__ == "__main__":
    main()

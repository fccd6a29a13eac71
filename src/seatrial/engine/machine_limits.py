"""What this machine can do, measured: how fast all threads together read memory, and how fast they multiply matrices.

In: a device, a level of the native kernels where there is one, a number of threads and a clock. Out: `Limits`. The
matrix rates are those of large products alone, data at hand: what a pass of a model could reach if it did nothing
else. They are reached, not theoretical; a machine's data sheet says more.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch

from seatrial.engine.bench_report import Limits
from seatrial.engine.timing import Clock
from seatrial.kernels import cpu
from seatrial.models.devices import Device
from seatrial.models.precision import Format

_LONGEST_S = 0.5
_READ_BYTES = 256 << 20
_TORCH_SIZES = {torch.float32: 1024, torch.bfloat16: 512, torch.float16: 1024}
# A product whose weights stay in a core's own cache.
_TOKENS, _ROWS, _COLUMNS = 256, 512, 1024


def measure_limits(
    device: Device, *, level: str | None, formats: tuple[Format, ...], threads: int, clock: Clock
) -> Limits:
    """Measure for about a second.

    `level` is None where the plain path computes; `formats` are those of the model's matrices.
    """
    torch.set_num_threads(threads)
    rates = {f"torch {_name(dtype)}": _torch_rate(dtype, device, clock) for dtype in _dtypes(device)}
    if level is not None:
        rates |= {f"{level} {kind}": _native_rate(level, kind, threads, clock) for kind in formats}
    return Limits(_read_rate(device, level, threads, clock), rates)


def _read_rate(device: Device, level: str | None, threads: int, clock: Clock) -> float:
    """Bytes a second: the kernels' own measure, or a sum over a large tensor."""
    if level is not None:
        return cpu.read_bandwidth(threads)
    values = torch.ones(_READ_BYTES // 4, device=device)
    return _READ_BYTES / _fastest(lambda: values.sum().item(), clock)


def _torch_rate(dtype: torch.dtype, device: Device, clock: Clock) -> float:
    size = _TORCH_SIZES[dtype] * (4 if device == "cuda" else 1)
    left, right = (torch.randn(size, size, device=device).to(dtype) for _ in range(2))
    return 2 * size**3 / _fastest(lambda: (left @ right)[0, 0].item(), clock)


def _native_rate(level: str, format: Format, threads: int, clock: Clock) -> float:
    """Each thread its own product, so that all cores are busy whatever one call does."""
    generator = np.random.default_rng(0)
    numbers = generator.standard_normal((_ROWS, _COLUMNS), np.float32)
    weights = [cpu.pack([("F32", numbers)], _COLUMNS, format) for _ in range(threads)]
    inputs = [generator.standard_normal((_TOKENS, _COLUMNS), np.float32) for _ in range(threads)]
    with ThreadPoolExecutor(threads) as pool:

        def multiply() -> None:
            for _ in pool.map(lambda thread: cpu.matmul(level, weights[thread], inputs[thread]), range(threads)):
                pass

        return threads * 2 * _TOKENS * _ROWS * _COLUMNS / _fastest(multiply, clock)


def _fastest(work: Callable[[], object], clock: Clock) -> float:
    """Seconds of the fastest of as many calls as there is time for, after one that is not counted."""
    work()
    begin = clock()
    best, end = float("inf"), begin
    while end - begin < _LONGEST_S:
        start = clock()
        work()
        end = clock()
        best = min(best, end - start)
    return best


def _dtypes(device: Device) -> tuple[torch.dtype, ...]:
    return (torch.float32, torch.float16) if device == "mps" else (torch.float32, torch.bfloat16)


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")

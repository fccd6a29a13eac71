"""Which device a model runs on, in which number format the plain path computes, and how much memory is free.

`auto` takes the fastest format that gives right answers on this machine. Measured with plain PyTorch products of the
135M model's largest layer on two AVX2 cores: bfloat16, for which they have no instructions, reaches 16 GFLOP/s where
float32 reaches 137 at 512 tokens, and takes 1.8 ms instead of 0.8 at 8; only a lone token gains (0.26 instead of
0.51 ms, half the bytes). So float32 there. With AMX or AVX-512 BF16 bfloat16 is the faster one throughout. CUDA takes
bfloat16 where the card has it, Apple's `mps` float16; a model that fits memory only in bfloat16 takes that.
`int8` and `int4` are the native kernels' (see `precision`); the plain path has no product for them.
"""

from __future__ import annotations

import os
from pathlib import Path

import torch

from seatrial.errors import NotRunnable, UnknownName
from seatrial.models.precision import dtype_by_name

_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
_CGROUPS = Path("/sys/fs/cgroup")
_DEVICES = ("auto", "cpu", "cuda", "mps")


def choose_device(name: str) -> torch.device:
    """`auto` takes CUDA, then Apple's, then the CPU. Raises UnknownName or NotRunnable."""
    if name not in _DEVICES:
        raise UnknownName("device", name, _DEVICES)
    has = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        return torch.device(next(device for device in ("cuda", "mps", "cpu") if has[device]))
    if not has[name]:
        raise NotRunnable(f"This machine, or this build of PyTorch, has no `{name}`.", 'Use device "cpu" or "auto".')
    return torch.device(name)


def choose_dtype(name: str, device: torch.device, num_weights: int, model: str) -> torch.dtype:
    """The plain path's dtype by name (`float32`, `bf16`, …) or `auto`.

    Raises UnknownName, or NotRunnable for `int8` and `int4`, and where memory cannot hold the weights.
    """
    name = dtype_by_name(name)
    if name != "auto" and name not in _DTYPES:
        raise NotRunnable(
            f"`{model}` runs as `{name}` on the native CPU kernels alone, and they are not in use here.",
            "Ask for dtype `auto` or `bfloat16`.",
        )
    dtype = _fastest(device) if name == "auto" else _DTYPES[name]
    free = free_bytes(device)
    if name == "auto" and free is not None and num_weights * dtype.itemsize > free:
        dtype = torch.bfloat16 if dtype == torch.float32 else dtype
    needed = num_weights * dtype.itemsize
    if free is not None and needed > free:
        raise NotRunnable(
            f"The weights of `{model}` take {needed / 1e9:.1f} GB as {str(dtype).removeprefix('torch.')}; "
            f"{free / 1e9:.1f} GB are free on {device.type}.",
            "Free memory, or take a smaller model.",
        )
    return dtype


def free_bytes(device: torch.device) -> int | None:
    """Memory that can still be taken, or None where the system does not say. A container's own limit counts."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    said = [free for free in (_machine_free(), _container_free(_CGROUPS)) if free is not None]
    return min(said, default=None)


def _machine_free() -> int | None:
    try:
        with open("/proc/meminfo", encoding="ascii") as lines:
            available = next(line for line in lines if line.startswith("MemAvailable:"))
        return int(available.split()[1]) * 1024
    except (OSError, StopIteration, ValueError):
        pass
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError, AttributeError):
        return None


def _container_free(root: Path) -> int | None:
    """What the control group at `root` leaves, version 2 or 1; None where it sets no limit.

    Pages of files that were read and could be dropped are not counted as taken.
    """
    for folder, limit, taken, droppable in (
        (root, "memory.max", "memory.current", "inactive_file"),
        (root / "memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
    ):
        try:
            statistics = dict(line.split() for line in (folder / "memory.stat").read_text("ascii").splitlines())
            used = int((folder / taken).read_text("ascii")) - int(statistics.get(droppable, "0"))
            return max(0, int((folder / limit).read_text("ascii")) - used)
        except (OSError, ValueError):  # absent, or "max"
            continue
    return None


def _fastest(device: torch.device) -> torch.dtype:
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
    if device.type == "mps":
        return torch.float16
    return torch.bfloat16 if _multiplies_bfloat16() else torch.float32


def _multiplies_bfloat16() -> bool:
    """Whether the CPU has instructions that multiply bfloat16 (AVX-512 BF16 or AMX)."""
    probes = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(bool(getattr(torch.cpu, probe, lambda: False)()) for probe in probes)

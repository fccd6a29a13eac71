"""Which device a model runs on, and how much memory it has free. PyTorch is loaded only where there may be a GPU."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Literal, cast

from seatrial.errors import NotRunnable, UnknownName

Device = Literal["cpu", "cuda", "mps"]

_CGROUPS = Path("/sys/fs/cgroup")
_DEVICES = ("auto", "cpu", "cuda", "mps")
# What Linux shows of a GPU that PyTorch could use: NVIDIA's driver, AMD's, and Windows' own below WSL.
_GPU_FILES = tuple(map(Path, ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg")))


def choose_device(name: str) -> Device:
    """`auto` takes CUDA, then Apple's, then the CPU. Raises UnknownName or NotRunnable."""
    if name not in _DEVICES:
        raise UnknownName("device", name, _DEVICES)
    if name == "cpu" or (name == "auto" and not _may_have_gpu()):
        return "cpu"
    import torch

    has = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        name = next(device for device in has if has[device])
    if not has[name]:
        raise NotRunnable(f"This machine, or this build of PyTorch, has no `{name}`.", 'Use device "cpu" or "auto".')
    return cast(Device, name)


def free_bytes(device: Device) -> int | None:
    """Memory that can still be taken, or None where the system does not say.

    A container's own limit counts, and the process's (`ulimit -v`).
    """
    if device == "cuda":
        import torch

        return int(torch.cuda.mem_get_info(device)[0])
    said = [free for free in (_machine_free(), _container_free(_CGROUPS), _process_free()) if free is not None]
    return min(said, default=None)


def _may_have_gpu() -> bool:
    return sys.platform != "linux" or any(path.exists() for path in _GPU_FILES)


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


def _process_free() -> int | None:
    """What the limit of the address space leaves this process; None where there is none."""
    try:
        import resource

        limit = resource.getrlimit(resource.RLIMIT_AS)[0]
        with open("/proc/self/statm", encoding="ascii") as file:
            taken = int(file.read().split()[0]) * resource.getpagesize()
    except (ImportError, OSError, ValueError):  # no such limits, or no such file: not Linux
        return None
    return None if limit == resource.RLIM_INFINITY else max(0, limit - taken)

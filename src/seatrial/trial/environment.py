"""Where a trial runs: the machine and the versions of what answers. Read without importing any of it.

Comes in: the clock. Goes out: an `Environment`, kept with the run, since a latency means nothing without its machine.
"""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime
from importlib import metadata
from pathlib import Path

from seatrial.trial.record import Environment

_PACKAGES = ("seatrial", "torch", "tokenizers", "aiohttp", "scikit-learn")


def read_environment(now: Callable[[], datetime]) -> Environment:
    """This machine, as a session that starts `now` finds it. Memory in bytes, 0 where the system does not tell."""
    return Environment(
        started_at=now(),
        platform=platform.platform(),
        cpu=_cpu(),
        num_cpus=_num_cpus(),
        memory_bytes=_memory_bytes(),
        accelerator=_accelerator(Path("/proc/driver/nvidia/gpus")),
        versions=_versions(),
    )


def _cpu() -> str:
    if sys.platform == "darwin":
        command = ["/usr/sbin/sysctl", "-n", "machdep.cpu.brand_string"]
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip() or platform.machine()
    name = re.search(r"^model name\s*:\s*(.+)$", _text(Path("/proc/cpuinfo")), re.MULTILINE)
    return name[1].strip() if name else platform.processor() or platform.machine()


def _num_cpus() -> int:
    """The cores that this process may use, which a container or `taskset` can make fewer than there are."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _memory_bytes() -> int:
    """The machine's memory, or the container's share of it where that is less."""
    try:
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError, AttributeError):
        return 0
    limit = _text(Path("/sys/fs/cgroup/memory.max")).strip()
    return min(total, int(limit)) if limit.isdigit() else total


def _accelerator(drivers: Path) -> str | None:
    """The first NVIDIA GPU by name, as its driver tells it."""
    for information in sorted(drivers.glob("*/information")):
        model = re.search(r"^Model:\s*(.+)$", _text(information), re.MULTILINE)
        if model:
            return model[1].strip()
    return None


def _versions() -> dict[str, str]:
    versions = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return versions


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""

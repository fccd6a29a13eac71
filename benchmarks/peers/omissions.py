"""What a run on this machine cannot show, found out and not written by hand.

In: the CPU's flags, the levels that the kernels were built for, what was asked for. Out: sentences for a result file.
"""

from __future__ import annotations

import platform
from collections.abc import Sequence
from pathlib import Path

from seatrial.kernels import cpu

# What a level needs of a CPU, by the architecture that it belongs to; names as Linux has them.
_NEEDED = {
    "x86_64": {
        "amx": ("amx_tile", "amx_int8", "amx_bf16"),
        "avx512": ("avx512f", "avx512bw", "avx512vl", "avx512_vnni"),
        "avx2": ("avx2", "fma", "f16c"),
    },
    "aarch64": {"neon": ("asimd", "asimddp")},
}
_BF16_FLAGS = ("avx512_bf16", "amx_bf16", "bf16")
_ELSEWHERE = {
    "three workloads on smollm2-135m": "commands.py --main",
    "a soak of 10 minutes": "soak.py",
    "32k tokens": "long_context.py",
    "each product by itself": "kernels.py",
}


def missing_levels() -> list[str]:
    """A sentence for each level of the kernels that did not run here, with what keeps it from it."""
    here, flags, lines = platform.machine(), cpu_flags(), []
    for architecture, levels in _NEEDED.items():
        for level, needed in levels.items():
            if level in cpu.levels():
                continue
            absent = [flag for flag in needed if flag not in flags]
            if architecture != here:
                reason = f"it is for {architecture}, and this is {here}"
            elif absent:
                reason = f"this CPU has no {', '.join(f'`{flag}`' for flag in absent)}"
            else:
                reason = "this CPU could, but the kernels were built without it"
            lines.append(f"Level `{level}` was not measured: {reason}.")
    return lines


def aims_elsewhere(level: str) -> list[str]:
    """What the aims stand for where `level` is not the one that they were set on."""
    if level == "amx":
        return []
    return [
        f"The aims were set for two cores with AMX, as multiples of llama.cpp there. This is another level, `{level}`, "
        "beside llama.cpp built for this very CPU, in the same run."
    ]


def left_out(without: Sequence[str], models: Sequence[str], known_models: Sequence[str], *, peers: bool) -> list[str]:
    """What was not asked for, and where other rows are measured."""
    lines = [] if peers else ["Other engines were not asked for (`--peers`)."]
    for name in without:
        slow = name == "transformers bf16" and not any(flag in cpu_flags() for flag in _BF16_FLAGS)
        reason = ", and this CPU has no instruction that multiplies bfloat16" if slow else ""
        lines.append(f"{name}: left out (`--without`){reason}.")
    absent = [name for name in known_models if name not in models]
    lines += [f"Models left out (`--models`): {', '.join(absent)}."] if absent else []
    others = ", ".join(f"{what} by `benchmarks/{command}`" for what, command in _ELSEWHERE.items())
    return [*lines, f"Measured elsewhere: {others}."]


def cpu_flags() -> frozenset[str]:
    """What the first core says that it can do; nothing where the system does not tell."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return frozenset()
    words = (line.partition(":")[2].split() for line in lines if line.startswith(("flags", "Features")))
    return frozenset(next(words, []))

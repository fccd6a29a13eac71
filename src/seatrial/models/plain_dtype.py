"""In which number format the plain path computes.

`auto` takes the fastest format that gives right answers on this machine. Measured with plain PyTorch products of the
135M model's largest layer on two AVX2 cores: bfloat16, for which they have no instructions, reaches 16 GFLOP/s where
float32 reaches 137 at 512 tokens, and takes 1.8 ms instead of 0.8 at 8; only a lone token gains (0.26 instead of
0.51 ms, half the bytes). So float32 there. With AMX or AVX-512 BF16 bfloat16 is the faster one throughout. CUDA takes
bfloat16 where the card has it, Apple's `mps` float16; a model that fits memory only in bfloat16 takes that.
`int8` and `int4` are the native kernels' (see `precision`); the plain path has no product for them.
"""

from __future__ import annotations

import torch

from seatrial.errors import NotRunnable
from seatrial.models.devices import Device, free_bytes
from seatrial.models.precision import dtype_by_name

_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def choose_dtype(name: str, device: Device, num_weights: int, model: str) -> torch.dtype:
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
            f"{free / 1e9:.1f} GB are free on {device}.",
            "Free memory, or take a smaller model.",
        )
    return dtype


def _fastest(device: Device) -> torch.dtype:
    if device == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
    if device == "mps":
        return torch.float16
    return torch.bfloat16 if _multiplies_bfloat16() else torch.float32


def _multiplies_bfloat16() -> bool:
    """Whether the CPU has instructions that multiply bfloat16 (AVX-512 BF16 or AMX)."""
    probes = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(bool(getattr(torch.cpu, probe, lambda: False)()) for probe in probes)

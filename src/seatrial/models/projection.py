"""One matrix of the model, laid out once for the machine that multiplies by it.

On x86 CPUs oneDNN keeps the matrix in its own blocked order. Measured for the 135M model's largest layer on two AVX2
cores: 1.0 ms instead of 2.9 ms at 8 tokens, 25 instead of 29 at 512, the same at one; the output matrix at 8 tokens
14 instead of 51 ms. Everywhere else PyTorch's own product is used.

Shape suffixes: T tokens, I input size, O output size.
"""

from __future__ import annotations

import platform

import torch
import torch.nn.functional as F

# The number of tokens oneDNN picks its order for; this one serves small and large numbers alike.
_TYPICAL_TOKENS = 64
_PACKABLE = (torch.float32, torch.bfloat16)


class Projection:
    """Multiplies rows by the transpose of a weight: [T, I] to [T, O]."""

    def __init__(self, weight_OI: torch.Tensor) -> None:
        self.packed = _packed(weight_OI)
        self.weight_OI = weight_OI if self.packed is None else None

    def __call__(self, x_TI: torch.Tensor) -> torch.Tensor:
        """The product, in the dtype of the weight."""
        if self.weight_OI is not None:
            return F.linear(x_TI, self.weight_OI)
        product_TO: torch.Tensor = torch.ops.mkldnn._linear_pointwise(x_TI, self.packed, None, "none", [], "")
        return product_TO


def _packed(weight_OI: torch.Tensor) -> torch.Tensor | None:
    """The weight in oneDNN's order, or None where that is not to be had."""
    here = weight_OI.device.type == "cpu" and platform.machine().lower() in ("x86_64", "amd64")
    if not here or weight_OI.dtype not in _PACKABLE or not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return None
    try:
        packed: torch.Tensor = torch.ops.mkldnn._reorder_linear_weight(weight_OI.contiguous(), _TYPICAL_TOKENS)
    except (RuntimeError, AttributeError):  # bfloat16 without AVX-512, or a build without the operation
        return None
    return packed

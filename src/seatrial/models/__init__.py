"""The SmolLM family in PyTorch: configuration, weights, tokenizer, chat template, decoder, and where models are kept.

`Model` is imported when it is first asked for, so that `seatrial.models.store` works without torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from seatrial.models.model import Model

__all__ = ["Model"]


def __getattr__(name: str) -> Any:
    if name != "Model":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from seatrial.models.model import Model

    return Model

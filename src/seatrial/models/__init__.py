"""The SmolLM family in PyTorch: configuration, weights, tokenizer, chat template, decoder, and where models are kept.

`Model` and `Settings` are imported when first asked for, so that `seatrial.models.store` works without torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from seatrial.models.generate import Settings
    from seatrial.models.model import Model

__all__ = ["Model", "Settings"]


def __getattr__(name: str) -> Any:
    if name == "Model":
        from seatrial.models.model import Model

        return Model
    if name == "Settings":
        from seatrial.models.generate import Settings

        return Settings
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

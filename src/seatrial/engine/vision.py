"""What turns tiles of pictures into rows that a decoder takes for embeddings, and which implementation does it.

In: a checkpoint with eyes. Out: a `VisionEncoder`: our CPU kernels where they can, plain PyTorch elsewhere, None for a
model of text alone.

Shape suffixes: N tiles, C colours, H and W pixels, P rows of a tile (`tokens_per_tile`), D hidden size of the decoder.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from seatrial.errors import NotRunnable
from seatrial.models.devices import choose_device, free_bytes
from seatrial.models.precision import dtype_by_name
from seatrial.models.vision_config import VisionConfig

if TYPE_CHECKING:
    from seatrial.models.checkpoint import Checkpoint, VisionParts

_log = logging.getLogger(__name__)


class VisionEncoder(Protocol):
    """Computes tiles; holds weights and no state of any picture. Not for two threads at once."""

    @property
    def config(self) -> VisionConfig:
        """The encoder's and connector's sizes."""
        ...

    def encode(self, tiles_NCHW: NDArray[np.float32]) -> NDArray[np.float32]:
        """Rows of normalised tiles, [N, P, D]. Each tile is seen alone: how they are batched does not matter."""
        ...

    def close(self) -> None:
        """Let go of weights and threads."""
        ...


def open_vision(
    checkpoint: Checkpoint,
    *,
    dtype: str = "auto",
    threads: int | None = None,
    device: str = "auto",
    name: str,
    level: str | None = None,
) -> VisionEncoder | None:
    """An encoder for the checkpoint, or None where it has no eyes; `name` is what messages call the model.

    `dtype`, `device`, `threads` and `level` as for `open_runner`; `int4` and `int8` mean 8 bits here, and where the
    kernels are not in use, what `auto` means.

    Raises UnknownName, NotRunnable (a device that is not here, or memory), CheckpointError.
    """
    if checkpoint.vision is None:
        return None
    asked, chosen_device = dtype_by_name(dtype), choose_device(device)
    if chosen_device == "cpu" and asked not in ("float32", "float16"):
        _check_memory(checkpoint.vision, asked, name)
        from seatrial.engine.native_vision import open_native_vision
        from seatrial.engine.opening import usable_cores

        native = open_native_vision(checkpoint.vision, dtype=asked, threads=threads or usable_cores(), level=level)
        if native is not None:
            return native
        _log.info("%s sees in plain PyTorch", name)
    from seatrial.engine.torch_vision import open_plain_vision

    plain = "auto" if asked in ("int4", "int8") else asked
    return open_plain_vision(checkpoint.vision, dtype=plain, device=chosen_device, name=name)


def _check_memory(parts: VisionParts, dtype: str, name: str) -> None:
    """Raise NotRunnable where not even 8 bits a weight fit, or 16 where they are asked for."""
    needed, free = parts.num_weights * (2 if dtype == "bfloat16" else 1), free_bytes("cpu")
    if free is not None and needed > free:
        raise NotRunnable(
            f"The picture encoder of `{name}` takes {needed / 1e9:.1f} GB; {free / 1e9:.1f} GB are free.",
            "Free memory, or take a smaller model.",
        )

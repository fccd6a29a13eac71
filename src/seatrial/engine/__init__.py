"""The engine: many answers at once from one model, over a paged cache that remembers what prompts have in common.

    request     what is asked, what is told                        (torch-free)
    blocks      blocks of the cache, shared by content             (torch-free)
    scheduler   what each pass computes                            (torch-free)
    runner      the boundary to the model: torch_runner, native_runner
    vision      what turns tiles of pictures into rows: torch_vision, native_vision
    picture_*   pictures of prompts: their text, their place in the queue, their rows  (torch-free)
    sampler     which token comes next; grammar and speculation beside it
    answer      one answer's own state
    loop        the step loop; `step` makes the arrays of a pass, `metrics` counts
    service     the loop behind a thread, for asynchronous callers
    model       `Model.from_pretrained`, the short way

`Model` and `SamplingParams` are imported when first asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from seatrial.engine.model import Model
    from seatrial.engine.request import SamplingParams

__all__ = ["Model", "SamplingParams"]


def __getattr__(name: str) -> Any:
    if name == "Model":
        from seatrial.engine.model import Model

        return Model
    if name == "SamplingParams":
        from seatrial.engine.request import SamplingParams

        return SamplingParams
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

"""A damaged checkpoint as a user meets it: opened, packed for the kernels, asked once.

Out: a word for what became of it. Whatever is wrong, only errors of `seatrial.errors` may come out, those of loading
with the file's name; anything else is raised on as it is.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from seatrial.chat import message
from seatrial.engine.model import Model
from seatrial.engine.request import SamplingParams
from seatrial.errors import SeatrialError

PARAMS = SamplingParams(max_tokens=2)


def load_and_ask(path: Path, **how: Any) -> str:
    """`answered`, `no answer` (loaded, and then refused the request or failed it by name), or the error of loading."""
    refusal: SeatrialError | None = None
    try:
        model = Model.from_pretrained(path, device="cpu", threads=1, max_sequences=1, **how)
    except SeatrialError as error:
        refusal = error
    if refusal is not None:
        assert str(path) in str(refusal), f"does not name the file: {refusal}"
        assert str(refusal).isprintable(), f"not one line of text: {refusal!r}"
        return type(refusal).__name__
    try:
        prompt = [message("user", "hello")] if model.checkpoint.chat_template else "hello"
        model.generate(prompt, PARAMS)
    except SeatrialError as error:
        refusal = error
    finally:
        model.runner.close()
    if refusal is None:
        return "answered"
    assert "failed while it computed" not in str(refusal), f"not foreseen: {refusal}"
    return "no answer"

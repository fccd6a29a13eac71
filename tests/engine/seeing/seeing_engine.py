"""Engines that see, for tests: prompts with pictures of noise, an encoder that counts, answers gathered."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from seatrial.chat import ImagePart, Message, TextPart, message
from seatrial.engine import Model, SamplingParams
from seatrial.engine.loop import Engine, EngineLimits
from seatrial.engine.picture_prompt import ReadPrompt
from seatrial.engine.request import Gain

HOW = SamplingParams(max_tokens=8)
ON = SamplingParams(max_tokens=8, ignore_eos=True)

Prompt = list[Message]


class Seeing(NamedTuple):
    folder: Path
    reference: Any


def picture(seed: int, width: int = 100, height: int = 60, detail: Any = "auto") -> ImagePart:
    """Noise; of 100 x 60 pixels 3 rows of 4 tiles and the whole view: 52 rows of numbers."""
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "png")
    return ImagePart(file.getvalue(), "image/png", detail)


def asked(*parts: str | ImagePart) -> Prompt:
    return [Message("user", tuple(TextPart(part) if isinstance(part, str) else part for part in parts))]


PROMPTS: dict[str, Prompt] = {
    "picture first": asked(picture(1), "what is this"),
    "picture last": asked("what is this ", picture(2, 60, 100)),
    "one tile": asked(picture(3, detail="low"), "hello"),
    "two": asked("compare ", picture(1), " and ", picture(4, 128, 64), " well"),
    "the same twice": asked(picture(5, 40, 90), " or ", picture(5, 40, 90), "?"),
    "text": [message("user", "hello world")],
    "a conversation": [
        *asked(picture(6), "hello"),
        message("assistant", "well"),
        *asked("and now ", picture(7, 20, 20, "low")),
    ],
}


class Watched:
    """An encoder that counts, takes `tile_s` seconds a tile by its own clock, and fails where it is told to."""

    def __init__(self, inner: Any, tile_s: float = 0.0) -> None:
        self.inner, self.config = inner, inner.config
        self.tile_s, self.now_s = tile_s, 0.0
        self.batches: list[int] = []
        self.fails: Callable[[NDArray[np.float32]], Exception | None] = lambda tiles: None
        self.spoils: Callable[[NDArray[np.float32]], bool] = lambda tiles: False

    def encode(self, tiles_NCHW: NDArray[np.float32]) -> NDArray[np.float32]:
        self.batches.append(len(tiles_NCHW))
        self.now_s += self.tile_s * len(tiles_NCHW)
        if error := self.fails(tiles_NCHW):
            raise error
        rows = np.array(self.inner.encode(tiles_NCHW))
        if self.spoils(tiles_NCHW):
            rows[-1, 0, 0] = np.nan
        return rows

    def close(self) -> None:
        self.inner.close()


def engine_of(model: Model, *, tile_s: float = 0.0, **limits: Any) -> tuple[Engine, Watched]:
    """An engine of its own over a model's runner and eyes."""
    eyes = Watched(model.vision, tile_s)
    settled = EngineLimits(**{"num_blocks": 64, "context_length": 512, "max_sequences": 4, **limits})
    stop_ids = model.config.stop_ids
    engine = Engine(
        model.runner, model.tokenizer, stop_ids, settled, name="tiny", vision=eyes, clock=lambda: eyes.now_s
    )
    return engine, eyes


def add(engine: Engine, key: int, prompt: ReadPrompt, how: SamplingParams = HOW) -> None:
    engine.add(key, prompt.token_ids, how, pictures=prompt.pictures)


def run(engine: Engine, gains: dict[int, list[Gain]] | None = None) -> dict[int, list[Gain]]:
    gains = {} if gains is None else gains
    while len(engine):
        for gain in engine.step():
            gains.setdefault(gain.key, []).append(gain)
    return gains


def ids(gains: list[Gain]) -> list[int | None]:
    return [gain.token_id for gain in gains]

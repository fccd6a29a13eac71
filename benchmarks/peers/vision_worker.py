"""Seatrial looking at a page: `python vision_worker.py FILE.gguf THREADS [LEVEL]`, with the eyes beside the file."""

from __future__ import annotations

import gc
import sys
import time

import numpy as np
from page import QUESTIONS, ROW_STEP, page_png, prompt_around
from worker import peak_bytes, serve

from seatrial.engine.model import Model
from seatrial.engine.native_vision import NativeVision
from seatrial.engine.request import SamplingParams
from seatrial.engine.runner import StepInput, StepPictures
from seatrial.models.pictures.preparing import PreparedPicture, prepare_picture

_ONE_TOKEN = SamplingParams(max_tokens=1, ignore_eos=True)
_CHUNK = 256


class SeatrialEyes:
    """One model that sees, and its engine. 4-bit text, 8-bit eyes."""

    def __init__(self, path: str, threads: int, level: str | None) -> None:
        self._path, self._threads, self._level = path, threads, level

    def load(self, context: int) -> dict[str, object]:
        """Open the model."""
        start = time.perf_counter()
        self._model = Model.from_pretrained(
            self._path, dtype="int4", threads=self._threads, level=self._level, max_sequences=1, context_length=context
        )
        self._engine = self._model.engine
        parts, eyes = self._model.checkpoint.vision, self._model.vision
        assert parts is not None
        assert isinstance(eyes, NativeVision)
        self._parts, self._eyes = parts, eyes
        return {"load_s": time.perf_counter() - start, "runner": f"level {eyes.level}"}

    def look(self, seed: int) -> dict[str, float]:
        """Seconds from a page's bytes to the first token of the first question, and of the second about the same."""
        data = page_png(seed)
        times_s = []
        for question in QUESTIONS:
            start = time.perf_counter()
            picture, ids = self._prompt(data, question)
            self._engine.add(0, ids, _ONE_TOKEN, pictures=[picture])
            while len(self._engine):
                self._engine.step()
            times_s.append(time.perf_counter() - start)
        return {"first_s": times_s[0], "second_s": times_s[1], "tokens": len(ids)}

    def scores(self, seed: int) -> list[float]:
        """The scores after the first question about a page, past the engine: for checks, before anything is timed."""
        picture, ids = self._prompt(page_png(seed), QUESTIONS[0])
        rows_ED = self._eyes.encode(picture.tiles_NCHW).reshape(-1, self._parts.config.text_hidden_size)
        places_E = np.flatnonzero(np.array(ids) == self._parts.config.image_token_id).astype(np.int32)
        for start in range(0, len(ids), _CHUNK):
            part = ids[start : start + _CHUNK]
            inside = (places_E >= start) & (places_E < start + len(part))
            pictures = StepPictures(places_E[inside] - np.int32(start), rows_ED[inside]) if inside.any() else None
            step = StepInput(
                tokens_T=np.asarray(part, np.int32),
                positions_T=np.arange(start, start + len(part), dtype=np.int32),
                starts_S1=np.array([0, len(part)], np.int32),
                tables_SB=np.arange(-(-(start + len(part)) // 16), dtype=np.int32)[None],
                rows_R=np.array([len(part) - 1], np.int32),
                pictures=pictures,
            )
            scores_RV = self._model.runner.forward(step)
        scores: list[float] = np.array(scores_RV[0]).tolist()
        return scores

    def rows(self, seed: int) -> list[list[float]]:
        """Some of the rows that a page becomes, evenly over all tiles, for checks."""
        picture, _ = self._prompt(page_png(seed), QUESTIONS[0])
        rows_ED = self._eyes.encode(picture.tiles_NCHW).reshape(-1, self._parts.config.text_hidden_size)
        some: list[list[float]] = rows_ED[::ROW_STEP].tolist()
        return some

    def encoder(self, num_tiles: int) -> dict[str, object]:
        """Seconds and multiply-adds of `num_tiles` tiles by themselves, and what large products alone reach here."""
        from seatrial.engine.machine_limits import measure_limits  # loads torch, which memory is measured without

        config = self._parts.config
        tiles = np.random.default_rng(1).uniform(-1, 1, (num_tiles, 3, config.image_size, config.image_size))
        start = time.perf_counter()
        self._eyes.encode(tiles.astype(np.float32))
        seconds = time.perf_counter() - start
        limits = measure_limits(
            "cpu", level=self._eyes.level, formats=("q8_0",), threads=self._threads, clock=time.perf_counter
        )
        return {"seconds": seconds, "parts": self._eyes.seconds, "rates": limits.matrix_rates}

    def memory(self) -> dict[str, int]:
        """The most that was resident, bytes."""
        return {"peak": peak_bytes()}

    def close(self) -> None:
        """Give everything back."""
        self._engine.close()
        del self._engine, self._model
        gc.collect()

    def _prompt(self, data: bytes, question: str) -> tuple[PreparedPicture, list[int]]:
        picture = prepare_picture(data, self._parts.config, self._parts.rules)
        return picture, self._model.tokenizer.encode(prompt_around(picture.text, question))


if __name__ == "__main__":
    serve(SeatrialEyes(sys.argv[1], int(sys.argv[2]), sys.argv[3] if len(sys.argv) > 3 else None))

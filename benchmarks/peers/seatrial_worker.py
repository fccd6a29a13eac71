"""Seatrial's engine as a worker: `python seatrial_worker.py FILE.gguf THREADS [LEVEL]`."""

from __future__ import annotations

import gc
import sys
import time

import numpy as np
from worker import negative_log_likelihood, peak_bytes, random_ids, seeds_of, serve

from seatrial.chat import message
from seatrial.engine.bench import COPIED, COPIED_TOKENS
from seatrial.engine.loop import Engine, EngineLimits
from seatrial.engine.model import Model
from seatrial.engine.pass_costs import model_bytes, prefill_operations, runner_name, step_bytes
from seatrial.engine.runner import BLOCK_TOKENS, StepInput
from seatrial.engine.timing import EngineTimer

_CHUNK = 256


class Seatrial:
    """One model, and one engine whose cache holds `positions` tokens."""

    def __init__(self, path: str, threads: int, level: str | None) -> None:
        self._path, self._threads, self._level = path, threads, level
        self._before = peak_bytes()

    def load(self, positions: int, sequences: int) -> dict[str, object]:
        """Open the model and answer a prompt of one token."""
        start = time.perf_counter()
        self._model = Model.from_pretrained(self._path, threads=self._threads, level=self._level)
        model = self._model
        limits = EngineLimits(-(-positions // BLOCK_TOKENS), model.config.context_length, max_sequences=sequences)
        self._engine = Engine(model.runner, model.tokenizer, model.config.stop_ids, limits, name=model.name)
        self._timer = EngineTimer(self._engine, time.perf_counter)
        self._timer.first_token([1])
        self._loaded = peak_bytes()
        return {"load_s": time.perf_counter() - start, "runner": runner_name(model.runner)}

    def greedy(self, ids: list[int], num_tokens: int) -> list[int]:
        """The continuation of a prompt."""
        return self._timer.answer(ids, num_tokens, speculate=False).token_ids

    def tokens(self, text: str) -> list[int]:
        """The ids of a text."""
        return self._model.tokenizer.encode(text)

    def last_scores(self, ids: list[int]) -> list[float]:
        """The scores after a prompt."""
        return self._scores(ids, 0, [len(ids) - 1])[0].tolist()

    def likelihood(self, ids: list[int]) -> float:
        """Mean -log p of each token but the first, given those before it."""
        total = 0.0
        for start in range(0, len(ids) - 1, _CHUNK):
            part = ids[start : min(start + _CHUNK, len(ids) - 1)]
            scores_TV = self._scores(part, start, list(range(len(part))))
            total += negative_log_likelihood(scores_TV, ids[start + 1 : start + 1 + len(part)])
        return total / (len(ids) - 1)

    def prefill(self, num_tokens: int, seed: int) -> float:
        """Seconds to the first token of a fresh prompt."""
        return self._timer.first_token(self._random(seed, num_tokens)).seconds

    def decode(self, batch: int, prompt: int, generate: int, seed: int) -> float:
        """Tokens a second of `batch` answers together."""
        prompts = [self._random(own, prompt) for own in seeds_of(seed, batch)]
        return self._timer.decode(prompts, generate)

    def prefix(self, shared: int, own: int, seed: int) -> dict[str, float]:
        """Seconds to the first token behind a cached prefix, and of the own tokens alone."""
        prefix = self._random(7, shared)
        self._timer.first_token([*prefix, *self._random(8, own)])
        first = self._timer.first_token([*prefix, *self._random(2 * seed + 10_000, own)])
        alone = self._timer.first_token(self._random(2 * seed + 10_001, own))
        return {"shared_s": first.seconds, "alone_s": alone.seconds, "num_cached": first.num_cached}

    def copying(self) -> dict[str, object]:
        """Tokens a second of an answer that repeats its prompt, without and with speculation."""
        asked = [message("user", f"Repeat the following text word for word.\n\n{COPIED}")]
        ids = self._model.prompt_ids(asked, thinking=False)
        plain, fast = (self._timer.answer(ids, COPIED_TOKENS, speculate=on) for on in (False, True))
        return {
            "plain": plain.tokens_per_s,
            "speculating": fast.tokens_per_s,
            "same": plain.token_ids == fast.token_ids,
            "drafted": fast.num_drafted,
            "accepted": fast.num_accepted,
        }

    def memory(self) -> dict[str, int]:
        """Weights, cache and the most that was resident, bytes: before loading, after it, and now."""
        cache = self._engine.limits.num_blocks * self._model.runner.block_bytes
        found = {"weights": model_bytes(self._model, "auto"), "cache": cache, "peak": peak_bytes()}
        return found | {"before": self._before, "loaded": self._loaded}

    def costs(self, prompts: list[int], batches: list[int], context: float) -> dict[str, object]:
        """What passes cost, by tokens of a prompt and answers at once: operations, and bytes that a decode step reads.

        `pair` is what attention takes for a token and one that it sees.
        """
        config = self._model.config
        return {
            "prompts": {str(count): prefill_operations(config, count) for count in prompts},
            "steps": {str(batch): step_bytes(self._model, "auto", batch, context) for batch in batches},
            "pair": 4 * config.num_layers * config.num_heads * config.head_dim,
        }

    def close(self) -> None:
        """Give everything back."""
        self._engine.close()
        del self._engine, self._timer, self._model
        gc.collect()

    def _random(self, seed: int, num_tokens: int) -> list[int]:
        return random_ids(seed, self._model.config.vocab_size, num_tokens)

    def _scores(self, ids: list[int], start: int, rows: list[int]) -> np.ndarray:
        """Scores of some tokens of one sequence, past the scheduler: for checks, before anything is timed."""
        num_blocks = -(-(start + len(ids)) // BLOCK_TOKENS)
        step = StepInput(
            tokens_T=np.asarray(ids, np.int32),
            positions_T=np.arange(start, start + len(ids), dtype=np.int32),
            starts_S1=np.array([0, len(ids)], np.int32),
            tables_SB=np.arange(num_blocks, dtype=np.int32)[None],
            rows_R=np.asarray(rows, np.int32),
        )
        return np.array(self._model.runner.forward(step))


if __name__ == "__main__":
    serve(Seatrial(sys.argv[1], int(sys.argv[2]), sys.argv[3] if len(sys.argv) > 3 else None))

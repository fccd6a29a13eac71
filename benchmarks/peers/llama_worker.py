"""llama.cpp as a worker, by its own low-level interface: `python llama_worker.py FILE.gguf THREADS`.

Runs in the environment where llama-cpp-python was built. As in llama.cpp's own benchmarks, each context has a thread
pool of its own that stays (made anew for every pass, threads would cost a small model a good part of a step), batches
are of 512 tokens, and the next token is the best-scored one.
"""

from __future__ import annotations

import ctypes
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

import llama_cpp
import numpy as np
from worker import negative_log_likelihood, peak_bytes, random_ids, seeds_of, serve

_UBATCH = 512
_POOL_PARAMETER_BYTES = 1024  # `ggml_threadpool_params` takes 536


class Context(NamedTuple):
    """A context for a number of sequences, and the prompts of which it holds keys and values."""

    pointer: Any
    memory: Any
    held: dict[int, tuple[int, int]]


class LlamaCpp:
    """One model; a context for each number of sequences that is asked for."""

    def __init__(self, path: str, threads: int) -> None:
        self._path, self._threads = path, threads
        self._contexts: dict[int, Context] = {}
        self._silent = llama_cpp.llama_log_callback(lambda *_: None)
        llama_cpp.llama_log_set(self._silent, None)
        llama_cpp.llama_backend_init()
        self._batch = llama_cpp.llama_batch_init(_UBATCH, 0, 1)

    def load(self, positions: int, sequences: int) -> dict[str, object]:
        """Open the model and answer a prompt of one token. The cache is taken as contexts are made."""
        start = time.perf_counter()
        parameters = llama_cpp.llama_model_default_params()
        self._model = llama_cpp.llama_model_load_from_file(self._path.encode(), parameters)
        if not self._model:
            raise RuntimeError(f"llama.cpp cannot load {self._path}")
        self._vocab_size = llama_cpp.llama_vocab_n_tokens(llama_cpp.llama_model_get_vocab(self._model))
        self._positions = positions
        self._pass(self._context(1), [(1, 0, 0)], [True])
        return {"load_s": time.perf_counter() - start, "runner": f"llama-cpp-python {llama_cpp.__version__}"}

    def greedy(self, ids: list[int], num_tokens: int) -> list[int]:
        """The continuation of a prompt."""
        context = self._emptied(1)
        tokens = [self._prompt(context, 0, ids, 0)]
        for position in range(len(ids), len(ids) + num_tokens - 1):
            tokens += self._best(context, [(tokens[-1], position, 0)])
        return tokens

    def tokens(self, text: str) -> list[int]:
        """The ids of a text."""
        raw, room = text.encode(), (llama_cpp.llama_token * (len(text) + 16))()
        vocabulary = llama_cpp.llama_model_get_vocab(self._model)
        count = llama_cpp.llama_tokenize(vocabulary, raw, len(raw), room, len(room), False, True)
        return list(room[:count])

    def last_scores(self, ids: list[int]) -> list[float]:
        """The scores after a prompt."""
        context = self._emptied(1)
        wanted = [False] * (len(ids) - 1) + [True]
        return self._pass(context, [(token, at, 0) for at, token in enumerate(ids)], wanted)[0].tolist()

    def likelihood(self, ids: list[int]) -> float:
        """Mean -log p of each token but the first, given those before it."""
        context, total = self._emptied(1), 0.0
        for start in range(0, len(ids) - 1, _UBATCH):
            part = [(token, start + at, 0) for at, token in enumerate(ids[start : start + _UBATCH])]
            part = part[: len(ids) - 1 - start]
            scores_TV = self._pass(context, part, [True] * len(part))
            total += negative_log_likelihood(scores_TV, ids[start + 1 : start + 1 + len(part)])
        return total / (len(ids) - 1)

    def prefill(self, num_tokens: int, seed: int) -> float:
        """Seconds to the first token of a fresh prompt."""
        context, ids = self._emptied(1), random_ids(seed, self._vocab_size, num_tokens)
        start = time.perf_counter()
        self._prompt(context, 0, ids, 0)
        return time.perf_counter() - start

    def decode(self, batch: int, prompt: int, generate: int, seed: int) -> float:
        """Tokens a second of `batch` answers together. Prompts stay for the next call with the same seed."""
        context = self._context(batch)
        latest = []
        for sequence, own in enumerate(seeds_of(seed, batch)):
            ids = random_ids(own, self._vocab_size, prompt)
            known = context.held.get(sequence) == (own, prompt)
            llama_cpp.llama_memory_seq_rm(context.memory, sequence, prompt - 1 if known else 0, -1)
            latest.append(self._prompt(context, sequence, ids[-1:] if known else ids, prompt - 1 if known else 0))
            context.held[sequence] = (own, prompt)
        latest = self._best(context, [(token, prompt, sequence) for sequence, token in enumerate(latest)])
        start = time.perf_counter()
        for position in range(prompt + 1, prompt + 1 + generate):
            latest = self._best(context, [(token, position, sequence) for sequence, token in enumerate(latest)])
        return batch * generate / (time.perf_counter() - start)

    def prefix(self, shared: int, own: int, seed: int) -> dict[str, float]:
        """Seconds to the first token behind a cached prefix, and of the own tokens alone."""
        context = self._context(2)
        if context.held.get(0) != (7, shared):
            llama_cpp.llama_memory_clear(context.memory, True)
            context.held.clear()
            self._prompt(context, 0, random_ids(7, self._vocab_size, shared), 0)
            context.held[0] = (7, shared)
        times_s = []
        for sequence, start_at in ((0, shared), (1, 0)):
            llama_cpp.llama_memory_seq_rm(context.memory, sequence, start_at, -1)
            ids = random_ids(2 * seed + 10_000 + sequence, self._vocab_size, own)
            start = time.perf_counter()
            self._prompt(context, sequence, ids, start_at)
            times_s.append(time.perf_counter() - start)
        return {"shared_s": times_s[0], "alone_s": times_s[1], "num_cached": shared}

    def memory(self) -> dict[str, int]:
        """The most that was resident, bytes; pages of the file that are mapped count."""
        return {"weights": llama_cpp.llama_model_size(self._model), "cache": 0, "peak": peak_bytes()}

    def close(self) -> None:
        """Give everything back."""
        for context in self._contexts.values():
            llama_cpp.llama_free(context.pointer)
        self._contexts.clear()
        llama_cpp.llama_model_free(self._model)

    def _context(self, sequences: int) -> Context:
        if sequences not in self._contexts:
            parameters = llama_cpp.llama_context_default_params()
            parameters.n_ctx = max(self._positions, 4096) if sequences <= 2 else self._positions
            parameters.n_batch = parameters.n_ubatch = _UBATCH
            parameters.n_seq_max = sequences
            parameters.n_threads = parameters.n_threads_batch = self._threads
            pointer = llama_cpp.llama_init_from_model(self._model, parameters)
            if not pointer:
                raise RuntimeError(f"llama.cpp makes no context of {parameters.n_ctx} tokens")
            self._attach_threads(pointer)
            self._contexts[sequences] = Context(pointer, llama_cpp.llama_get_memory(pointer), {})
        return self._contexts[sequences]

    def _attach_threads(self, context: Any) -> None:
        base, cpu, llama = (_loaded(name) for name in ("libggml-base", "libggml-cpu", "libllama"))
        room = ctypes.create_string_buffer(_POOL_PARAMETER_BYTES)
        base.ggml_threadpool_params_init(room, self._threads)
        cpu.ggml_threadpool_new.restype = ctypes.c_void_p
        pool = ctypes.c_void_p(cpu.ggml_threadpool_new(room))
        llama.llama_attach_threadpool.argtypes = [ctypes.c_void_p] * 3
        llama.llama_attach_threadpool(context, pool, pool)

    def _emptied(self, sequences: int) -> Context:
        context = self._context(sequences)
        llama_cpp.llama_memory_clear(context.memory, True)
        context.held.clear()
        return context

    def _prompt(self, context: Context, sequence: int, ids: list[int], start: int) -> int:
        """Compute a prompt that begins at a position; the best next token."""
        for at in range(0, len(ids), _UBATCH):
            part = [(token, start + at + index, sequence) for index, token in enumerate(ids[at : at + _UBATCH])]
            is_last = at + _UBATCH >= len(ids)
            scores_RV = self._pass(context, part, [False] * (len(part) - 1) + [is_last])
        return int(scores_RV[-1].argmax())

    def _best(self, context: Context, tokens: list[tuple[int, int, int]]) -> list[int]:
        best: list[int] = self._pass(context, tokens, [True] * len(tokens)).argmax(axis=1).tolist()
        return best

    def _pass(self, context: Context, tokens: list[tuple[int, int, int]], wanted: list[bool]) -> np.ndarray:
        """Compute (token, position, sequence) triples; the scores of those wanted, in llama.cpp's own memory."""
        batch = self._batch
        batch.n_tokens = len(tokens)
        for at, (token, position, sequence) in enumerate(tokens):
            batch.token[at], batch.pos[at] = token, position
            batch.n_seq_id[at], batch.seq_id[at][0] = 1, sequence
            batch.logits[at] = wanted[at]
        status = llama_cpp.llama_decode(context.pointer, batch)
        if status:
            raise RuntimeError(f"llama_decode says {status} to {len(tokens)} tokens")
        rows = sum(wanted)
        if not rows:
            return np.empty((0, self._vocab_size), np.float32)
        scores = llama_cpp.llama_get_logits(context.pointer)
        return np.ctypeslib.as_array(scores, shape=(rows, self._vocab_size))


def _loaded(name: str) -> ctypes.CDLL:
    """The library that this process runs. Its package holds copies under several names, each with tables of its own."""
    mapped = (line.split()[-1] for line in Path("/proc/self/maps").read_text().splitlines() if "/" in line)
    return ctypes.CDLL(next(path for path in mapped if Path(path).name.startswith(f"{name}.so")))


if __name__ == "__main__":
    serve(LlamaCpp(sys.argv[1], int(sys.argv[2])))

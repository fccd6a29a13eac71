"""What an engine under measurement looks like from outside: a process that answers calls, one line of JSON each.

In, on standard input: {"call": "prefill", "args": {…}}. Out: {"value": …, "seconds": …} or {"error": …}. Whatever the
engine prints goes to standard error. Only the standard library and numpy are needed: peers have environments of their
own.
"""

from __future__ import annotations

import json
import os
import sys
import time
import traceback
from pathlib import Path
from typing import Any

import numpy as np


def serve(peer: Any) -> None:
    """Answer calls of `peer`'s public methods until standard input ends."""
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for line in sys.stdin:
        asked = json.loads(line)
        start = time.perf_counter()
        try:
            reply = {"value": getattr(peer, asked["call"])(**asked["args"])}
        except Exception as error:
            traceback.print_exc()
            reply = {"error": f"{type(error).__name__}: {error}"}
        reply["seconds"] = time.perf_counter() - start
        replies.write(json.dumps(reply) + "\n")
        replies.flush()


def random_ids(seed: int, vocab_size: int, num_tokens: int) -> list[int]:
    """The same prompt for every engine."""
    ids: list[int] = np.random.default_rng(seed).integers(0, vocab_size, num_tokens).tolist()
    return ids


def seeds_of(seed: int, batch: int) -> list[int]:
    """A seed for each prompt of a batch."""
    return [1_000_000 + 1000 * seed + index for index in range(batch)]


def negative_log_likelihood(logits_TV: np.ndarray, next_ids: list[int]) -> float:
    """The sum over positions of -log p(next token), natural logarithm, in double precision."""
    total = 0.0
    for row_V, token in zip(logits_TV, next_ids, strict=True):
        wide_V = row_V.astype(np.float64)
        peak = wide_V.max()
        total += peak + np.log(np.exp(wide_V - peak).sum()) - wide_V[token]
    return total


def peak_bytes() -> int:
    """The most memory this process has had resident."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError("the system does not say what memory a process takes")

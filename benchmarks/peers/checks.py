"""Answers come before times: what every engine must agree on with Seatrial, or the benchmark stops."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
from cases import PEER, SAME_FILE, Case
from process import Peer
from worker import random_ids

DATA = Path(__file__).resolve().parents[2] / "src/seatrial/workload/data"
PROMPT = "The capital of France is Paris. The capital of Italy is"
_TEXT_TOKENS, _GREEDY_TOKENS, _LEAST_EQUAL = 2049, 16, 4
# Perplexity may be off by this; over the few tokens of a quick run rounding does not average out.
_MOST_OFF, _MOST_OFF_QUICK = 0.005, 0.03
# Of the scores of two engines on the same file, and where one of them has it quantised once more.
_LEAST_COSINE, _LEAST_COSINE_QUANTISED = 0.99, 0.9


def check(case: Case, ours: Peer, others: list[Peer], *, quick: bool) -> None:
    """Compare, and note in `case.checks` what was found. Raises AssertionError where engines disagree."""
    if not case.speaks:
        by_name = {other.name: other for other in others}
        if PEER in by_name:
            peer, same = by_name[PEER], by_name.get(SAME_FILE, ours)
            case.checks.append(_same_scores(same, peer, _LEAST_COSINE))
            if same is not ours:
                case.checks.append(_same_scores(ours, peer, _LEAST_COSINE_QUANTISED))
        return
    ids = ours.call("tokens", text=PROMPT).value
    text_ids = ours.call("tokens", text=_text()).value[: 257 if quick else _TEXT_TOKENS]
    answer = ours.call("greedy", ids=ids, num_tokens=_GREEDY_TOKENS).value
    for other in others:
        case.checks.append(_same_beginning(answer, other, ids))
        if other.name == PEER:
            assert other.call("tokens", text=PROMPT).value == ids, "the engines cut the prompt differently"
            case.checks.append(_same_perplexity(ours, other, text_ids, _MOST_OFF_QUICK if quick else _MOST_OFF))


def _same_beginning(answer: list[int], other: Peer, ids: list[int]) -> str:
    theirs = other.call("greedy", ids=ids, num_tokens=_GREEDY_TOKENS).value
    pairs = zip(answer, theirs, strict=True)
    equal = next((at for at, (one, two) in enumerate(pairs) if one != two), len(answer))
    assert equal >= _LEAST_EQUAL, f"{other.name} answers {theirs}, Seatrial {answer}"
    return f"greedy answer of {len(answer)} tokens: the first {equal} are {other.name}'s."


def _same_perplexity(ours: Peer, other: Peer, ids: list[int], most_off: float) -> str:
    mine, theirs = (math.exp(peer.call("likelihood", ids=ids).value) for peer in (ours, other))
    off = mine / theirs - 1
    assert abs(off) <= most_off, f"perplexity {mine:.4f}, {other.name}'s is {theirs:.4f}"
    return f"perplexity over {len(ids) - 1:,} tokens: {mine:.4f}, {other.name}'s {theirs:.4f} ({off:+.2%})."


def _same_scores(one: Peer, other: Peer, least: float) -> str:
    """Random weights give scores so even that the best token is a matter of rounding; all scores together are not."""
    ids = random_ids(5, 100_000, 64)
    one_V, other_V = (np.array(peer.call("last_scores", ids=ids).value) for peer in (one, other))
    cosine = float(one_V @ other_V / np.linalg.norm(one_V) / np.linalg.norm(other_V))
    assert cosine >= least, f"{one.name}'s scores after {len(ids)} tokens point elsewhere: {cosine:.4f}"
    return f"scores after {len(ids)} random tokens: {one.name}'s have cosine {cosine:.5f} with {other.name}'s."


def _text() -> str:
    """The built-in workloads' items, which do not change without a new version of theirs."""
    texts = []
    for name in ("triage", "extract"):
        lines = (DATA / name / "items.jsonl").read_text().splitlines()
        texts += [str(json.loads(line)["input"]) for line in lines]
    return "\n\n".join(texts)

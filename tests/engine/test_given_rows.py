"""Rows that stand in for embeddings: a token given its own embedding scores as it did, on both runners."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from seatrial.engine.native_runner import open_native
from seatrial.engine.runner import Runner, StepInput, StepPictures, whole_prompt
from seatrial.engine.torch_runner import open_plain
from seatrial.kernels import cpu
from seatrial.models.checkpoint import Checkpoint, open_checkpoint
from seatrial.models.precision import choose_formats
from seatrial.models.weights.packed import pack_weights, stored_kinds

TOKENS = [1, 77, 9, 200, 33, 34, 35, 120, 2, 5, 90, 91, 14, 250, 61, 7, 7, 8, 19, 100]
PLACES = [0, 3, 4, 5, 15, 16, 19]
STAND_IN = 3

Floats = NDArray[np.float32]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory, tiny: Callable[..., Any]) -> Checkpoint:
    folder = tiny().write_folder(tmp_path_factory.mktemp("tiny") / "model")
    return open_checkpoint(folder, now=datetime.now)


@pytest.fixture(scope="module", params=["float32", "bfloat16", "int8", "int4"])
def opened(request: pytest.FixtureRequest, checkpoint: Checkpoint) -> tuple[Runner, Floats]:
    """A runner, and its embedding matrix as it computes with it."""
    config, tensors = checkpoint.config, checkpoint.tensors
    if request.param == "float32":
        plain = open_plain(checkpoint, name="tiny", dtype="float32", device="cpu", threads=1)
        return plain, tensors["model.embed_tokens.weight"].numpy()
    if cpu.why_absent():
        pytest.skip(str(cpu.why_absent()))
    formats = choose_formats(config, stored_kinds(config, tensors), request.param)
    packed = pack_weights(config, tensors, formats, threads=1).embedding
    return open_native(checkpoint, dtype=request.param, threads=2), cpu.dequantise(packed)


def scores(runner: Runner, step: StepInput) -> Floats:
    runner.allocate(8)
    return np.array(runner.forward(step))


def given(tokens: list[int], places: list[int], rows_ED: Floats) -> StepInput:
    """The prompt with rows in place of the tokens at `places`, whose ids then do not matter."""
    ids = [STAND_IN if place in places else token for place, token in enumerate(tokens)]
    pictures = StepPictures(np.array(places, np.int32), np.ascontiguousarray(rows_ED))
    return replace(whole_prompt(ids, [4, 2]), pictures=pictures)


def test_a_tokens_own_embedding_gives_its_own_scores(opened: tuple[Runner, Floats]) -> None:
    runner, embedding_VD = opened
    own_ED = embedding_VD[[TOKENS[place] for place in PLACES]]
    expected = scores(runner, whole_prompt(TOKENS, [4, 2]))
    assert np.array_equal(scores(runner, given(TOKENS, PLACES, own_ED)), expected)
    everywhere = list(range(len(TOKENS)))
    assert np.array_equal(scores(runner, given(TOKENS, everywhere, embedding_VD[TOKENS])), expected)
    assert np.array_equal(runner.hidden(given(TOKENS, PLACES, own_ED)), runner.hidden(whole_prompt(TOKENS, [4, 2])))


def test_other_rows_give_other_scores_from_their_place_on(opened: tuple[Runner, Floats]) -> None:
    runner, embedding_VD = opened
    rows_ED = np.random.default_rng(3).standard_normal((2, embedding_VD.shape[1]), np.float32)
    expected, found = (scores(runner, step) for step in (whole_prompt(TOKENS, [4, 2]), given(TOKENS, [6, 7], rows_ED)))
    assert np.abs(found[:6] - expected[:6]).max() < 1e-5
    assert (np.abs(found[6:] - expected[6:]).max(axis=1) > 1e-3).all()


def test_rows_in_chunks_and_beside_another_sequence(opened: tuple[Runner, Floats]) -> None:
    runner, embedding_VD = opened
    rows_ED = np.random.default_rng(4).standard_normal((9, embedding_VD.shape[1]), np.float32)
    whole = scores(runner, given(TOKENS, list(range(3, 12)), rows_ED))
    runner.allocate(8)
    found = []
    for start, end in ((0, 7), (7, 18), (18, 20)):
        places = [place for place in range(3, 12) if start <= place < end]
        step = StepInput(
            tokens_T=np.array([STAND_IN] * (end - start) + TOKENS[:2], np.int32),
            positions_T=np.array([*range(start, end), 0, 1], np.int32),
            starts_S1=np.array([0, end - start, end - start + 2], np.int32),
            tables_SB=np.array([[3, 1], [5, 0]], np.int32),
            rows_R=np.arange(end - start, dtype=np.int32),
        )
        for place in range(start, end):
            if place not in places:
                step.tokens_T[place - start] = TOKENS[place]
        if places:
            rows = np.ascontiguousarray(rows_ED[[place - 3 for place in places]])
            step = replace(step, pictures=StepPictures(np.array(places, np.int32) - start, rows))
        found.append(np.array(runner.forward(step)))
    assert np.abs(np.concatenate(found) - whole).max() < 1e-4
    if runner.config is not None and hasattr(runner, "level"):
        assert np.array_equal(np.concatenate(found), whole)


@pytest.mark.skipif(cpu.why_absent() is not None, reason="the native kernels are not built")
def test_what_does_not_fit_is_refused_by_the_kernels(checkpoint: Checkpoint) -> None:
    runner = open_native(checkpoint, dtype="int8", threads=1)
    runner.allocate(8)
    rows_ED = np.zeros((2, 64), np.float32)
    for places in ([5, 5], [6, 5], [-1, 5], [5, 20]):
        with pytest.raises(ValueError, match="`places` must rise within the 20 tokens"):
            runner.forward(given(TOKENS, places, rows_ED))
    with pytest.raises(ValueError, match="2 entries of `places` came with 3 rows"):
        runner.forward(given(TOKENS, [5, 6], np.zeros((3, 64), np.float32)))
    with pytest.raises(ValueError, match="rows of 32 numbers; the model has 64"):
        runner.forward(given(TOKENS, [5, 6], np.zeros((2, 32), np.float32)))


def test_a_bfloat16_decoder_takes_rows_of_float32(checkpoint: Checkpoint) -> None:
    runner = open_plain(checkpoint, name="tiny", dtype="bfloat16", device="cpu", threads=1)
    own_ED = checkpoint.tensors["model.embed_tokens.weight"].bfloat16().float()[[TOKENS[place] for place in PLACES]]
    expected = torch.from_numpy(scores(runner, whole_prompt(TOKENS, [4, 2])))
    assert torch.equal(torch.from_numpy(scores(runner, given(TOKENS, PLACES, own_ED.numpy()))), expected)

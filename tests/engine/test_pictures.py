"""Pictures in the engine, on a tiny random model that sees: as transformers answers, whatever else goes on.

The plain runner is held against transformers' own generation; the native one, whose activations are rounded to 8 bits,
against its own answers alone. The encoder is the plain one for both where the kernels have none.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from seeing_engine import HOW, ON, PROMPTS, Prompt, Seeing, add, asked, engine_of, ids, picture, run

from seatrial.chat import ImagePart, message
from seatrial.engine import Model, SamplingParams
from seatrial.engine.request import Gain
from seatrial.errors import ContextTooLong, UsageError


@pytest.mark.parametrize("name", PROMPTS)
def test_answers_are_those_of_transformers(
    seeing: Seeing, alone: Callable[[Prompt], list[int]], model: Model, name: str
) -> None:
    if hasattr(model.runner, "level"):
        pytest.skip("rounded activations: held against its own answers elsewhere")
    read = model.read(PROMPTS[name])
    given = {}
    if read.pictures:
        tiles = np.concatenate([each.tiles_NCHW for each in read.pictures])
        given["pixel_values"] = torch.from_numpy(tiles)[None]
    expected = seeing.reference.generate(
        input_ids=torch.tensor([read.token_ids]),
        max_new_tokens=8,
        do_sample=False,
        eos_token_id=list(model.config.stop_ids),
        **given,
    )
    assert alone(PROMPTS[name]) == expected[0, len(read.token_ids) :].tolist()


def test_a_picture_changes_the_answer(model: Model) -> None:
    answers = {tuple(model.generate(asked(picture(seed), "what"), ON).token_ids) for seed in range(6)}
    assert len(answers) > 3


@pytest.mark.parametrize(
    "limits", [{}, {"max_step_tokens": 20}, {"max_sequences": 1}, {"num_blocks": 17, "context_length": 256}]
)
def test_together_in_chunks_and_preempted_as_alone(
    model: Model, alone: Callable[[Prompt], list[int]], limits: dict[str, int]
) -> None:
    engine, _ = engine_of(model, **limits)
    for key, prompt in enumerate(PROMPTS.values()):
        add(engine, key, model.read(prompt))
    gains = run(engine)
    for key, prompt in enumerate(PROMPTS.values()):
        assert ids(gains[key]) == alone(prompt)


def test_a_preempted_answer_finds_its_pictures_again(model: Model) -> None:
    prompts = [asked(picture(seed), "go on") for seed in range(3)]
    how = SamplingParams(max_tokens=60, ignore_eos=True)
    expected = []
    for prompt in prompts:
        engine, _ = engine_of(model)
        add(engine, 0, model.read(prompt), how)
        expected.append(ids(run(engine)[0]))
    engine, eyes = engine_of(model, num_blocks=20, context_length=256)
    for key, prompt in enumerate(prompts):
        add(engine, key, model.read(prompt), how)
    gains = run(engine)
    assert engine.metrics.num_preempted > 0
    assert [ids(gains[key]) for key in range(3)] == expected
    assert sum(eyes.batches) == 39


def test_a_second_question_about_a_picture_encodes_nothing(model: Model, alone: Callable[[Prompt], list[int]]) -> None:
    engine, eyes = engine_of(model)
    first, second = asked(picture(1), "what is this"), asked(picture(1), "how many")
    elsewhere = asked("look at this: ", picture(1))
    add(engine, 0, model.read(first))
    run(engine)
    assert (sum(eyes.batches), engine.metrics.num_pictures_encoded) == (13, 1)
    for key, prompt in enumerate((second, elsewhere), start=1):
        add(engine, key, model.read(prompt))
        assert ids(run(engine)[key]) == alone(prompt)
    assert sum(eyes.batches) == 13
    metrics = engine.metrics
    assert (metrics.num_pictures, metrics.num_pictures_encoded, metrics.num_tiles_encoded) == (3, 1, 13)
    assert metrics.picture_bytes == 52 * 64 * 4
    assert metrics.num_cached_tokens > 52  # of the second; the third begins with other words


def test_the_same_picture_in_a_file_of_another_kind_is_known(model: Model) -> None:
    part = picture(1)
    file = io.BytesIO()
    Image.open(io.BytesIO(part.data)).save(file, "bmp")
    engine, eyes = engine_of(model)
    add(engine, 0, model.read(asked(part, "hello")))
    add(engine, 1, model.read(asked(ImagePart(file.getvalue(), "image/bmp"), "hello")))
    gains = run(engine)
    assert sum(eyes.batches) == 13
    assert ids(gains[0]) == ids(gains[1])


def test_the_same_picture_looked_at_closer_is_another(model: Model) -> None:
    engine, eyes = engine_of(model)
    for key, detail in enumerate(("low", "high")):
        add(engine, key, model.read(asked(picture(1, detail=detail), "hello")))
    run(engine)
    assert sum(eyes.batches) == 1 + 13


@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_two_pictures_are_never_confused(
    model: Model, alone: Callable[[Prompt], list[int]], data: st.DataObject
) -> None:
    """The same words about pictures of one size, at random times, some cancelled, with little room for rows."""
    engine, _ = engine_of(model, num_blocks=24, context_length=256, max_sequences=data.draw(st.integers(1, 4)))
    gains: dict[int, list[Gain]] = {}
    prompts: dict[int, Prompt] = {}
    cancelled: set[int] = set()
    for key in range(data.draw(st.integers(1, 8))):
        prompts[key] = ALIKE[data.draw(st.integers(0, len(ALIKE) - 1))]
        add(engine, key, model.read(prompts[key]))
        for _ in range(data.draw(st.integers(0, 6))):
            for gain in engine.step():
                gains.setdefault(gain.key, []).append(gain)
            assert engine.metrics.picture_bytes <= 24 * 16 * 64 * 4
        if data.draw(st.integers(0, 4)) == 0:
            victim = data.draw(st.sampled_from(sorted(prompts)))
            if not gains.get(victim) or gains[victim][-1].finish is None:
                engine.cancel(victim)
                cancelled.add(victim)
    run(engine, gains)
    for key in prompts.keys() - cancelled:
        assert ids(gains[key]) == alone(prompts[key])
    assert engine.metrics.num_waiting == engine.metrics.num_running == 0


ALIKE = [asked(picture(seed, 64, 64), "what is this") for seed in range(5)]
ALIKE += [asked(picture(0, 64, 64), picture(1, 64, 64)), asked(picture(1, 64, 64), picture(0, 64, 64))]


def test_answers_go_on_while_pictures_are_encoded(model: Model, alone: Callable[[Prompt], list[int]]) -> None:
    engine, eyes = engine_of(model, speculate=False, tile_s=1.0)
    add(engine, 0, model.read(PROMPTS["text"]), SamplingParams(max_tokens=40, ignore_eos=True))
    engine.step()
    add(engine, 1, model.read(PROMPTS["picture first"]))
    for tiles in range(1, 14):
        gains = engine.step()
        assert [gain.key for gain in gains][:1] == [0]
        assert (eyes.batches, engine.metrics.num_tiles_encoded) == ([1] * tiles, tiles)
        assert engine.metrics.num_waiting == (tiles < 13)
    kept = {1: [gain for gain in gains if gain.key == 1]}
    assert ids(run(engine, kept)[1]) == alone(PROMPTS["picture first"])


def test_tiles_of_several_pictures_are_encoded_together(model: Model) -> None:
    engine, eyes = engine_of(model)
    for key in range(6):
        add(engine, key, model.read(asked(picture(key, detail="low"), "hello")))
    assert len(run(engine)) == 6
    assert eyes.batches == [1, 5]  # how long one takes is not known before


@pytest.mark.parametrize(
    ("tile_s", "by_itself", "beside"),
    [
        (0.0, [1, 8, 4], [1, 8, 4]),
        (0.0625, [1, 8, 4], [1] * 13),
        (0.25, [1] + [2] * 6, [1] * 13),
        (9.0, *[[1] * 13] * 2),
    ],
)
def test_the_slower_the_fewer_tiles_at_once(
    model: Model, tile_s: float, by_itself: list[int], beside: list[int]
) -> None:
    """Who comes or goes meanwhile waits for half a second, a running answer for a tenth, or for one tile."""
    engine, eyes = engine_of(model, tile_s=tile_s)
    add(engine, 0, model.read(PROMPTS["picture first"]))
    run(engine)
    assert eyes.batches == by_itself
    engine, eyes = engine_of(model, tile_s=tile_s)
    add(engine, 0, model.read(PROMPTS["text"]), SamplingParams(max_tokens=40, ignore_eos=True))
    engine.step()
    add(engine, 1, model.read(PROMPTS["picture first"]))
    run(engine)
    assert eyes.batches == beside


def test_cancelled_before_and_while_its_picture_is_encoded(model: Model, alone: Callable[[Prompt], list[int]]) -> None:
    engine, eyes = engine_of(model)
    add(engine, 0, model.read(PROMPTS["picture first"]))
    engine.cancel(0)
    assert (engine.step(), eyes.batches, len(engine)) == ([], [], 0)
    add(engine, 0, model.read(PROMPTS["picture first"]))
    engine.step()
    engine.cancel(0)
    assert (engine.step(), eyes.batches, engine.metrics.picture_bytes) == ([], [1], 0)
    add(engine, 0, model.read(PROMPTS["picture first"]))
    assert ids(run(engine)[0]) == alone(PROMPTS["picture first"])


def test_of_two_that_wait_for_one_picture_either_can_leave(model: Model, alone: Callable[[Prompt], list[int]]) -> None:
    for leaving in (0, 1):
        engine, eyes = engine_of(model)
        for key in (0, 1):
            add(engine, key, model.read(PROMPTS["picture first"]))
        engine.step()
        engine.cancel(leaving)
        assert ids(run(engine)[1 - leaving]) == alone(PROMPTS["picture first"])
        assert sum(eyes.batches) == 13


@pytest.mark.parametrize("error", [RuntimeError, MemoryError])
def test_a_picture_that_cannot_be_encoded_fails_its_own_answers_alone(
    model: Model, alone: Callable[[Prompt], list[int]], error: type[Exception]
) -> None:
    bad = asked(picture(9, detail="low"), "hello")
    marked = model.read(bad).pictures[0].tiles_NCHW[0]
    engine, eyes = engine_of(model)
    eyes.fails = lambda tiles: error("a bad tile") if any(np.array_equal(tile, marked) for tile in tiles) else None
    names = ["text", "one tile", "picture first"]
    for key, name in enumerate(names):
        add(engine, key, model.read(PROMPTS[name]))
    for key in (10, 11):
        add(engine, key, model.read(bad))
    gains = run(engine)
    for key, name in enumerate(names):
        assert ids(gains[key]) == alone(PROMPTS[name])
    for key in (10, 11):
        (gain,) = gains[key]
        assert (gain.finish, gain.token_id) == ("failed", None)
        assert f"`tiny` failed while it looked at a picture: {error.__name__}: a bad tile" in str(gain.error)
    eyes.fails = lambda tiles: None
    add(engine, 12, model.read(bad))
    assert ids(run(engine)[12]) == alone(bad)


def test_numbers_that_are_none_fail_one_answer(model: Model, alone: Callable[[Prompt], list[int]]) -> None:
    bad = asked(picture(9, detail="low"), "hello")
    marked = model.read(bad).pictures[0].tiles_NCHW[0]
    engine, eyes = engine_of(model)
    eyes.spoils = lambda tiles: np.array_equal(tiles[-1], marked)
    add(engine, 0, model.read(PROMPTS["one tile"]))
    add(engine, 1, model.read(bad))
    gains = run(engine)
    assert ids(gains[0]) == alone(PROMPTS["one tile"])
    assert "computed numbers of a picture that are none" in str(gains[1][0].error)
    assert engine.metrics.picture_bytes == 4 * 64 * 4


def test_what_waits_for_room_comes_in_turn(model: Model, alone: Callable[[Prompt], list[int]]) -> None:
    """Rows of three of these pictures fit: the others wait, and none is lost."""
    engine, _ = engine_of(model, num_blocks=64, context_length=160, most_picture_rows=1, max_sequences=8)
    prompts = [asked(picture(seed), "what is this") for seed in range(9)]
    for key, prompt in enumerate(prompts):
        add(engine, key, model.read(prompt))
    most, order = 0, list[int]()
    while len(engine):
        for gain in engine.step():
            if gain.finish:
                order.append(gain.key)
        most = max(most, engine.metrics.picture_bytes)
    assert 0 < most <= 160 * 64 * 4
    assert sorted(order) == list(range(9))
    for key in (0, 8):
        add(engine, key, model.read(prompts[key]))
        assert ids(run(engine)[key]) == alone(prompts[key])


def test_speculation_and_penalties_leave_pictures_alone(model: Model) -> None:
    """Words that came before a picture come again: what followed them then is rows, which nobody says."""
    prompt = asked("a b c", picture(1, 64, 64), "a b c", picture(2, 64, 64), "a b c")
    answers = []
    for speculate in (True, False):
        for how in (ON, SamplingParams(max_tokens=8, ignore_eos=True, repetition_penalty=1.3, frequency_penalty=0.5)):
            engine, _ = engine_of(model, speculate=speculate)
            add(engine, 0, model.read(prompt), how)
            answers.append(ids(run(engine)[0]))
    assert answers[:2] == answers[2:]
    assert answers[0] != answers[1]


def test_texts_are_embedded_beside_pictures(fresh: Model) -> None:
    expected = fresh.embed(["hello world"])
    engine, _ = engine_of(fresh)
    add(engine, 0, fresh.read(PROMPTS["picture first"]))
    engine.embed(1, [fresh.prompt_ids("hello world")])
    assert np.allclose(run(engine)[1][-1].vectors_ND, expected, atol=1e-5)


def test_how_many_pictures_fit_is_said(model: Model) -> None:
    prompt = asked(*(picture(seed) for seed in range(4)), "compare")
    read = model.read(prompt)
    engine, _ = engine_of(model, context_length=220)
    for how in (HOW, SamplingParams(truncate="left")):
        with pytest.raises(
            ContextTooLong, match=r"208 of them for 4 pictures; `tiny` takes 220, .* The first \w+ fits?\."
        ):
            engine.add(0, read.token_ids, how, pictures=read.pictures)
    assert len(engine) == 0
    small = Model("small", model.checkpoint, model.runner, context_length=220, vision=model.vision)
    with pytest.raises(
        ContextTooLong, match=r"for 4 pictures; `small` takes 220, .* The first 2 fit\. .* `detail` \"low\""
    ):
        small.read(prompt)
    assert len(small.read(asked(picture(0), picture(1), "compare")).token_ids) < 220


def test_a_model_of_text_alone_says_which_would_do(tmp_path: Path, tiny: Callable[..., Any]) -> None:
    text = Model.from_pretrained(tiny().write_folder(tmp_path), dtype="float32", device="cpu", name="words")
    with pytest.raises(UsageError, match=r"`words` reads text only; .* such as `smolvlm2-256m`"):
        text.generate(asked(picture(1), "hello"))


@pytest.mark.parametrize("prompt", ["what is <image>?", "<image>" * 9, [5, -1, -1], [-1]])
def test_a_plain_prompt_holds_no_place_for_a_picture(model: Model, prompt: Any) -> None:
    mark = model.tokenizer.token_id("<image>")
    prompt = prompt if isinstance(prompt, str) else [mark if token < 0 else token for token in prompt]
    for ask in (model.generate, model.prompt_ids, lambda text: model.embed([text])):
        with pytest.raises(UsageError, match=rf"a picture's token \(`<image>`, id {mark}\).* messages") as refused:
            ask(prompt)
        assert refused.value.field == "prompt"
    assert model.generate([message("user", "<image>")], ON).token_ids
    assert model.generate("<image", ON).token_ids


def test_prompts_and_pictures_that_do_not_agree_are_a_fault(model: Model) -> None:
    read = model.read(PROMPTS["picture first"])
    engine, _ = engine_of(model)
    with pytest.raises(UsageError, match=r"have 52 rows for its \d+ places\. .* ask again"):
        engine.add(0, read.token_ids[:-60], HOW, pictures=read.pictures)
    assert len(engine) == 0

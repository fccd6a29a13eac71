"""Pictures whose keys and values the prefix cache holds: not looked at again, unless something needs their rows."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from seeing_engine import HOW, Prompt, Watched, add, asked, engine_of, ids, picture, run

from seatrial.engine import Model, SamplingParams
from seatrial.engine.loop import Engine
from seatrial.engine.request import Gain, Sequence
from seatrial.engine.scheduler import Scheduler

TILES = 13
FIRST, SECOND = asked(picture(1), "what is this"), asked(picture(1), "how many")
OTHERS = [asked(picture(seed), "what is this") for seed in range(20, 23)]


def forgetful(model: Model, **limits: int) -> tuple[Engine, Watched]:
    """An engine with room for the rows of three pictures, and for the keys and values of many more."""
    return engine_of(model, **{"context_length": 160, "most_picture_rows": 1, **limits})


def ask(engine: Engine, key: int, prompt: Prompt, model: Model, how: SamplingParams = HOW) -> list[int | None]:
    add(engine, key, model.read(prompt), how)
    return ids(run(engine)[key])


def has_rows(engine: Engine, model: Model, prompt: Prompt) -> bool:
    assert engine._pictures is not None
    return engine._pictures.rows.has(model.read(prompt).pictures[0].key)


def believing(engine: Engine, num_tokens: int, patched: pytest.MonkeyPatch) -> None:
    """The engine takes so many tokens of every prompt for cached when it decides what to look at."""
    patched.setattr(Scheduler, "num_known", lambda self, sequence: num_tokens)


def passed_over(engine: Engine, patched: pytest.MonkeyPatch) -> list[int]:
    """Keys of sequences that could not start for want of rows, as they come."""
    queue, counted = engine._pictures, list[int]()
    assert queue is not None
    can_start = queue.can_start

    def watched(sequence: Sequence, num_known: int) -> bool:
        if can := can_start(sequence, num_known):
            return can
        counted.append(sequence.key)
        return False

    patched.setattr(queue, "can_start", watched)
    return counted


def test_rows_that_went_are_not_computed_again_where_the_cache_knows_what_came_of_them(
    model: Model, alone: Callable[[Prompt], list[int]]
) -> None:
    engine, eyes = forgetful(model)
    for key, prompt in enumerate((FIRST, *OTHERS)):
        ask(engine, key, prompt, model)
    assert not has_rows(engine, model, FIRST)
    assert sum(eyes.batches) == 4 * TILES
    assert ask(engine, 9, SECOND, model) == alone(SECOND)
    assert sum(eyes.batches) == 4 * TILES
    assert engine.metrics.num_pictures_encoded == 4
    assert engine.metrics.num_cached_tokens > 52


def test_behind_other_words_it_is_looked_at_again(model: Model, alone: Callable[[Prompt], list[int]]) -> None:
    engine, eyes = forgetful(model)
    for key, prompt in enumerate((FIRST, *OTHERS)):
        ask(engine, key, prompt, model)
    elsewhere = asked("look at this: ", picture(1))
    assert ask(engine, 9, elsewhere, model) == alone(elsewhere)
    assert sum(eyes.batches) == 5 * TILES


def test_of_two_pictures_the_one_beyond_the_prefix_is_looked_at(
    model: Model, alone: Callable[[Prompt], list[int]]
) -> None:
    engine, eyes = forgetful(model, context_length=224)
    for key, prompt in enumerate((FIRST, *OTHERS, asked(picture(23)))):
        ask(engine, key, prompt, model)
    assert not has_rows(engine, model, FIRST)
    both = asked(picture(1), "what is this", picture(2, detail="low"))
    assert ask(engine, 9, both, model) == alone(both)
    assert sum(eyes.batches) == 5 * TILES + 1
    assert not has_rows(engine, model, OTHERS[0])
    twice = asked(picture(20), "what is this", picture(20))
    assert ask(engine, 10, twice, model) == alone(twice)
    assert sum(eyes.batches) == 6 * TILES + 1


@pytest.mark.parametrize("num_known", [0, 20, 52])
def test_a_picture_partly_covered_is_looked_at(
    model: Model, alone: Callable[[Prompt], list[int]], num_known: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The picture's last place is behind the 52nd token, since words come before it and marks between its tiles."""
    engine, eyes = forgetful(model)
    believing(engine, num_known, monkeypatch)
    add(engine, 0, model.read(FIRST))
    engine.step()
    assert eyes.batches == [1]
    assert ids(run(engine)[0]) == alone(FIRST)


def test_what_the_cache_lost_meanwhile_is_looked_at_before_it_is_computed(
    model: Model, alone: Callable[[Prompt], list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Decided on a prefix that is there no longer when the sequence starts."""
    engine, eyes = forgetful(model)
    believing(engine, 150, monkeypatch)
    for key, prompt in enumerate((FIRST, SECOND, OTHERS[0])):
        add(engine, key, model.read(prompt))
    assert engine.metrics.num_waiting == 3
    gains = run(engine)
    assert [ids(gains[key]) for key in range(3)] == [alone(FIRST), alone(SECOND), alone(OTHERS[0])]
    assert sum(eyes.batches) == 2 * TILES
    assert engine.metrics.num_waiting == engine.metrics.num_running == 0


def test_a_busy_engine_evicts_the_prefix_while_the_question_waits(
    model: Model, alone: Callable[[Prompt], list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The blocks of the first question's picture go to a long answer, in caches of several sizes."""
    long, counted = SamplingParams(max_tokens=60, ignore_eos=True), list[int]()
    for num_blocks in range(30, 42, 2):
        engine, _ = forgetful(model, num_blocks=num_blocks, max_sequences=1)
        for key, prompt in enumerate((FIRST, *OTHERS)):
            ask(engine, key, prompt, model)
        assert not has_rows(engine, model, FIRST)
        add(engine, 8, model.read(asked("hello " * 10)), long)
        engine.step()
        waited = passed_over(engine, monkeypatch)
        add(engine, 9, model.read(SECOND))
        assert ids(run(engine)[9]) == alone(SECOND)
        counted += waited
    assert counted


def test_who_waits_again_can_leave_and_can_fail_alone(
    model: Model, alone: Callable[[Prompt], list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    engine, eyes = forgetful(model)
    believing(engine, 150, monkeypatch)
    add(engine, 0, model.read(FIRST))
    engine.step()
    engine.cancel(0)
    assert (run(engine), engine.metrics.picture_bytes) == ({}, 0)
    eyes.fails = lambda tiles: RuntimeError("a bad tile")
    for key in (1, 2):
        add(engine, key, model.read(FIRST))
    add(engine, 3, model.read(asked("hello")))
    gains = run(engine)
    for key in (1, 2):
        assert (gains[key][-1].finish, "a bad tile" in str(gains[key][-1].error)) == ("failed", True)
    assert gains[3][-1].finish != "failed"
    assert engine.metrics.num_waiting == engine.metrics.num_running == engine.metrics.picture_bytes == 0
    eyes.fails = lambda tiles: None
    assert ask(engine, 4, FIRST, model) == alone(FIRST)


def test_an_answer_under_way_survives_that_its_picture_cannot_be_encoded_for_another(
    model: Model, alone: Callable[[Prompt], list[int]]
) -> None:
    """One question goes on from the cache; another, which needs the picture's rows, fails without it."""
    engine, eyes = forgetful(model)
    for key, prompt in enumerate((FIRST, *OTHERS)):
        ask(engine, key, prompt, model)
    eyes.fails = lambda tiles: RuntimeError("a bad tile")
    add(engine, 8, model.read(SECOND))
    gains: dict[int, list[Gain]] = {}
    gains[8] = engine.step()
    assert [gain.key for gain in gains[8]] == [8]
    add(engine, 9, model.read(asked("look at this: ", picture(1))))
    run(engine, gains)
    assert ids(gains[8]) == alone(SECOND)
    assert gains[9][-1].finish == "failed"


def test_a_preempted_answer_that_never_had_its_rows_gets_them(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    """It goes on from the cache beside a longer answer, loses its blocks to it, and starts again without them."""
    how, longer = (SamplingParams(max_tokens=num, ignore_eos=True) for num in (45, 120))
    engine, _ = engine_of(model, context_length=160)
    expected, counted, num_preempted = ask(engine, 0, FIRST, model, how), list[int](), 0
    for num_blocks in range(11, 18):
        engine, _ = forgetful(model, num_blocks=num_blocks)
        ask(engine, 0, FIRST, model)
        for key, prompt in enumerate(OTHERS, start=1):
            add(engine, key, model.read(prompt))
        engine.step()
        for key in (1, 2, 3):
            engine.cancel(key)
        assert not has_rows(engine, model, FIRST)
        waited = passed_over(engine, monkeypatch)
        add(engine, 8, model.read(asked("hello")), longer)
        engine.step()
        add(engine, 9, model.read(FIRST), how)
        assert ids(run(engine)[9]) == expected
        counted += waited
        num_preempted += engine.metrics.num_preempted
    assert num_preempted
    assert counted


ALIKE = [asked(picture(seed, 64, 64), f"what is {word}") for seed in range(4) for word in ("this", "that")]
ALIKE += [asked(picture(0, 64, 64), picture(seed, detail="low"), "so") for seed in (1, 2)]


@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_whatever_went_answers_are_those_of_a_fresh_engine(
    model: Model, alone: Callable[[Prompt], list[int]], data: st.DataObject
) -> None:
    """Questions about four pictures at random times, some cancelled; room for rows and blocks is always short."""
    engine, _ = engine_of(
        model,
        num_blocks=data.draw(st.integers(10, 30)),
        context_length=150,
        most_picture_rows=1,
        max_sequences=data.draw(st.integers(1, 4)),
    )
    gains: dict[int, list[Gain]] = {}
    prompts: dict[int, Prompt] = {}
    cancelled: set[int] = set()
    for key in range(data.draw(st.integers(1, 10))):
        prompts[key] = ALIKE[data.draw(st.integers(0, len(ALIKE) - 1))]
        add(engine, key, model.read(prompts[key]))
        for _ in range(data.draw(st.integers(0, 8))):
            for gain in engine.step():
                gains.setdefault(gain.key, []).append(gain)
        if data.draw(st.integers(0, 4)) == 0:
            victim = data.draw(st.sampled_from(sorted(prompts)))
            if not gains.get(victim) or gains[victim][-1].finish is None:
                engine.cancel(victim)
                cancelled.add(victim)
    run(engine, gains)
    for key in prompts.keys() - cancelled:
        assert ids(gains[key]) == alone(prompts[key])
    assert engine.metrics.num_waiting == engine.metrics.num_running == 0

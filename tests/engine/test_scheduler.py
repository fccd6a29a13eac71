from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from types import FrameType

import pytest

from seatrial.engine.blocks import BlockPool
from seatrial.engine.request import Sequence
from seatrial.engine.scheduler import Scheduler, Step
from seatrial.errors import ContextTooLong, UsageError

BLOCK = 4


def scheduler_of(num_blocks: int = 64, *, sequences: int = 8, step_tokens: int = 32) -> Scheduler:
    return Scheduler(BlockPool(num_blocks, BLOCK), max_sequences=sequences, max_step_tokens=step_tokens)


def sequence_of(key: int, prompt: list[int] | int, answer: int = 16) -> Sequence:
    """Prompts given by a length have no token in common with those of other keys."""
    tokens = prompt if isinstance(prompt, list) else [1000 * key + index for index in range(prompt)]
    return Sequence(key, list(tokens), len(tokens), len(tokens) + answer)


def advance(scheduler: Scheduler, token: int = 7) -> Step:
    """One step in which every sequence that is due gets `token`."""
    step = scheduler.schedule()
    for chunk in step.chunks:
        scheduler.commit(chunk, [token] if chunk.samples else [])
    return step


def shape(step: Step) -> list[tuple[int, int, int]]:
    return [(chunk.sequence.key, chunk.start, chunk.length) for chunk in step.chunks]


def num_calls(work: Callable[[], object]) -> int:
    """Function calls that `work` makes, Python's and C's: a measure of work that no other process disturbs."""
    count = 0

    def observe(frame: FrameType, event: str, argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(observe)
    try:
        work()
    finally:
        sys.setprofile(None)
    return count


def test_a_prompt_goes_through_in_pieces_and_then_decodes() -> None:
    scheduler = scheduler_of(step_tokens=8)
    sequence = sequence_of(1, 20)
    scheduler.add(sequence)
    pieces = []
    for _ in range(5):
        step = scheduler.schedule()
        (chunk,) = step.chunks
        pieces.append((chunk.start, chunk.length, chunk.samples))
        scheduler.commit(chunk, [7] if chunk.samples else [])
    assert pieces == [(0, 8, False), (8, 8, False), (16, 4, True), (20, 1, True), (21, 1, True)]
    assert sequence.tokens[20:] == [7, 7, 7]
    assert (sequence.num_computed, sequence.num_cached) == (22, 0)


def test_several_prompts_share_a_step_in_order_of_arrival() -> None:
    scheduler = scheduler_of(step_tokens=32)
    for key in (1, 2, 3):
        scheduler.add(sequence_of(key, 12))
    assert shape(advance(scheduler)) == [(1, 0, 12), (2, 0, 12), (3, 0, 8)]
    assert shape(advance(scheduler)) == [(1, 12, 1), (2, 12, 1), (3, 8, 4)]


def test_decoding_comes_before_prompts() -> None:
    scheduler = scheduler_of(step_tokens=8)
    scheduler.add(sequence_of(1, 40))
    advance(scheduler)
    scheduler.add(sequence_of(2, 3))
    for _ in range(3):
        advance(scheduler)
    step = advance(scheduler)
    assert shape(step) == [(1, 32, 8)]
    assert shape(advance(scheduler)) == [(1, 40, 1), (2, 0, 3)]
    scheduler.add(sequence_of(3, 40))
    assert shape(advance(scheduler)) == [(1, 41, 1), (2, 3, 1), (3, 0, 6)]
    assert shape(advance(scheduler)) == [(1, 42, 1), (2, 4, 1), (3, 6, 6)]


def test_at_most_so_many_sequences_run() -> None:
    scheduler = scheduler_of(sequences=2)
    for key in (1, 2, 3):
        scheduler.add(sequence_of(key, 2))
    advance(scheduler)
    assert [sequence.key for sequence in scheduler.running] == [1, 2]
    assert [sequence.key for sequence in scheduler.waiting] == [3]
    scheduler.finish(1)
    advance(scheduler)
    assert [sequence.key for sequence in scheduler.running] == [2, 3]
    assert len(scheduler) == 2


def test_drafts_are_computed_and_what_is_accepted_is_kept() -> None:
    scheduler = scheduler_of()
    sequence = sequence_of(1, 6)
    scheduler.add(sequence)
    advance(scheduler)
    sequence.draft = [11, 12, 13]
    (chunk,) = scheduler.schedule().chunks
    assert (chunk.start, chunk.length, chunk.num_draft, chunk.samples) == (6, 4, 3, True)
    assert len(sequence.blocks) * BLOCK >= 10
    scheduler.commit(chunk, [11, 12, 99])
    assert sequence.tokens[6:] == [7, 11, 12, 99]
    assert (sequence.num_computed, sequence.draft) == (9, [])
    assert shape(scheduler.schedule()) == [(1, 9, 1)]


def test_a_draft_never_goes_past_the_longest_answer() -> None:
    scheduler = scheduler_of()
    sequence = sequence_of(1, 6, answer=4)
    scheduler.add(sequence)
    advance(scheduler)
    sequence.draft = [1, 2, 3, 4, 5]
    (chunk,) = scheduler.schedule().chunks
    assert sequence.draft == [1, 2]  # with the token after them the answer has its 4
    assert chunk.num_draft == 2


def test_drafts_leave_every_decoding_sequence_its_token_and_prompts_half_of_the_rest() -> None:
    scheduler = scheduler_of(step_tokens=10)
    sequences = [sequence_of(key, 2) for key in (1, 2)]
    for sequence in sequences:
        scheduler.add(sequence)
    advance(scheduler)
    for sequence in sequences:
        sequence.draft = [1] * 6
    assert [chunk.num_draft for chunk in scheduler.schedule().chunks] == [6, 2]
    scheduler.add(sequence_of(3, 30))
    for sequence in sequences:
        sequence.draft = [1] * 6
    assert [(chunk.length, chunk.num_draft) for chunk in scheduler.schedule().chunks] == [(5, 4), (1, 0), (4, 0)]


def test_drafts_are_dropped_when_blocks_are_short() -> None:
    scheduler = scheduler_of(num_blocks=4)
    sequences = [sequence_of(key, 7, answer=6) for key in (1, 2)]
    for sequence in sequences:
        scheduler.add(sequence)
    advance(scheduler)
    assert len(scheduler.running) == 1  # two blocks each would leave none to grow
    sequences[0].draft = [1] * 4
    assert scheduler.schedule().chunks[0].num_draft == 4

    tight = scheduler_of(num_blocks=5)
    sequences = [sequence_of(key, 7, answer=6) for key in (1, 2)]
    for sequence in sequences:
        tight.add(sequence)
    advance(tight)
    for sequence in sequences:
        sequence.draft = [1] * 4
    # one block is left, and each has one position in the block it holds
    assert [(chunk.length, chunk.num_draft) for chunk in tight.schedule().chunks] == [(1, 0), (1, 0)]


def test_a_known_beginning_is_not_computed_again_but_the_last_token_is() -> None:
    scheduler = scheduler_of()
    first = sequence_of(1, list(range(12)))
    scheduler.add(first)
    advance(scheduler)
    scheduler.finish(1)
    same, longer, other = (
        sequence_of(2, list(range(12))),
        sequence_of(3, [*range(12), 50, 51]),
        sequence_of(4, [*range(8), 60, 61, 62, 63, 64]),
    )
    for sequence in (same, longer, other):
        scheduler.add(sequence)
    assert shape(advance(scheduler)) == [(2, 8, 4), (3, 12, 2), (4, 8, 5)]
    assert [sequence.num_cached for sequence in (same, longer, other)] == [8, 12, 8]
    assert same.blocks[:2] == longer.blocks[:2] == other.blocks[:2]
    metrics = scheduler.metrics
    assert (metrics.num_cached_tokens, metrics.num_prompt_tokens) == (28, 51)


def test_answers_are_found_too() -> None:
    scheduler = scheduler_of()
    sequence = sequence_of(1, 3)
    scheduler.add(sequence)
    for _ in range(7):
        advance(scheduler)
    scheduler.finish(1)
    assert len(sequence.tokens) == 10
    turn = sequence_of(2, [*sequence.tokens, 70, 71, 72])
    scheduler.add(turn)
    advance(scheduler)
    assert turn.num_cached == 8


def test_a_prompt_waits_for_the_beginning_that_another_computes_and_others_pass_it() -> None:
    scheduler = scheduler_of(step_tokens=8)
    scheduler.add(sequence_of(1, [*range(16), 90]))
    scheduler.add(sequence_of(2, [*range(16), 91]))
    scheduler.add(sequence_of(3, [*range(4), *range(50, 54)]))  # would gain one block only
    scheduler.add(sequence_of(4, 2))
    assert shape(advance(scheduler)) == [(1, 0, 8)]
    assert shape(advance(scheduler)) == [(1, 8, 8)]
    assert [sequence.key for sequence in scheduler.waiting] == [2, 3, 4]
    assert shape(advance(scheduler)) == [(1, 16, 1), (2, 16, 1), (3, 4, 4), (4, 0, 2)]


def test_those_that_stand_back_are_passed_in_the_same_step() -> None:
    scheduler = scheduler_of()
    scheduler.add(sequence_of(1, [*range(16), 90]))
    scheduler.add(sequence_of(2, [*range(16), 91]))
    scheduler.add(sequence_of(3, 5))
    assert shape(advance(scheduler)) == [(1, 0, 17), (3, 0, 5)]
    assert shape(advance(scheduler)) == [(1, 17, 1), (3, 5, 1), (2, 16, 1)]


def test_who_stands_back_goes_on_when_the_other_is_cancelled() -> None:
    scheduler = scheduler_of(step_tokens=8)
    scheduler.add(sequence_of(1, [*range(16), 90]))
    scheduler.add(sequence_of(2, [*range(16), 91]))
    advance(scheduler)
    assert scheduler.cancel(1) is not None
    assert shape(advance(scheduler)) == [(2, 8, 8)]


def test_the_sequence_admitted_last_gives_its_blocks_and_finds_most_of_them_again() -> None:
    scheduler = scheduler_of(num_blocks=8)
    sequences = [sequence_of(key, 11, answer=12) for key in (1, 2)]
    for sequence in sequences:
        scheduler.add(sequence)
    steps = [advance(scheduler) for _ in range(7)]
    assert sequences[1] in steps[-1].preempted
    assert all(not step.preempted for step in steps[:-1])
    assert scheduler.waiting == (sequences[1],)
    assert (sequences[1].blocks, sequences[1].num_computed) == ([], 0)
    assert len(sequences[1].tokens) == 17  # nothing of the answer is lost
    scheduler.finish(1)
    assert shape(advance(scheduler)) == [(2, 12, 5)]  # three blocks of the four that were computed
    assert sequences[1].num_cached == 0
    assert scheduler.metrics.num_preemptions == 1


def test_who_was_preempted_comes_before_who_waits_in_the_old_order() -> None:
    scheduler = scheduler_of(num_blocks=9)
    for key in (1, 2, 3):
        scheduler.add(sequence_of(key, 7, answer=20))
    scheduler.add(sequence_of(4, 30, answer=1))
    order = []
    while len(scheduler.running) != 1:
        order.append(advance(scheduler).preempted)
    assert [sequence.key for preempted in order for sequence in preempted] == [3, 2]
    assert [sequence.key for sequence in scheduler.waiting] == [2, 3, 4]


def test_failed_content_is_computed_anew() -> None:
    scheduler = scheduler_of()
    scheduler.add(sequence_of(1, list(range(12))))
    advance(scheduler)
    scheduler.finish(1, failed=True)
    again = sequence_of(2, list(range(12)))
    scheduler.add(again)
    assert shape(advance(scheduler)) == [(2, 0, 12)]
    assert scheduler.metrics.num_used_blocks == 4 - 1


def test_cancel_works_in_every_state() -> None:
    scheduler = scheduler_of()
    waiting, running = sequence_of(1, 5), sequence_of(2, 5)
    scheduler.add(waiting)
    assert scheduler.cancel(1) is waiting
    assert scheduler.cancel(1) is None
    scheduler.add(running)
    (chunk,) = scheduler.schedule().chunks
    assert scheduler.cancel(2) is running
    scheduler.commit(chunk, [7])  # it was being computed: nothing comes of it
    assert running.tokens == sequence_of(2, 5).tokens
    assert len(scheduler) == 0
    assert scheduler.metrics.num_used_blocks == 0
    assert scheduler.schedule() == ((), ())


def test_a_step_that_was_lost_is_scheduled_again() -> None:
    scheduler = scheduler_of()
    scheduler.add(sequence_of(1, 5))
    assert shape(scheduler.schedule()) == shape(scheduler.schedule()) == [(1, 0, 5)]


def test_what_the_cache_can_never_hold_is_refused() -> None:
    scheduler = scheduler_of(num_blocks=4)
    scheduler.add(sequence_of(1, 6, answer=10))
    with pytest.raises(ContextTooLong) as caught:
        scheduler.add(sequence_of(2, 6, answer=11))
    for part in ("6 tokens", "17 in all", "cache of 16", "max_tokens"):
        assert part in str(caught.value)
    with pytest.raises(UsageError, match="0 tokens"):
        scheduler.add(sequence_of(3, []))
    assert len(scheduler) == 1


@pytest.mark.parametrize(("sequences", "step_tokens"), [(0, 8), (9, 8), (-1, -1)])
def test_limits_that_schedule_nothing_are_refused(sequences: int, step_tokens: int) -> None:
    with pytest.raises(UsageError, match=f"{sequences} sequences with {step_tokens} tokens"):
        scheduler_of(sequences=sequences, step_tokens=step_tokens)


def test_tokens_that_cannot_have_come_of_a_chunk_are_caught() -> None:
    scheduler = scheduler_of(step_tokens=8)
    scheduler.add(sequence_of(1, 9))
    (chunk,) = scheduler.schedule().chunks
    with pytest.raises(AssertionError):
        scheduler.commit(chunk, [7])
    scheduler.commit(chunk, [])
    (chunk,) = scheduler.schedule().chunks
    with pytest.raises(AssertionError):
        scheduler.commit(chunk, [7, 8])


def test_a_decode_step_stays_cheap_and_a_long_queue_costs_nothing() -> None:
    def work_of(num_waiting: int, *, sequences: int) -> int:
        scheduler = Scheduler(BlockPool(4096, 16), max_sequences=sequences, max_step_tokens=512)
        for key in range(32):
            scheduler.add(sequence_of(key, 10))
        advance(scheduler)
        for key in range(100, 100 + num_waiting):
            scheduler.add(sequence_of(key, [5] * 1500, answer=3))
        advance(scheduler)
        return num_calls(lambda: advance(scheduler))

    assert work_of(0, sequences=32) < 32 * 40
    assert work_of(1000, sequences=32) <= work_of(1, sequences=32)
    # The queue stands back for its first prompt, which is still being computed.
    assert work_of(1000, sequences=64) < work_of(1, sequences=64) + 32 * 8


def test_adding_a_prompt_costs_nothing_until_its_turn() -> None:
    scheduler = scheduler_of(num_blocks=1000)
    short, long = sequence_of(1, 10), sequence_of(2, 1000)
    assert num_calls(lambda: scheduler.add(long)) == num_calls(lambda: scheduler.add(short))


def test_neither_torch_nor_numpy_is_loaded() -> None:
    code = "import sys, seatrial.engine.scheduler; print(sorted({'torch', 'numpy'} & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"

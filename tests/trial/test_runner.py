"""The runner: every question asked once, every answer kept, failures and interruptions included."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from trial_values import NOON, Echo, candidate, plan, run, workload

from seatrial.chat import ChatRequest, Finished, TextDelta
from seatrial.errors import (
    AuthenticationFailed,
    ContextTooLong,
    NotRunnable,
    ProviderError,
    ProviderUnavailable,
    RateLimited,
    RequestRejected,
    StorageError,
)
from seatrial.trial import log as log_module
from seatrial.trial.plan import plan_trial
from seatrial.trial.record import Failure
from seatrial.trial.runner import Progress, TrialInterrupted
from seatrial.trial.store import load_run


def raising(*errors: Exception, on: str = "say") -> Any:
    """Raises the errors in turn, then none, for requests whose text holds `on`."""
    left = list(errors)

    def before(text: str, number: int) -> None:
        if on in text and left:
            raise left.pop(0)

    return before


async def test_every_item_is_asked_and_scored(tmp_path: Path) -> None:
    echo = Echo()
    done = await run(plan(), tmp_path, echo)
    assert sorted(echo.asked) == [f"say {n}" for n in range(6)]
    assert echo.num_closed == 1
    first = next(one for one in done.observations if one.item == "i0")
    assert (first.text, first.score, first.finish_reason, first.failure) == ("0", 1.0, "stop", None)
    assert (first.prompt_tokens, first.completion_tokens, first.cached_tokens, first.reasoning_tokens) == (10, 2, 4, 1)
    assert first.cost_usd == 0.01
    assert first.started_at == NOON
    assert first.ttft_s is not None
    assert first.latency_s is not None
    assert 0 <= first.ttft_s <= first.latency_s < 5
    assert done == load_run(tmp_path)


async def test_a_finished_run_asks_nothing_more(tmp_path: Path) -> None:
    first = await run(plan(), tmp_path, Echo())

    def no_provider(*args: object) -> Echo:
        raise AssertionError("opened for nothing")

    again = await run(plan(), tmp_path, no_provider)
    assert again.observations == first.observations
    assert len(again.manifest.sessions) == 2


async def test_a_larger_limit_asks_only_the_rest(tmp_path: Path) -> None:
    few, rest = Echo(), Echo()
    await run(plan(limit=2), tmp_path, few)
    done = await run(plan(), tmp_path, rest)
    assert sorted([*few.asked, *rest.asked]) == [f"say {n}" for n in range(6)]
    assert len(done.observations) == 6


@pytest.mark.parametrize(("concurrency", "most"), [(1, 1), (3, 3), (100, 20)])
async def test_so_many_at_once_and_no_more(tmp_path: Path, concurrency: int, most: int) -> None:
    echo = Echo(lambda text, number: asyncio.sleep(0.01))
    await run(plan(items=20), tmp_path, echo, concurrency=concurrency)
    assert echo.most_at_once == most


async def test_candidates_one_after_another(tmp_path: Path) -> None:
    order: list[str] = []
    providers = {name: Echo(lambda text, number, name=name: order.append(name)) for name in "ab"}
    await run(plan(candidate("a"), candidate("b")), tmp_path, lambda one, workload: providers[one.id], concurrency=6)
    assert order == ["a"] * 6 + ["b"] * 6


async def test_one_provider_for_several_workloads_is_closed_once_at_the_end(tmp_path: Path) -> None:
    echo = Echo(lambda text, number: None if echo.num_closed == 0 else pytest.fail("asked after closing"))
    both = plan_trial([candidate()], [workload(2, "one"), workload(3, "two")], seed=0)
    done = await run(both, tmp_path, echo)
    assert (len(done.observations), echo.num_closed) == (5, 1)


async def test_a_trial_without_workloads_measures_nothing(tmp_path: Path) -> None:
    done = await run(plan_trial([candidate()], [], seed=0), tmp_path, Echo())
    assert (done.observations, done.items, done.manifest.not_measured) == ([], [], [])


@pytest.mark.parametrize(
    ("error", "failure"),
    [
        (RateLimited("slow down"), Failure(type="RateLimited", message="slow down", status=429)),
        (ContextTooLong("too long"), Failure(type="ContextTooLong", message="too long")),
        (
            RequestRejected("no", status=400, code="x"),
            Failure(type="RequestRejected", message="no", status=400, code="x"),
        ),
    ],
)
async def test_a_failure_is_an_observation(tmp_path: Path, error: Exception, failure: Failure) -> None:
    done = await run(plan(), tmp_path, Echo(raising(error, on="say 3")))
    failed = [one for one in done.observations if one.failure]
    assert [(one.item, one.failure, one.score, one.text) for one in failed] == [("i3", failure, 0.0, None)]
    assert len(done.observations) == 6


async def test_a_stream_that_never_finishes_is_a_bad_reply(tmp_path: Path) -> None:
    class Short(Echo):
        async def stream(self, request: ChatRequest) -> Any:
            yield TextDelta("x")

    done = await run(plan(items=1), tmp_path, Short())
    assert done.observations[0].failure is not None
    assert done.observations[0].failure.type == "BadReply"


async def test_failures_are_asked_again_only_on_demand(tmp_path: Path) -> None:
    passing, lasting = RateLimited("slow"), RequestRejected("no", status=400)
    await run(plan(), tmp_path, Echo(raising(passing, lasting, on="say")), concurrency=1)
    kept, again = Echo(), Echo()
    assert sum(one.failure is not None for one in (await run(plan(), tmp_path, kept)).observations) == 2
    done = await run(plan(), tmp_path, again, retry_failures=True)
    assert (kept.asked, len(again.asked)) == ([], 1)
    assert [one.failure.type for one in done.observations if one.failure] == ["RequestRejected"]
    assert len(done.observations) == 6


async def test_a_candidate_that_cannot_run_is_noted_and_the_others_run(tmp_path: Path) -> None:
    def provider_for(one: Any, workload: Any) -> Echo:
        if one.id == "a":
            raise NotRunnable("No key.", "Set it.")
        return Echo()

    notices: list[Progress] = []
    both = plan(candidate("a"), candidate("b"))
    done = await run(both, tmp_path, provider_for, on_progress=notices.append)
    assert [(one.candidate, one.reason, one.way_out) for one in done.manifest.not_measured] == [
        ("a", "No key.", "Set it.")
    ]
    assert {one.candidate for one in done.observations} == {"b"}
    assert any("No key." in told.notice for told in notices)
    assert len((await run(both, tmp_path, Echo())).observations) == 12
    assert load_run(tmp_path).manifest.not_measured == []


async def test_a_setting_that_the_model_does_not_take_stops_it(tmp_path: Path) -> None:
    echo = Echo(raising(NotRunnable("It takes no `top_k`.", "Leave it out.")))
    done = await run(plan(items=50), tmp_path, echo, concurrency=1)
    assert (len(echo.asked), done.observations) == (1, [])
    assert done.manifest.not_measured[0].reason == "It takes no `top_k`."


@pytest.mark.parametrize(
    ("error", "way_out"),
    [
        (AuthenticationFailed("bad key", status=401), "Check the API key"),
        (ProviderUnavailable("refused"), "Start the server"),
        (RequestRejected("no such model", status=404), "Check the address"),
        (RateLimited("pay", code="insufficient_quota"), "Add credit"),
    ],
)
async def test_a_candidate_that_never_gets_in_is_stopped_early(tmp_path: Path, error: Exception, way_out: str) -> None:
    echo = Echo(raising(*[error] * 1000))
    done = await run(plan(items=1000), tmp_path, echo, concurrency=4)
    assert len(echo.asked) <= 8
    assert done.observations == []
    noted = done.manifest.not_measured[0]
    assert str(error) in noted.reason
    assert noted.way_out.startswith(way_out)
    assert "seatrial trial echo-1 --on echo" in noted.way_out
    assert len((await run(plan(items=1000), tmp_path, Echo())).observations) == 1000


async def test_failures_at_the_door_before_the_first_answer_are_kept_once_it_has_come(tmp_path: Path) -> None:
    flaky = raising(*[AuthenticationFailed("flagged", status=403)] * 2)
    done = await run(plan(), tmp_path, Echo(flaky), concurrency=1)
    assert [one.failure is not None for one in done.observations] == [True, True, False, False, False, False]
    assert done.manifest.not_measured == []


async def test_after_an_answer_such_failures_are_data(tmp_path: Path) -> None:
    errors: list[ProviderError] = [AuthenticationFailed("revoked", status=401)] * 5
    before = raising(*errors)
    echo = Echo(lambda text, number: before(text, number) if number > 1 else None)
    done = await run(plan(), tmp_path, echo, concurrency=1)
    assert sum(one.failure is not None for one in done.observations) == 5


async def test_failures_of_items_alone_stop_nothing(tmp_path: Path) -> None:
    done = await run(plan(), tmp_path, Echo(raising(*[ProviderUnavailable("500", status=500)] * 6)))
    assert sum(one.failure is not None for one in done.observations) == 6


async def test_progress_counts_to_the_end(tmp_path: Path) -> None:
    told: list[Progress] = []
    both = plan(candidate("a"), candidate("b"))
    await run(both, tmp_path, Echo(raising(RateLimited("slow"))), on_progress=told.append)
    assert [one.num_done for one in told] == list(range(13))
    assert {one.num_planned for one in told} == {12}
    assert told[-1].num_failed == 1
    assert (told[1].candidate, told[-1].candidate) == ("a", "b")


async def test_what_will_not_be_asked_leaves_the_total_once_it_is_known(tmp_path: Path) -> None:
    def provider_for(one: Any, workload: Any) -> Echo:
        if one.id == "a" or (one.id == "d" and workload.name == "two"):
            raise NotRunnable("No key.", "Set it.")
        return Echo(raising(*[AuthenticationFailed("bad key", status=401)] * 9)) if one.id == "b" else Echo()

    told: list[Progress] = []
    four = plan_trial([candidate(name) for name in "abcd"], [workload(6, "one"), workload(4, "two")], seed=0)
    await run(four, tmp_path, provider_for, on_progress=told.append)
    assert [one.num_planned for one in told if "is not measured" in one.notice] == [34, 20, 16]
    assert (told[0].num_planned, told[-1].num_done, told[-1].num_planned) == (40, 16, 16)


async def test_answers_of_a_candidate_that_can_be_asked_no_more_still_count(tmp_path: Path) -> None:
    def no_provider(*args: object) -> Echo:
        raise NotRunnable("No key.", "Set it.")

    await run(plan(limit=2), tmp_path, Echo())
    told: list[Progress] = []
    await run(plan(), tmp_path, no_provider, on_progress=told.append)
    assert [(one.num_done, one.num_planned) for one in told] == [(2, 6), (2, 2)]


async def test_the_total_is_right_where_the_same_reason_holds_for_every_workload(tmp_path: Path) -> None:
    def no_provider(*args: object) -> Echo:
        raise NotRunnable("No key.", "Set it.")

    told: list[Progress] = []
    two = plan_trial([candidate()], [workload(6, "one"), workload(4, "two")], seed=0)
    await run(two, tmp_path, no_provider, on_progress=told.append)
    assert told[-1].num_planned == 0
    assert sum("is not measured" in one.notice for one in told) == 1


async def test_a_defect_of_ours_is_no_observation(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        await run(plan(), tmp_path, Echo(raising(ZeroDivisionError(), on="say 4")), concurrency=1)
    assert len(load_run(tmp_path).observations) == 4
    assert len((await run(plan(), tmp_path, Echo())).observations) == 6


async def test_cancelling_leaves_a_whole_log_and_says_how_to_go_on(tmp_path: Path) -> None:
    reached = asyncio.Event()

    async def stuck() -> None:
        reached.set()
        await asyncio.sleep(60)

    echo = Echo(lambda text, number: stuck() if number > 3 else None)
    task = asyncio.create_task(run(plan(), tmp_path, echo))
    await reached.wait()
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(TrialInterrupted) as caught:
        await task
    assert (caught.value.num_done, caught.value.num_planned) == (3, 6)
    assert "same command" in str(caught.value)
    assert echo.num_now == 0
    assert echo.num_closed == 1
    rest = Echo()
    assert len((await run(plan(), tmp_path, rest)).observations) == 6
    assert len(rest.asked) == 3


async def test_stopped_it_counts_what_would_still_have_been_asked(tmp_path: Path) -> None:
    def provider_for(one: Any, workload: Any) -> Echo:
        if one.id == "a":
            raise NotRunnable("No key.", "Set it.")
        return Echo(raising(asyncio.CancelledError(), on="say 2"))

    three = plan(candidate("a"), candidate("b"), candidate("c"))
    with pytest.raises(TrialInterrupted, match="2 of 12 observations"):
        await run(three, tmp_path, provider_for, concurrency=1)


def test_ctrl_c_under_asyncio_run(tmp_path: Path) -> None:
    async def interrupted() -> None:
        async def wait() -> None:
            os.kill(os.getpid(), signal.SIGINT)
            await asyncio.sleep(60)

        await run(plan(), tmp_path, Echo(lambda text, number: wait() if number == 3 else None), concurrency=1)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a background shell has tests ignore it
    try:
        with pytest.raises(TrialInterrupted, match="2 of 6"):
            asyncio.run(interrupted())
    finally:
        signal.signal(signal.SIGINT, before)
    assert len(load_run(tmp_path).observations) == 2


async def test_a_torn_line_is_reported_and_asked_again(tmp_path: Path) -> None:
    await run(plan(), tmp_path, Echo())
    log = tmp_path / "observations.jsonl"
    log.write_bytes(log.read_bytes()[:-20])
    told: list[Progress] = []
    echo = Echo()
    done = await run(plan(), tmp_path, echo, on_progress=told.append)
    assert len(echo.asked) == 1
    assert "cut off the last line" in told[0].notice
    assert sorted(one.item for one in done.observations) == [f"i{n}" for n in range(6)]


FULL_DISK = """
import asyncio, resource, sys
sys.path[:0] = sys.argv[2:]
from pathlib import Path
from trial_values import Echo, plan, run
from seatrial.errors import StorageError
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
try:
    asyncio.run(run(plan(items=80), Path(sys.argv[1]), Echo()))
except StorageError as error:
    print(error)
"""


async def test_a_disk_that_is_full_in_earnest(tmp_path: Path) -> None:
    """A limit on the size of files makes the kernel cut a write short and refuse the next, as a full disk does."""
    command = [sys.executable, "-c", FULL_DISK, str(tmp_path), str(Path(__file__).parent)]
    said = await asyncio.to_thread(subprocess.check_output, command, text=True, timeout=60)
    num_safe = len(load_run(tmp_path).observations)
    assert 0 < num_safe < 80
    assert f"{num_safe} observations in it are safe" in said
    assert (tmp_path / "observations.jsonl").read_bytes().endswith(b"\n")
    rest = Echo()
    assert len((await run(plan(items=80), tmp_path, rest)).observations) == 80
    assert len(rest.asked) == 80 - num_safe


async def test_a_disk_that_fails_to_sync_fails_the_trial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_sync(file: int) -> None:
        raise OSError(5, "Input/output error")

    whole = plan()
    await run(plan(limit=1), tmp_path, Echo())
    monkeypatch.setattr(log_module.os, "fsync", no_sync)
    with pytest.raises(StorageError, match="Input/output error"):
        await run(whole, tmp_path, Echo())


async def test_halves_of_an_emoji_are_joined_before_scoring(tmp_path: Path) -> None:
    class Halves(Echo):
        async def stream(self, request: ChatRequest) -> Any:
            for piece in ("\ud83d", "\ude00", "\ud83d"):
                yield TextDelta(piece)
            yield Finished("stop")

    done = await run(plan(items=1), tmp_path, Halves())
    assert done.observations[0].text == "😀\ufffd"
    assert done.observations[0].cost_usd is None


@pytest.mark.parametrize(
    ("changes", "temperature", "seed", "max_tokens", "thinking"),
    [
        ({}, 0.0, None, 16, None),
        ({"settings": {"temperature": 0.7}}, 0.7, 5, 16, None),
        ({"settings": {"temperature": 0.7, "seed": 9}}, 0.7, 9, 16, None),
        ({"settings": {"max_tokens": 99, "thinking": True}}, 0.0, None, 99, True),
        ({"settings": {"thinking": True}}, 0.0, None, 16 + 8192, True),
        ({"settings": {"thinking": False}}, 0.0, None, 16, False),
        ({"hosted_reasoning": True}, None, None, 16 + 8192, None),
        ({"hosted_reasoning": True, "settings": {"max_tokens": 7}}, None, None, 7, None),
    ],
)
async def test_requests_as_the_candidate_is_set(
    tmp_path: Path,
    changes: dict[str, Any],
    temperature: float | None,
    seed: int | None,
    max_tokens: int,
    thinking: bool | None,
) -> None:
    echo = Echo()
    await run(plan(candidate(**changes), items=1, seed=5), tmp_path, echo)
    request = echo.requests[0]
    assert (request.sampling.temperature, request.sampling.seed) == (temperature, seed)
    assert (request.max_tokens, request.thinking) == (max_tokens, thinking)

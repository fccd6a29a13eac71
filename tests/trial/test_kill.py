"""`kill -9` in the middle of a run, again and again: nothing that was written is lost or asked again."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
from pathlib import Path
from typing import Self

from killed_trial import NUM_ITEMS
from stand_in import StandIn, answer
from trial_values import Echo, candidate, plan, run

from seatrial.trial.log import read_log
from seatrial.trial.store import load_run

HERE = Path(__file__).resolve().parent
NUM_KILLS = 10


class Trials:
    """Starts one trial after another, each a process of its own; see `killed_trial.py`."""

    def __init__(self, folder: Path, base_url: str) -> None:
        self._command = [sys.executable, str(HERE / "killed_trial.py"), str(folder), base_url]

    async def __aenter__(self) -> Self:
        pipe = asyncio.subprocess.PIPE
        self._starter = await asyncio.create_subprocess_exec(*self._command, stdin=pipe, stdout=pipe)
        return self

    async def __aexit__(self, *error: object) -> None:
        assert self._starter.stdin is not None
        self._starter.stdin.close()
        await self._starter.wait()

    async def start(self, session: str) -> tuple[int, asyncio.Task[int]]:
        """Its process id, and its exit code when it ends."""
        assert self._starter.stdin is not None
        self._starter.stdin.write(f"{session}\n".encode())
        return await self._read_number(), asyncio.create_task(self._read_number())

    async def _read_number(self) -> int:
        assert self._starter.stdout is not None
        return int(await self._starter.stdout.readline())


def observed(folder: Path) -> dict[str, str | None]:
    return {one.item: one.text for one in read_log(folder / "observations.jsonl").observations}


async def killed_at_a_random_moment(trials: Trials, session: str, folder: Path, rng: random.Random) -> int:
    """Kill a trial once the log has grown by a random number of lines, and a random moment after; its exit code."""
    number, ended = await trials.start(session)
    log = folder / "observations.jsonl"
    enough = len(observed(folder)) + rng.randint(1, 8)
    while not ended.done() and (not log.exists() or log.read_bytes().count(b"\n") < enough):
        await asyncio.sleep(0.002)
    await asyncio.sleep(rng.uniform(0.0, 0.01))
    if not ended.done():
        os.kill(number, signal.SIGKILL)
    return await ended


async def test_killed_ten_times_and_resumed(tmp_path: Path) -> None:
    rng = random.Random()  # a new set of moments each time
    folder = tmp_path / "run"
    written: dict[int, dict[str, str | None]] = {0: {}}

    async def slowly(request: object) -> object:
        await asyncio.sleep(rng.uniform(0.005, 0.03))
        return request

    async with (
        StandIn(lambda asked: _after(slowly, answer(asked.text.removeprefix("say ")))) as server,
        Trials(folder, server.base_url) as trials,
    ):
        for session in range(NUM_KILLS):
            assert await killed_at_a_random_moment(trials, str(session), folder, rng) == -signal.SIGKILL
            written[session + 1] = observed(folder)
            assert written[session].items() <= written[session + 1].items()
        _, ended = await trials.start(str(NUM_KILLS))
        assert await ended == 0
        for asked in server.asked:
            session = int(asked.headers["authorization"].removeprefix("Bearer "))
            item = "i" + asked.text.removeprefix("say ")
            assert item not in written[session], f"{item} was on disk before session {session}, and asked again in it"
    assert len(written[NUM_KILLS]) < NUM_ITEMS, "the last kill came after the end; make the run longer"
    done = load_run(folder)
    keys = [one.key for one in done.observations]
    assert len(read_log(folder / "observations.jsonl").observations) == len(set(keys)) == NUM_ITEMS
    assert len(done.manifest.sessions) == NUM_KILLS + 1
    undisturbed = await run(plan(candidate(), items=NUM_ITEMS), tmp_path / "undisturbed", Echo())
    assert {(one.key, one.text, one.score) for one in done.observations} == {
        (one.key, one.text, one.score) for one in undisturbed.observations
    }


def _after(wait: object, script: object) -> object:
    async def both(request: object) -> object:
        await wait(request)  # type: ignore[operator]
        return await script(request)  # type: ignore[operator]

    return both

"""`kill -9` in the middle of a run, again and again: nothing that was written is lost or asked again."""

from __future__ import annotations

import asyncio
import random
import sys
from pathlib import Path

from killed_trial import NUM_ITEMS
from stand_in import StandIn, answer
from trial_values import Echo, candidate, plan, run

from seatrial.trial.log import read_log
from seatrial.trial.store import load_run

HERE = Path(__file__).resolve().parent
NUM_KILLS = 10


async def start(folder: Path, base_url: str, session: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, str(HERE / "killed_trial.py"), str(folder), base_url, session, stderr=asyncio.subprocess.PIPE
    )


def observed(folder: Path) -> dict[str, str | None]:
    return {one.item: one.text for one in read_log(folder / "observations.jsonl").observations}


async def killed_at_a_random_moment(process: asyncio.subprocess.Process, folder: Path, rng: random.Random) -> None:
    """Kill once the log has grown by a random number of lines, and a random moment after."""
    log = folder / "observations.jsonl"
    enough = len(observed(folder)) + rng.randint(1, 8)
    while process.returncode is None and (not log.exists() or log.read_bytes().count(b"\n") < enough):
        await asyncio.sleep(0.002)
    await asyncio.sleep(rng.uniform(0.0, 0.01))
    process.kill()
    await process.wait()


async def test_killed_ten_times_and_resumed(tmp_path: Path) -> None:
    rng = random.Random()  # a new set of moments each time
    folder = tmp_path / "run"
    written: dict[int, dict[str, str | None]] = {0: {}}

    async def slowly(request: object) -> object:
        await asyncio.sleep(rng.uniform(0.005, 0.03))
        return request

    async with StandIn(lambda asked: _after(slowly, answer(asked.text.removeprefix("say ")))) as server:
        for session in range(NUM_KILLS):
            process = await start(folder, server.base_url, str(session))
            await killed_at_a_random_moment(process, folder, rng)
            assert process.returncode == -9, (await process.stderr.read()).decode()  # type: ignore[union-attr]
            written[session + 1] = observed(folder)
            assert written[session].items() <= written[session + 1].items()
        process = await start(folder, server.base_url, str(NUM_KILLS))
        _, said = await process.communicate()
        assert process.returncode == 0, said.decode()
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

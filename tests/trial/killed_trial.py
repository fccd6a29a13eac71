"""Trials in processes of their own, to be killed: `killed_trial.py FOLDER BASE_URL`.

In: a line for each, the name of its session. Out: its process id, and its exit code once it has ended. Each is forked
when everything is loaded.
"""

from __future__ import annotations

import asyncio
import os
import random
import sys
from pathlib import Path

from trial_values import candidate, plan, run

from seatrial.providers.openai_http import OpenAIProvider

NUM_ITEMS = 120


def main(folder: str, base_url: str) -> None:
    for session in sys.stdin:
        child = os.fork()
        if not child:
            _try_models(folder, base_url, session.strip())
            return
        print(child, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


def _try_models(folder: str, base_url: str, session: str) -> None:
    provider = OpenAIProvider(base_url=base_url, model="m", api_key=session, name="m", rng=random.Random(0))
    asyncio.run(run(plan(candidate(), items=NUM_ITEMS), Path(folder), provider, concurrency=4))


if __name__ == "__main__":
    main(*sys.argv[1:])

"""A trial in a process of its own, to be killed: `killed_trial.py FOLDER BASE_URL SESSION`."""

from __future__ import annotations

import asyncio
import random
import sys
from pathlib import Path

from trial_values import candidate, plan, run

from seatrial.providers.openai_http import OpenAIProvider

NUM_ITEMS = 120


def main(folder: str, base_url: str, session: str) -> None:
    provider = OpenAIProvider(base_url=base_url, model="m", api_key=session, name="m", rng=random.Random(0))
    asyncio.run(run(plan(candidate(), items=NUM_ITEMS), Path(folder), provider, concurrency=4))


if __name__ == "__main__":
    main(*sys.argv[1:])

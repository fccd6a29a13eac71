"""A workload of pictures for trials, and a run of it that ends in the middle: `looking.py FOLDER PICTURES ANSWERS`."""

from __future__ import annotations

import asyncio
import hashlib
import os
import signal
import sys
from pathlib import Path

from trial_values import Echo, candidate, run, workload

from seatrial.chat import ImagePart
from seatrial.trial.plan import Plan, plan_trial
from seatrial.workload.specification import Item, Workload

PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108000000003a7e9b55"
    "0000000a49444154789c63680000008200816ddb4ac20000000049454e44ae426082"
)


def looking(folder: Path, num_items: int = 12, name: str = "looking") -> Workload:
    """Asks for what stands after "say ", beside a picture of its own for each item."""
    folder.mkdir(exist_ok=True)
    items = []
    for number in range(num_items):
        path = folder / f"{number}.png"
        data = PIXEL + b"%d" % number
        path.write_bytes(data)
        digest = hashlib.sha256(data).hexdigest()
        items.append(Item(f"i{number}", f"say {number}", str(number), pictures=(path,), media_sha256=(digest,)))
    return workload(name=name, items=tuple(items))


def looking_plan(folder: Path, *, num_items: int = 12) -> Plan:
    return plan_trial((candidate(),), (looking(folder, num_items),), seed=0)


class Seer(Echo):
    """Says what it is asked to say, and remembers what it was shown."""

    sees = True

    @property
    def shown(self) -> list[bytes]:
        parts = [part for request in self.requests for part in request.messages[-1].parts]
        return [part.data for part in parts if isinstance(part, ImagePart)]


def main(folder: str, pictures: str, num_answers: str) -> None:
    def before(text: str, number: int) -> None:
        if number > int(num_answers):
            os.kill(os.getpid(), signal.SIGKILL)

    asyncio.run(run(looking_plan(Path(pictures)), Path(folder), Seer(before), concurrency=1))


if __name__ == "__main__":
    main(*sys.argv[1:])

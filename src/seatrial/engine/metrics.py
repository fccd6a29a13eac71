"""What an engine tells of itself: its queue and cache as they are, and totals since the start."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from seatrial.engine.picture_queue import PictureQueue
from seatrial.engine.scheduler import Metrics


class EngineMetrics(NamedTuple):
    """The state now (`num_waiting` to `num_blocks`, `picture_bytes`), and totals since the start.

    `num_pictures` were asked about; `num_pictures_encoded` of them, with `num_tiles_encoded`, were not known already.
    """

    num_waiting: int
    num_running: int
    num_blocks_used: int
    num_blocks: int
    num_steps: int
    num_prompt_tokens: int
    num_cached_tokens: int
    num_generated_tokens: int
    num_drafted: int
    num_accepted: int
    num_preempted: int
    num_pictures: int = 0
    num_pictures_encoded: int = 0
    num_tiles_encoded: int = 0
    picture_bytes: int = 0


@dataclass(slots=True)
class Totals:
    """What the step loop counts; the scheduler and the queue of pictures count the rest."""

    steps: int = 0
    generated: int = 0
    drafted: int = 0
    accepted: int = 0


def engine_metrics(totals: Totals, scheduled: Metrics, pictures: PictureQueue | None) -> EngineMetrics:
    """All of them together. Who waits for a picture waits."""
    found = EngineMetrics(
        num_waiting=scheduled.num_waiting,
        num_running=scheduled.num_running,
        num_blocks_used=scheduled.num_used_blocks,
        num_blocks=scheduled.num_blocks,
        num_steps=totals.steps,
        num_prompt_tokens=scheduled.num_prompt_tokens,
        num_cached_tokens=scheduled.num_cached_tokens,
        num_generated_tokens=totals.generated,
        num_drafted=totals.drafted,
        num_accepted=totals.accepted,
        num_preempted=scheduled.num_preemptions,
    )
    if pictures is None:
        return found
    return found._replace(
        num_waiting=found.num_waiting + len(pictures),
        num_pictures=pictures.totals.asked,
        num_pictures_encoded=pictures.totals.encoded,
        num_tiles_encoded=pictures.totals.tiles,
        picture_bytes=pictures.rows.num_bytes,
    )

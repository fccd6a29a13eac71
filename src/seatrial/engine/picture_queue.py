"""Sequences whose pictures are not there yet, and the encoder at work on them between the passes of the decoder.

In: sequences with their prepared pictures. Out, after each batch of tiles: the sequences that lack no picture, to be
scheduled, and those that failed. A sequence first waits for room for its rows, in order of arrival, then for the
encoder; until then its tokens hold the one id that stands for any picture, from then on the ids of its pictures' rows.

What is there already is not encoded again, and neither is a picture whose rows are wanted only where the prefix cache
holds what came of them. Whether that is so is asked again when the sequence starts, by `can_start`, and when it starts
again after it had lost its blocks; what it lacks then is encoded first. Torch-free.

Shape suffixes: N tiles, P rows of a tile, E rows of a picture, D hidden size of the decoder, C colours, H and W pixels.
"""

# ruff: noqa: N815 - fields carry shape suffixes

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable
from collections.abc import Sequence as Several
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from seatrial.engine.picture_rows import PictureRows
from seatrial.engine.request import Sequence
from seatrial.errors import UsageError

if TYPE_CHECKING:
    from seatrial.engine.vision import VisionEncoder
    from seatrial.models.pictures import PreparedPicture

_log = logging.getLogger(__name__)

# So many tiles are encoded at once as take about so long: beside answers, which wait for it, and with nothing else to
# do, when only those wait who come or go.
_BESIDE_S, _ALONE_S = 0.1, 0.5
_MOST_TILES = 8


class Seen(NamedTuple):
    """What came of a batch: sequences that can be scheduled, and keys of those that cannot go on, with the reason."""

    ready: list[Sequence]
    failed: list[tuple[int, str]]


@dataclass(slots=True)
class PictureTotals:
    """Pictures that prompts held, those that were encoded for them, and their tiles."""

    asked: int = 0
    encoded: int = 0
    tiles: int = 0


class _Waiting(NamedTuple):
    sequence: Sequence
    pictures: tuple[PreparedPicture, ...]


@dataclass(slots=True, eq=False)
class _Job:
    """A picture at the encoder; `rows_ED` are there for its first `num_seen` tiles."""

    picture: PreparedPicture
    rows_ED: NDArray[np.float32]
    num_seen: int = 0


class _Share(NamedTuple):
    """Tiles `start` to `stop - 1` of a job."""

    job: _Job
    start: int
    stop: int

    @property
    def tiles(self) -> NDArray[np.float32]:
        return self.job.picture.tiles_NCHW[self.start : self.stop]


class PictureQueue:
    """See the module. `name` is what messages call the model, `clock` tells seconds.

    `num_known` says how many of a sequence's first tokens the prefix cache holds now.

    A picture that somebody holds has all its rows, or is a job, or is set aside because nobody has lacked them yet.
    """

    def __init__(
        self,
        vision: VisionEncoder,
        rows: PictureRows,
        num_known: Callable[[Sequence], int],
        *,
        name: str,
        clock: Callable[[], float],
    ) -> None:
        self.rows, self.totals = rows, PictureTotals()
        self.image_token_id = vision.config.image_token_id
        self._vision, self._num_known, self._name, self._clock = vision, num_known, name, clock
        self._tile_s: float | None = None
        self._waiting: OrderedDict[int, _Waiting] = OrderedDict()
        self._looked_at: OrderedDict[int, Sequence] = OrderedDict()
        self._lacking: dict[int, tuple[bytes, ...]] = {}  # by sequence, whether it is looked at or scheduled
        self._jobs: OrderedDict[bytes, _Job] = OrderedDict()
        self._aside: dict[bytes, PreparedPicture] = {}
        self._held: dict[int, tuple[bytes, ...]] = {}

    def __len__(self) -> int:
        """Sequences that are not scheduled yet."""
        return len(self._waiting) + len(self._looked_at)

    @property
    def is_idle(self) -> bool:
        """Whether there is nothing for `step` to do."""
        return not (self._waiting or self._looked_at or self._jobs)

    def add(self, sequence: Sequence, pictures: Several[PreparedPicture]) -> bool:
        """Take a sequence in; True where its pictures are all there, and nothing is left to wait for.

        Its tokens hold `image_token_id` in as many places as its pictures have rows. Raises UsageError where not.
        """
        num_places = sequence.tokens.count(self.image_token_id)
        num_rows = sum(picture.num_tokens for picture in pictures)
        if num_places != num_rows:
            raise UsageError(
                f"The pictures of the prompt have {num_rows:,} rows for its {num_places:,} places. If a file changed "
                "while it was read, ask again.",
                field="messages",
            )
        self.totals.asked += len(pictures)
        if not self._waiting and all(self.rows.has(picture.key) for picture in pictures):
            self._hold(sequence, pictures)
            return True
        self._waiting[sequence.key] = _Waiting(sequence, tuple(pictures))
        return False

    def can_start(self, sequence: Sequence, num_known: int) -> bool:
        """Whether all rows are there that computing a sequence from its first `num_known` tokens on looks at.

        Where not, they are encoded next. Sequences without pictures can always start.
        """
        lacking = self._lacked(sequence, num_known)
        if lacking:
            self._lacking[sequence.key] = lacking
            self._begin(lacking)
        else:
            self._lacking.pop(sequence.key, None)
        return not lacking

    def leave(self, key: int) -> None:
        """A sequence is over, wherever it was: its pictures are held no longer. Unknown keys are ignored."""
        self._waiting.pop(key, None)
        self._looked_at.pop(key, None)
        self._lacking.pop(key, None)
        for picture_key in self._held.pop(key, ()):
            self.rows.let_go(picture_key)
            if not self.rows.is_held(picture_key):
                self._jobs.pop(picture_key, None)
                self._aside.pop(picture_key, None)

    def step(self, *, beside: bool) -> Seen:
        """Encode some tiles, of one picture or of several; fewer `beside` answers that go on."""
        self._admit()
        most_tiles = self._num_within(_BESIDE_S if beside else _ALONE_S)
        failed = self._see(self._next_shares(most_tiles)) if self._jobs else {}
        ready = [each for each in self._looked_at.values() if all(map(self.rows.has, self._lacking[each.key]))]
        for sequence in ready:
            del self._looked_at[sequence.key], self._lacking[sequence.key]
        return Seen(ready, self._told(failed))

    def _admit(self) -> None:
        """Let sequences in as long as there is room for the rows of the next one."""
        while self._waiting:
            key, (sequence, pictures) = next(iter(self._waiting.items()))
            if not self.rows.has_room({picture.key: picture.num_tokens for picture in pictures}):
                return
            del self._waiting[key]
            self._looked_at[key] = sequence
            self._hold(sequence, pictures)
            for picture in pictures:
                if not self.rows.has(picture.key) and picture.key not in self._jobs:
                    self._aside[picture.key] = picture
            self._lacking[key] = self._lacked(sequence, self._num_known(sequence))
            self._begin(self._lacking[key])

    def _hold(self, sequence: Sequence, pictures: Several[PreparedPicture]) -> None:
        """Hold the pictures of a sequence, and put the ids of their rows into its tokens."""
        firsts = {picture.key: self.rows.hold(picture.key, picture.num_tokens) for picture in _distinct(pictures)}
        self._held[sequence.key] = tuple(firsts)
        at = 0
        for picture in pictures:
            for row_id in range(firsts[picture.key], firsts[picture.key] + picture.num_tokens):
                at = sequence.tokens.index(self.image_token_id, at)
                sequence.tokens[at] = row_id

    def _lacked(self, sequence: Sequence, num_known: int) -> tuple[bytes, ...]:
        """The pictures of a sequence of which rows are not there that stand behind its first `num_known` tokens."""
        partly = [key for key in self._held.get(sequence.key, ()) if not self.rows.has(key)]
        if not partly:
            return ()
        ids_T = np.array(sequence.tokens[num_known : sequence.num_prompt], np.int64)
        return tuple(key for key in partly if self.rows.lacks(key, ids_T))

    def _begin(self, keys: tuple[bytes, ...]) -> None:
        """Put pictures that were set aside to the encoder."""
        for key in keys:
            if picture := self._aside.pop(key, None):
                rows_ED = np.empty((picture.num_tokens, self.rows.width), np.float32)
                self._jobs[key] = _Job(picture, rows_ED)

    def _num_within(self, seconds: float) -> int:
        """How many tiles take about so long; one where that is not known yet. Example: 0.5 s at 0.17 s a tile, 2."""
        if self._tile_s is None:
            return 1
        return max(1, min(_MOST_TILES, int(seconds / max(self._tile_s, 1e-9))))

    def _next_shares(self, most_tiles: int) -> list[_Share]:
        shares: list[_Share] = []
        for job in self._jobs.values():
            stop = min(job.picture.plan.num_tiles, job.num_seen + most_tiles)
            shares.append(_Share(job, job.num_seen, stop))
            most_tiles -= stop - job.num_seen
            if not most_tiles:
                break
        return shares

    def _see(self, shares: list[_Share]) -> dict[bytes, str]:
        """Encode shares in one go and keep their rows; returns the pictures that failed, with the reason.

        Where a batch fails, each picture of it tries alone.
        """
        parts, start_s = [share.tiles for share in shares], self._clock()
        try:
            rows_NPD = self._vision.encode(parts[0] if len(parts) == 1 else np.concatenate(parts))
        except Exception as error:  # whatever it was, the engine goes on
            if len(shares) > 1:
                return {key: reason for share in shares for key, reason in self._see([share]).items()}
            _log.error("%s failed over a picture", self._name, exc_info=error)
            reason = f"`{self._name}` failed while it looked at a picture: {type(error).__name__}: {str(error)[:200]}"
            return {shares[0].job.picture.key: reason}
        self._tile_s = (self._clock() - start_s) / sum(map(len, parts))
        failed: dict[bytes, str] = {}
        num_rows = rows_NPD.shape[1]
        for share in shares:
            mine_NPD, rows_NPD = rows_NPD[: share.stop - share.start], rows_NPD[share.stop - share.start :]
            if not np.isfinite(mine_NPD).all():
                reason = f"`{self._name}` computed numbers of a picture that are none; its weights may be damaged."
                failed[share.job.picture.key] = reason
                continue
            share.job.rows_ED[share.start * num_rows : share.stop * num_rows] = mine_NPD.reshape(-1, self.rows.width)
            self._keep(share)
        return failed

    def _keep(self, share: _Share) -> None:
        job = share.job
        self.totals.tiles += share.stop - share.start
        job.num_seen = share.stop
        if job.num_seen == job.picture.plan.num_tiles:
            del self._jobs[job.picture.key]
            self.rows.put(job.picture.key, job.rows_ED)
            self.totals.encoded += 1

    def _told(self, failed: dict[bytes, str]) -> list[tuple[int, str]]:
        """Those who lack a picture that failed, each with the reason. Who holds it without need goes on."""
        told: list[tuple[int, str]] = []
        for picture_key in failed:
            self._aside[picture_key] = self._jobs.pop(picture_key).picture
        for key, lacking in self._lacking.items() if failed else ():
            reason = next((failed[picture] for picture in lacking if picture in failed), None)
            if reason is not None:
                told.append((key, reason))
        for key, _ in told:
            self.leave(key)
        return told


def _distinct(pictures: Several[PreparedPicture]) -> list[PreparedPicture]:
    return list({picture.key: picture for picture in pictures}.values())

"""What pages show of votes: opinions out of the tallies, kept for a while.

In: subjects' keys. Out: `Opinion`s at most a second old. The head of the vote log is looked at once a second; while it
stays the same so do all opinions, and nothing else is read. A database that is away leaves what was known before.
"""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from sqlalchemy import ColumnElement, Connection, select

from seatrial.errors import SeatrialError
from seatrial.site.db.opening import Database, reading
from seatrial.site.db.tables import settings, tallies
from seatrial.site.votes.chain import HEAD
from seatrial.site.votes.opinion import NO_VOTES, ChoiceTally, Opinion, opinion_of

FRESH_FOR_S = 1.0
_MOST_KEPT = 20_000
_ASKED_AT_ONCE = 500

log = logging.getLogger(__name__)


class _Kept(NamedTuple):
    """An opinion, true when the head of the log was `head`."""

    head: str
    opinion: Opinion


class TallyOpinions:
    """`Opinions` out of a database; may be asked by any thread. `monotonic` is a clock in seconds."""

    def __init__(self, database: Database, monotonic: Callable[[], float], *, most_kept: int = _MOST_KEPT) -> None:
        self._database, self._monotonic, self._most_kept = database, monotonic, most_kept
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._head = ""
        self._looked_at_s: float | None = None
        self._is_away = False

    def of(self, subject_key: str) -> Opinion:
        """The opinion on a subject; `NO_VOTES` where nobody voted, or the database cannot be asked."""
        return self.of_many((subject_key,))[subject_key]

    def of_many(self, subject_keys: Iterable[str]) -> Mapping[str, Opinion]:
        """The opinions on several subjects, those not known yet read together: what a page of many should ask."""
        wanted = tuple(dict.fromkeys(subject_keys))
        with self._lock:
            try:
                self._look()
                stale = [] if self._is_away else [key for key in wanted if self._is_stale(key)]
                for begin in range(0, len(stale), _ASKED_AT_ONCE):
                    self._read(stale[begin : begin + _ASKED_AT_ONCE])
            except SeatrialError as error:
                self._is_away, self._looked_at_s = True, self._monotonic()
                log.warning("votes are shown as they were: %s", error)
            found = {key: self._kept[key].opinion if key in self._kept else NO_VOTES for key in wanted}
            while len(self._kept) > self._most_kept:
                self._kept.popitem(last=False)
        return found

    def _look(self) -> None:
        now_s = self._monotonic()
        if self._looked_at_s is not None and now_s - self._looked_at_s < FRESH_FOR_S:
            return
        with reading(self._database) as connection:
            head = connection.execute(select(settings.c.value).where(settings.c.name == HEAD)).scalar()
        self._head, self._looked_at_s, self._is_away = str(head or ""), now_s, False

    def _is_stale(self, key: str) -> bool:
        return key not in self._kept or self._kept[key].head != self._head

    def _read(self, keys: list[str]) -> None:
        with reading(self._database) as connection:
            found = _opinions(connection, [tallies.c.subject.in_(keys)])
        for key in keys:
            self._kept[key] = _Kept(self._head, found.get(key, NO_VOTES))
            self._kept.move_to_end(key)


def opinion_on(database: Database, subject_key: str) -> Opinion:
    """The opinion on one subject as of now, for commands. Raises StorageError."""
    with reading(database) as connection:
        return _opinions(connection, [tallies.c.subject == subject_key]).get(subject_key, NO_VOTES)


def all_opinions(database: Database) -> dict[str, Opinion]:
    """The opinion on everything that was voted on, those with most voters first. Raises StorageError."""
    with reading(database) as connection:
        found = _opinions(connection, [])
    return dict(sorted(found.items(), key=lambda each: (-each[1].num_voters, each[0])))


def _opinions(connection: Connection, which: Sequence[ColumnElement[bool]]) -> dict[str, Opinion]:
    """A choice that nobody makes any more is left out."""
    found: dict[str, dict[str, ChoiceTally]] = {}
    for row in connection.execute(select(tallies).where(tallies.c.num_voters > 0, *which)):
        tally = ChoiceTally(row.num_voters, row.weight, row.weight_squared)
        found.setdefault(row.subject, {})[row.choice] = tally
    return {subject: opinion_of(by_choice) for subject, by_choice in found.items()}

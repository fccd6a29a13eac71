"""No e-mail bombs: how often one person may be written to because somebody typed their address.

In: a mailbox. Out: whether one more message may go there. What is remembered is bounded and lost with the process; what
must hold beyond it (the three mails that a sign-up may cause) is counted in the database.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime, timedelta

MOST = 3
WITHIN = timedelta(days=1)
"""At most so many messages within so long."""

_MOST_MAILBOXES = 100_000


class Sparing:
    """Counts by mailbox, exactly: no span as long as `within` ever holds more than `most`. Any thread may ask."""

    def __init__(
        self,
        clock: Callable[[], datetime],
        *,
        most: int = MOST,
        within: timedelta = WITHIN,
        most_mailboxes: int = _MOST_MAILBOXES,
    ) -> None:
        self._clock, self._most, self._within, self._most_mailboxes = clock, most, within, most_mailboxes
        self._sent_at: OrderedDict[str, tuple[datetime, ...]] = OrderedDict()
        self._lock = threading.Lock()

    def take(self, mailbox: str) -> bool:
        """Whether another message may go to the mailbox; where it may, it is counted."""
        now = self._clock()
        with self._lock:
            recent = tuple(at for at in self._sent_at.pop(mailbox, ()) if now - at < self._within)
            may = len(recent) < self._most
            self._sent_at[mailbox] = (*recent, now) if may else recent
            while len(self._sent_at) > self._most_mailboxes:
                self._sent_at.popitem(last=False)
        return may

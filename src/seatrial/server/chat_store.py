"""The chat completions that can be asked for again: those that were created with `store`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from seatrial.server.store import Store


@dataclass(frozen=True, slots=True)
class StoredChat:
    """A finished completion.

    `reply` is its JSON without metadata, which can be changed afterwards. `asked` is the body of its request, read
    again only where the messages are listed.
    """

    id: str
    model: str
    reply: bytes
    asked: bytes
    metadata: Mapping[str, str] | None = None
    key_id: str | None = None

    @property
    def num_bytes(self) -> int:
        """Of the JSON."""
        pairs = (self.metadata or {}).items()
        return len(self.reply) + len(self.asked) + sum(len(name) + len(value) for name, value in pairs)

    @property
    def is_running(self) -> bool:
        """Never: what is kept is finished."""
        return False


ChatStore = Store[StoredChat]

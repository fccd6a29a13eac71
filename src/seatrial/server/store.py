"""What was answered and can be asked for again: in memory, for this process alone, and bounded.

In: entries, each with an id, a size and the API key that it belongs to. Out: the same entries, to that key alone; for
any other they are not there. At most 10,000 of them and 128 MiB together unless said otherwise: what was used longest
ago goes first, except what still runs.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Generic, Protocol, TypeVar

MAX_ENTRIES = 10_000
MAX_BYTES = 128 * 2**20

_NUM_BYTES_AROUND = 2_048


class Storable(Protocol):
    """What a store holds. Entries are frozen: a later state of one is another entry with the same id."""

    @property
    def id(self) -> str:
        """What it is asked for by."""
        ...

    @property
    def key_id(self) -> str | None:
        """Whose it is; None where no keys are asked for."""
        ...

    @property
    def num_bytes(self) -> int:
        """How much it holds, as JSON, shared with other entries or not."""
        ...

    @property
    def is_running(self) -> bool:
        """Whether it is still being made, and must stay."""
        ...


Entry = TypeVar("Entry", bound=Storable)


class Store(Generic[Entry]):
    """Entries by id."""

    def __init__(self, *, max_entries: int = MAX_ENTRIES, max_bytes: int = MAX_BYTES) -> None:
        self._max_entries, self._max_bytes = max_entries, max_bytes
        self._entries: dict[str, Entry] = {}  # in the order in which they came
        self._uses: OrderedDict[str, None] = OrderedDict()  # least recently used first
        self.num_bytes = 0

    def __len__(self) -> int:
        return len(self._entries)

    def put(self, entry: Entry) -> None:
        """Keep an entry, in the place of an earlier state of it. One larger than the whole store is not kept."""
        if not entry.is_running and _room_for(entry) > self._max_bytes:
            self.delete(entry.id)
            return
        earlier = self._entries.get(entry.id)
        if earlier is not None:
            self.num_bytes -= _room_for(earlier)
        self._entries[entry.id] = entry
        self._use(entry.id)
        self.num_bytes += _room_for(entry)
        while self._is_over_full():
            oldest = next(
                (each for each in self._uses if each != entry.id and not self._entries[each].is_running), None
            )
            if oldest is None:
                return
            self.delete(oldest)

    def get(self, entry_id: str, key_id: str | None) -> Entry | None:
        """An entry of this key."""
        entry = self._entries.get(entry_id)
        if entry is None or entry.key_id != key_id:
            return None
        self._use(entry_id)
        return entry

    def of_key(self, key_id: str | None) -> list[Entry]:
        """All entries of this key, oldest first. To list them is not to use them."""
        return [entry for entry in self._entries.values() if entry.key_id == key_id]

    def holds(self, entry_id: str) -> bool:
        """Whether it is there, whoever asks."""
        return entry_id in self._entries

    def delete(self, entry_id: str) -> None:
        """Forget an entry; one that is not there is fine."""
        entry = self._entries.pop(entry_id, None)
        if entry is not None:
            del self._uses[entry_id]
            self.num_bytes -= _room_for(entry)

    def _use(self, entry_id: str) -> None:
        self._uses[entry_id] = None
        self._uses.move_to_end(entry_id)

    def _is_over_full(self) -> bool:
        return len(self._entries) > self._max_entries or self.num_bytes > self._max_bytes


def _room_for(entry: Storable) -> int:
    return entry.num_bytes + _NUM_BYTES_AROUND

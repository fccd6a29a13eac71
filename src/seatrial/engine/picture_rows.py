"""The rows that pictures become, inside the engine: a token id of its own for each, and the embeddings themselves.

In: pictures by the digest of their content, and their rows once these are computed. Out: ids, and the rows of ids.
The ids of a picture's rows stand one after another above every vocabulary and are never given twice. So a prompt with
pictures is a list of integers like any other: what compares prompts by their tokens, the prefix cache above all, tells
two pictures apart and knows the same one again.

Rows are *in use* while a sequence holds their picture. Others stay for as long as there is room; the least recently
used go first. Of those the last few stay longest: they share a block of the prefix cache with the words behind the
picture, so that another question about it finds in the cache what came of all rows but these. Torch-free.

Shape suffixes: E rows, D hidden size of the decoder.
"""

# ruff: noqa: N815 - fields carry shape suffixes

from __future__ import annotations

import bisect
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seatrial.errors import UsageError

# The smallest id of a row. A vocabulary is smaller by far, and every id fits 64 bits for longer than anything lasts.
FIRST_ROW = 1 << 30
# Pictures whose ids are remembered: a few hundred bytes each.
_MOST_REMEMBERED = 1 << 16
_LAST_ROWS = 16


@dataclass(slots=True, eq=False)
class _Picture:
    """`rows_ED` are those rows that are there: none until they are computed, then all, later perhaps the last few."""

    first: int
    num_rows: int
    rows_ED: NDArray[np.float32]
    num_holders: int = 0

    @property
    def num_there(self) -> int:
        return len(self.rows_ED)

    @property
    def num_gone(self) -> int:
        """Rows from the first on that are not there."""
        return self.num_rows - len(self.rows_ED)


class PictureRows:
    """Room for `most_rows` rows of `width` numbers in float32. Of a picture, `last_rows` are the last to go."""

    def __init__(
        self, most_rows: int, width: int, *, last_rows: int = _LAST_ROWS, most_remembered: int = _MOST_REMEMBERED
    ) -> None:
        if most_rows < 1 or width < 1:
            raise UsageError(
                f"Room for {most_rows:,} rows of {width:,} numbers holds no picture; each must be 1 or more."
            )
        self.most_rows, self.width = most_rows, width
        self.num_rows = 0
        self._last_rows = last_rows
        self._num_in_use = 0
        self._most_remembered = most_remembered
        self._next_id = FIRST_ROW
        self._pictures: OrderedDict[bytes, _Picture] = OrderedDict()  # least recently used first
        self._in_use: dict[int, _Picture] = {}
        self._firsts_in_use: list[int] = []

    @property
    def num_bytes(self) -> int:
        """What the rows take now, those promised to pictures in use included."""
        return self.num_rows * self.width * 4

    def has(self, key: bytes) -> bool:
        """Whether all rows of a picture are there."""
        picture = self._pictures.get(key)
        return picture is not None and not picture.num_gone

    def lacks(self, key: bytes, ids_E: NDArray[np.int64]) -> bool:
        """Whether a row of a picture that is held is among `ids_E`, and not there."""
        picture = self._pictures[key]
        return bool(np.any((ids_E >= picture.first) & (ids_E < picture.first + picture.num_gone)))

    def is_held(self, key: bytes) -> bool:
        """Whether anybody holds the picture."""
        picture = self._pictures.get(key)
        return picture is not None and picture.num_holders > 0

    def has_room(self, num_rows: Mapping[bytes, int]) -> bool:
        """Whether pictures, with the rows of each, find room beside those in use. Alone they always do."""
        fresh = sum(count for key, count in num_rows.items() if not self.is_held(key))
        return not self._num_in_use or self._num_in_use + fresh <= self.most_rows

    def hold(self, key: bytes, num_rows: int) -> int:
        """One holder more for a picture; returns the id of its first row. Its rows, there or to come, have their room.

        Raises UsageError where one picture alone is more than there is room for.
        """
        if num_rows > self.most_rows:
            raise UsageError(f"A picture of {num_rows:,} tokens is more than the {self.most_rows:,} there is room for.")
        picture = self._pictures.get(key)
        if picture is None:
            nothing_ED = np.empty((0, self.width), np.float32)
            picture = self._pictures[key] = _Picture(self._next_id, num_rows, nothing_ED)
            self._next_id += num_rows
        assert picture.num_rows == num_rows, "one digest for two pictures"
        self._pictures.move_to_end(key)
        if picture.num_holders == 0:
            self._in_use[picture.first] = picture
            bisect.insort(self._firsts_in_use, picture.first)
            self._num_in_use += num_rows
            self.num_rows += picture.num_gone
        picture.num_holders += 1
        self._drop_unused()
        return picture.first

    def let_go(self, key: bytes) -> None:
        """One holder less. Rows of nobody stay findable while there is room."""
        picture = self._pictures[key]
        assert picture.num_holders > 0, "a picture was let go twice"
        picture.num_holders -= 1
        if picture.num_holders:
            return
        del self._in_use[picture.first]
        self._firsts_in_use.remove(picture.first)
        self._num_in_use -= picture.num_rows
        self.num_rows -= picture.num_gone
        self._drop_unused()

    def put(self, key: bytes, rows_ED: NDArray[np.float32]) -> None:
        """The rows of a picture that is held."""
        picture = self._pictures[key]
        assert picture.num_holders > 0, "rows of a picture that nobody holds"
        assert rows_ED.shape == (picture.num_rows, self.width), "rows that do not fit their picture"
        picture.rows_ED = rows_ED

    def rows(self, ids_E: NDArray[np.int64]) -> NDArray[np.float32]:
        """The rows of ids, [E, D]; their pictures are held, and none of them `lacks`.

        Example: pictures of 4 rows from id 100 and of 2 from 104: ids (102, 104) are row 2 of one, row 0 of the other.
        """
        firsts = np.array(self._firsts_in_use, np.int64)
        picture_E = np.searchsorted(firsts, ids_E, side="right") - 1
        found_ED = np.empty((ids_E.size, self.width), np.float32)
        for index in np.unique(picture_E).tolist():
            picture = self._in_use[self._firsts_in_use[index]]
            places = np.flatnonzero(picture_E == index)
            rows_E = ids_E[places] - picture.first - picture.num_gone
            assert rows_E.min() >= 0, "rows that are not computed yet"
            found_ED[places] = picture.rows_ED[rows_E]
        return found_ED

    def _drop_unused(self) -> None:
        """Drop what nobody holds, least recently used first: rows beyond the room, ids beyond what is remembered."""
        for num_kept in (self._last_rows, 0):
            if self.num_rows > self.most_rows:
                self._cut_unused(num_kept)
        while len(self._pictures) > self._most_remembered:
            key = next((key for key, picture in self._pictures.items() if picture.num_holders == 0), None)
            if key is None:
                return
            self.num_rows -= self._pictures.pop(key).num_there

    def _cut_unused(self, num_kept: int) -> None:
        """Cut pictures of nobody down to their last rows until the rest finds room."""
        for picture in self._pictures.values():
            num_cut = picture.num_there - num_kept
            if picture.num_holders == 0 and num_cut > 0:
                picture.rows_ED = picture.rows_ED[num_cut:].copy()
                self.num_rows -= num_cut
                if self.num_rows <= self.most_rows:
                    return

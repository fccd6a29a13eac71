"""The rows that pictures become, inside the engine: a token id of its own for each, and the embeddings themselves.

In: pictures by the digest of their content, and their rows once these are computed. Out: ids, and the rows of ids.
The ids of a picture's rows stand one after another above every vocabulary and are never given twice. So a prompt with
pictures is a list of integers like any other: what compares prompts by their tokens, the prefix cache above all, tells
two pictures apart and knows the same one again.

Rows are *in use* while a sequence holds their picture. Others stay for as long as there is room; the least recently
used go first. Torch-free.

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


@dataclass(slots=True, eq=False)
class _Picture:
    """`rows_ED` is None until the rows are computed, and again once they have gone."""

    first: int
    num_rows: int
    num_holders: int = 0
    rows_ED: NDArray[np.float32] | None = None


class PictureRows:
    """Room for `most_rows` rows of `width` numbers in float32."""

    def __init__(self, most_rows: int, width: int, *, most_remembered: int = _MOST_REMEMBERED) -> None:
        if most_rows < 1 or width < 1:
            raise UsageError(
                f"Room for {most_rows:,} rows of {width:,} numbers holds no picture; each must be 1 or more."
            )
        self.most_rows, self.width = most_rows, width
        self.num_rows = 0
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
        """Whether a picture's rows are there."""
        picture = self._pictures.get(key)
        return picture is not None and picture.rows_ED is not None

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
            picture = self._pictures[key] = _Picture(self._next_id, num_rows)
            self._next_id += num_rows
        assert picture.num_rows == num_rows, "one digest for two pictures"
        self._pictures.move_to_end(key)
        if picture.num_holders == 0:
            self._in_use[picture.first] = picture
            bisect.insort(self._firsts_in_use, picture.first)
            self._num_in_use += num_rows
            self.num_rows += num_rows if picture.rows_ED is None else 0
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
        self.num_rows -= picture.num_rows if picture.rows_ED is None else 0
        self._drop_unused()

    def put(self, key: bytes, rows_ED: NDArray[np.float32]) -> None:
        """The rows of a picture that is held."""
        picture = self._pictures[key]
        assert picture.num_holders > 0, "rows of a picture that nobody holds"
        assert rows_ED.shape == (picture.num_rows, self.width), "rows that do not fit their picture"
        picture.rows_ED = rows_ED

    def rows(self, ids_E: NDArray[np.int64]) -> NDArray[np.float32]:
        """The rows of ids, [E, D]; their pictures are held and computed.

        Example: pictures of 4 rows from id 100 and of 2 from 104: ids (102, 104) are row 2 of one, row 0 of the other.
        """
        firsts = np.array(self._firsts_in_use, np.int64)
        picture_E = np.searchsorted(firsts, ids_E, side="right") - 1
        found_ED = np.empty((ids_E.size, self.width), np.float32)
        for index in np.unique(picture_E).tolist():
            picture = self._in_use[self._firsts_in_use[index]]
            assert picture.rows_ED is not None, "rows that are not computed yet"
            places = np.flatnonzero(picture_E == index)
            found_ED[places] = picture.rows_ED[ids_E[places] - picture.first]
        return found_ED

    def _drop_unused(self) -> None:
        """Drop what nobody holds, least recently used first: rows beyond the room, ids beyond what is remembered."""
        if self.num_rows > self.most_rows:
            for picture in self._pictures.values():
                if picture.num_holders == 0 and picture.rows_ED is not None:
                    picture.rows_ED = None
                    self.num_rows -= picture.num_rows
                    if self.num_rows <= self.most_rows:
                        break
        while len(self._pictures) > self._most_remembered:
            key = next((key for key, picture in self._pictures.items() if picture.num_holders == 0), None)
            if key is None:
                return
            gone = self._pictures.pop(key)
            self.num_rows -= gone.num_rows if gone.rows_ED is not None else 0

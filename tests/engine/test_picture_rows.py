"""Ids and rows of pictures: given for good, never confused, kept within their bound."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from seatrial.engine.picture_rows import FIRST_ROW, PictureRows
from seatrial.errors import UsageError

WIDTH = 3


def rows_of(key: bytes, num_rows: int) -> NDArray[np.float32]:
    return np.random.default_rng(list(key)).standard_normal((num_rows, WIDTH), np.float32)


def ids_of(first: int, *rows: int) -> NDArray[np.int64]:
    return np.array([first + row for row in rows], np.int64)


def seen(rows: PictureRows, key: bytes, num_rows: int) -> int:
    first = rows.hold(key, num_rows)
    rows.put(key, rows_of(key, num_rows))
    return first


def test_rows_are_found_by_their_ids_in_any_order() -> None:
    rows = PictureRows(100, WIDTH)
    a, b, c = seen(rows, b"a", 4), seen(rows, b"b", 2), seen(rows, b"c", 5)
    assert [a, b, c] == [FIRST_ROW, FIRST_ROW + 4, FIRST_ROW + 6]
    found = rows.rows(np.array([c + 4, a + 1, b, c, a + 3], np.int64))
    expected = [rows_of(b"c", 5)[4], rows_of(b"a", 4)[1], rows_of(b"b", 2)[0], rows_of(b"c", 5)[0], rows_of(b"a", 4)[3]]
    assert np.array_equal(found, np.array(expected))
    rows.let_go(b"b")
    assert np.array_equal(rows.rows(ids_of(c, 2)), rows_of(b"c", 5)[2:3])


def test_a_picture_keeps_its_ids_and_its_rows_while_there_is_room() -> None:
    rows = PictureRows(10, WIDTH)
    first = seen(rows, b"a", 4)
    rows.let_go(b"a")
    assert rows.has(b"a")
    assert (rows.num_rows, rows.num_bytes) == (4, 4 * WIDTH * 4)
    assert rows.hold(b"a", 4) == first
    assert rows.has(b"a")


def test_the_least_recently_used_go_first_and_come_back_under_the_same_ids() -> None:
    rows = PictureRows(10, WIDTH)
    firsts = {key: seen(rows, key, 4) for key in (b"a", b"b")}
    for key in (b"a", b"b", b"a"):
        rows.let_go(key) if rows.is_held(key) else rows.hold(key, 4)
    rows.let_go(b"a")
    seen(rows, b"c", 4)  # `b` was used before `a`
    assert [rows.has(key) for key in (b"a", b"b", b"c")] == [True, False, True]
    assert rows.hold(b"b", 4) == firsts[b"b"]
    assert not rows.has(b"b")
    assert rows.num_rows == 8


def test_the_last_rows_of_a_picture_go_last() -> None:
    """They share a block of the prefix cache with the words behind the picture, so another question needs them."""
    rows = PictureRows(50, WIDTH, last_rows=4)
    first = seen(rows, b"a", 20)
    rows.let_go(b"a")
    for key in (b"b", b"c"):
        seen(rows, key, 20)
        rows.let_go(key)
    assert (rows.has(b"a"), rows.num_rows) == (False, 44)
    assert rows.hold(b"a", 20) == first
    assert (rows.has(b"b"), rows.num_rows) == (False, 44)
    assert not rows.lacks(b"a", ids_of(first, -1, 16, 17, 18, 19, 20))
    assert rows.lacks(b"a", ids_of(first, 15, 16))
    assert np.array_equal(rows.rows(ids_of(first, 18, 16)), rows_of(b"a", 20)[[18, 16]])
    with pytest.raises(AssertionError, match="not computed yet"):
        rows.rows(ids_of(first, 15))
    rows.put(b"a", rows_of(b"a", 20))
    assert np.array_equal(rows.rows(ids_of(first, 0, 19)), rows_of(b"a", 20)[[0, 19]])
    seen(rows, b"d", 28)  # nothing but those in use finds room
    assert rows.num_rows == 48
    rows.let_go(b"a")
    rows.hold(b"b", 20)
    assert rows.lacks(b"b", ids_of(first + 20, 19))


def test_what_is_held_never_goes() -> None:
    rows = PictureRows(10, WIDTH)
    seen(rows, b"a", 6)
    assert not rows.has_room({b"b": 5})
    assert rows.has_room({b"b": 4})
    assert rows.has_room({b"a": 6, b"b": 4})
    seen(rows, b"b", 4)
    assert rows.has(b"a")
    assert rows.num_rows == 10


def test_a_picture_given_up_before_it_was_seen_takes_no_room() -> None:
    rows = PictureRows(10, WIDTH)
    rows.hold(b"a", 6)
    assert rows.num_rows == 6
    rows.let_go(b"a")
    assert rows.num_rows == 0


def test_forgotten_pictures_never_lend_their_ids() -> None:
    rows = PictureRows(1000, WIDTH, most_remembered=3)
    taken: set[int] = set()
    for turn in range(50):
        first = seen(rows, bytes([turn]), 7)
        rows.let_go(bytes([turn]))
        fresh = set(range(first, first + 7))
        assert not taken & fresh
        taken |= fresh
    assert rows.num_rows == 21
    assert rows.hold(bytes([0]), 7) not in taken


def test_what_can_never_fit_is_said() -> None:
    with pytest.raises(UsageError, match="0 rows"):
        PictureRows(0, WIDTH)
    with pytest.raises(UsageError, match="11 tokens is more than the 10"):
        PictureRows(10, WIDTH).hold(b"a", 11)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["hold", "let_go"]), st.integers(0, 7)), max_size=60), st.integers(0, 6))
def test_whatever_comes_and_goes_the_bound_holds(events: list[tuple[str, int]], last_rows: int) -> None:
    """Rows of what is held are right, no id means two pictures, and no more is kept than there is room for."""
    rows = PictureRows(20, WIDTH, last_rows=last_rows, most_remembered=5)
    held: dict[bytes, int] = {}
    owner: dict[int, bytes] = {}
    for what, number in events:
        key, size = bytes([number]), number + 1
        if what == "hold" and rows.has_room({key: size}):
            first = rows.hold(key, size)
            held[key] = held.get(key, 0) + 1
            for row_id in range(first, first + size):
                assert owner.setdefault(row_id, key) == key
            there = [row for row in range(size) if not rows.lacks(key, ids_of(first, row))]
            assert np.array_equal(rows.rows(ids_of(first, *there)), rows_of(key, size)[there])
            if not rows.has(key):
                rows.put(key, rows_of(key, size))
            assert np.array_equal(rows.rows(np.arange(first, first + size)), rows_of(key, size))
        elif what == "let_go" and held.get(key):
            rows.let_go(key)
            held[key] -= 1
        assert rows.num_rows <= 20
        assert all(rows.has(each) for each, count in held.items() if count)

"""What a store keeps, of whom, and what it forgets when there is too much."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from seatrial.server.store import Store


@dataclass(frozen=True)
class Thing:
    id: str
    num_bytes: int = 100
    key_id: str | None = None
    is_running: bool = False


def ids(things: list[Thing]) -> list[str]:
    return [thing.id for thing in things]


def test_a_thing_is_for_its_own_key() -> None:
    store = Store[Thing]()
    store.put(Thing("a", key_id="one"))
    assert store.get("a", "one") == Thing("a", key_id="one")
    assert store.get("a", "two") is None
    assert store.get("a", None) is None
    assert (ids(store.of_key("one")), store.of_key("two"), store.of_key(None)) == (["a"], [], [])


def test_things_are_listed_in_the_order_in_which_they_came_however_they_are_used() -> None:
    store = Store[Thing]()
    for name in "abc":
        store.put(Thing(name))
    store.get("a", None)
    store.put(Thing("b", num_bytes=7))
    assert ids(store.of_key(None)) == ["a", "b", "c"]
    assert store.get("b", None) == Thing("b", num_bytes=7)


def test_what_was_used_longest_ago_goes_first_and_listing_is_no_use() -> None:
    store = Store[Thing](max_entries=3)
    for name in "abc":
        store.put(Thing(name))
    store.get("a", None)
    store.of_key(None)
    store.get("b", "another key")
    store.put(Thing("d"))
    assert ids(store.of_key(None)) == ["a", "c", "d"]
    store.put(Thing("c"))
    store.put(Thing("e"))
    assert ids(store.of_key(None)) == ["c", "d", "e"]


def test_what_runs_stays_and_goes_once_it_is_over() -> None:
    store = Store[Thing](max_entries=1)
    store.put(Thing("a", is_running=True))
    store.put(Thing("b", num_bytes=2**40, is_running=True))
    assert len(store) == 2
    store.put(Thing("b", num_bytes=2**40))
    assert ids(store.of_key(None)) == ["a"]
    store.put(Thing("a"))
    store.put(Thing("c"))
    assert ids(store.of_key(None)) == ["c"]


def test_one_larger_than_the_store_is_not_kept_and_drives_nothing_out() -> None:
    store = Store[Thing](max_bytes=10_000)
    store.put(Thing("a"))
    store.put(Thing("b"))
    store.put(Thing("b", num_bytes=10_000))
    assert store.holds("a")
    assert not store.holds("b")


@given(
    st.lists(st.tuples(st.sampled_from(["put", "get", "delete"]), st.integers(0, 6), st.integers(0, 30_000))),
    st.integers(1, 4),
    st.integers(2_048, 60_000),
)
def test_the_store_never_passes_its_bounds(steps: list[Any], max_entries: int, max_bytes: int) -> None:
    store = Store[Thing](max_entries=max_entries, max_bytes=max_bytes)
    for step, number, num_bytes in steps:
        if step == "put":
            store.put(Thing(f"{number}", num_bytes))
        elif step == "delete":
            store.delete(f"{number}")
            assert not store.holds(f"{number}")
        else:
            found = store.get(f"{number}", None)
            assert (found is not None) == store.holds(f"{number}")
        assert len(store) == len(store.of_key(None)) <= max_entries
        assert store.num_bytes <= max_bytes
    for number in range(7):
        store.delete(f"{number}")
    assert (len(store), store.num_bytes) == (0, 0)

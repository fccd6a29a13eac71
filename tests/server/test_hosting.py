"""Which models are in memory: loaded once for all who wait, kept while used, closed to make room."""

from __future__ import annotations

import asyncio
import threading
import time
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import pytest
from asgi import request
from scripted import Scripted

from seatrial.errors import CheckpointError, NotRunnable, UsageError
from seatrial.server import hosting as hosting_module
from seatrial.server.app import Application
from seatrial.server.endpoints.models import model_routes
from seatrial.server.errors import Failure, failure_of
from seatrial.server.hosting import Hosting, Opener


@dataclass
class Shelf:
    """Makes openers, and counts what they do."""

    opened: list[str] = field(default_factory=list)
    providers: dict[str, Scripted] = field(default_factory=dict)
    errors: dict[str, Exception] = field(default_factory=dict)
    may_open: threading.Event = field(default_factory=threading.Event)
    now_s: float = 1000.0

    def __post_init__(self) -> None:
        self.may_open.set()

    def opener(self, name: str, size_bytes: int = 0) -> Opener:
        return Opener(name, "maker", 1_790_000_000, lambda: self._open(name), lambda: size_bytes)

    def hosting(self, *openers: Opener, **more: object) -> Hosting:
        return Hosting(openers, clock=lambda: self.now_s, **more)  # type: ignore[arg-type]

    def _open(self, name: str) -> Scripted:
        self.opened.append(name)
        assert self.may_open.wait(5)
        if name in self.errors:
            raise self.errors[name]
        self.providers[name] = Scripted()
        return self.providers[name]


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


async def use(hosting: Hosting, name: str) -> str:
    async with hosting.use(name) as served:
        return served.card.id


async def test_a_model_is_opened_once_for_all_who_wait(shelf: Shelf) -> None:
    hosting = shelf.hosting(shelf.opener("a"))
    shelf.may_open.clear()
    waiting = [asyncio.create_task(use(hosting, "a")) for _ in range(20)]
    await asyncio.sleep(0.05)
    assert not any(task.done() for task in waiting)
    shelf.may_open.set()
    assert await asyncio.gather(*waiting) == ["a"] * 20
    assert await use(hosting, "a") == "a"
    assert shelf.opened == ["a"]


async def test_whether_a_model_sees_is_known_without_loading_where_the_catalog_knows_it(shelf: Shelf) -> None:
    openers = [replace(shelf.opener(name), sees=sees) for name, sees in (("a", True), ("b", False), ("c", None))]
    hosting = shelf.hosting(*openers, aliases={"d": "b"})
    assert [hosting.sees(name) for name in "abcd"] == [True, False, None, False]
    assert shelf.opened == []
    with pytest.raises(Failure, match="does not exist"):
        hosting.sees("e")


async def test_a_model_that_is_loaded_says_itself_whether_it_sees(shelf: Shelf) -> None:
    @dataclass
    class Sighted(Scripted):
        sees: bool = True

    hosting = shelf.hosting(replace(shelf.opener("a"), open=Sighted, sees=False))
    await use(hosting, "a")
    assert hosting.sees("a") is True


async def test_one_who_stops_waiting_does_not_stop_the_load(shelf: Shelf) -> None:
    hosting = shelf.hosting(shelf.opener("a"))
    shelf.may_open.clear()
    first, second = (asyncio.create_task(use(hosting, "a")) for _ in range(2))
    await asyncio.sleep(0.02)
    first.cancel()
    await asyncio.sleep(0)
    shelf.may_open.set()
    assert await second == "a"
    assert shelf.opened == ["a"]


async def test_a_failed_load_says_why_and_is_tried_again_later(shelf: Shelf) -> None:
    hosting = shelf.hosting(shelf.opener("a"))
    shelf.errors["a"] = CheckpointError("a tensor is missing", path="a.gguf")
    for _ in range(3):
        with pytest.raises(NotRunnable, match=r"`a` could not be loaded: a\.gguf: a tensor is missing"):
            await use(hosting, "a")
    assert shelf.opened == ["a"]
    shelf.now_s += 11
    del shelf.errors["a"]
    assert await use(hosting, "a") == "a"


async def test_a_failed_load_is_a_503_with_retry_after(shelf: Shelf) -> None:
    hosting = shelf.hosting(shelf.opener("a"))
    shelf.errors["a"] = ValueError("prompts and secrets")
    with pytest.raises(NotRunnable) as raised:
        await use(hosting, "a")
    failure = failure_of(raised.value)
    assert (failure.status, failure.code) == (503, "model_unavailable")
    assert failure.retry_after_s
    assert "secrets" not in failure.message


async def test_an_unknown_model_is_named_with_what_there_is(shelf: Shelf) -> None:
    hosting = shelf.hosting(shelf.opener("smollm2-135m"), shelf.opener("other"), aliases={"gpt-5-mini": "other"})
    with pytest.raises(Failure) as from_card:
        hosting.card("smolm2-135m")
    with pytest.raises(Failure) as from_use:
        await use(hosting, "smolm2-135m")
    for raised in (from_card, from_use):
        assert (raised.value.status, raised.value.code) == (404, "model_not_found")
        assert "Did you mean `smollm2-135m`?" in raised.value.message
        assert "`gpt-5-mini`" in raised.value.message


async def test_an_alias_is_its_model_under_another_name(shelf: Shelf) -> None:
    hosting = shelf.hosting(shelf.opener("a"), aliases={"gpt-5-mini": "a"})
    async with hosting.use("gpt-5-mini") as served, hosting.use("a") as same:
        assert (served.card.id, served.card.alias_of) == ("gpt-5-mini", "a")
        assert served.provider is same.provider
    assert [card.id for card in hosting.cards()] == ["a", "gpt-5-mini"]
    app = Application(model_routes(hosting))
    listed = (await request(app, "GET", "/v1/models")).json
    assert listed["object"] == "list"
    assert listed["data"][1] == {"id": "gpt-5-mini", "created": 1_790_000_000, "object": "model", "owned_by": "maker"}
    assert (await request(app, "GET", "/v1/models/gpt-5-mini")).json == listed["data"][1]
    assert (await request(app, "GET", "/v1/models/gpt-5")).error["code"] == "model_not_found"


@pytest.mark.parametrize(
    ("aliases", "says"), [({"x": "b"}, "`b` is not served"), ({"a": "a"}, "`a` is served already")]
)
def test_aliases_that_cannot_be_are_refused(shelf: Shelf, aliases: dict[str, str], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        shelf.hosting(shelf.opener("a"), aliases=aliases)


def test_two_models_of_one_name_are_refused(shelf: Shelf) -> None:
    with pytest.raises(UsageError, match="Two models"):
        shelf.hosting(shelf.opener("a"), shelf.opener("a"))


async def test_the_least_recently_used_gives_way_and_none_in_use(shelf: Shelf) -> None:
    hosting = shelf.hosting(*(shelf.opener(name, 4) for name in "abc"), memory_limit_bytes=10)
    for name in ("a", "b", "a"):
        shelf.now_s += 1
        await use(hosting, name)
    await use(hosting, "c")
    assert [state.name for state in hosting.states() if state.is_loaded] == ["a", "c"]
    assert shelf.providers["b"].is_closed
    async with hosting.use("a"):
        shelf.now_s += 1
        await use(hosting, "b")
        assert [state.name for state in hosting.states() if state.is_loaded] == ["a", "b"]
    assert shelf.opened == ["a", "b", "c", "b"]


async def test_a_newcomer_waits_for_room_and_gets_it(shelf: Shelf) -> None:
    hosting = shelf.hosting(shelf.opener("a", 8), shelf.opener("b", 8), memory_limit_bytes=10)
    async with hosting.use("a"):
        waiting = asyncio.create_task(use(hosting, "b"))
        await asyncio.sleep(0.03)
        assert not waiting.done()
        assert not shelf.providers["a"].is_closed
    assert await asyncio.wait_for(waiting, 2) == "b"
    assert shelf.providers["a"].is_closed


async def test_a_newcomer_does_not_wait_for_ever(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hosting_module, "_ROOM_S", 0.05)
    hosting = shelf.hosting(shelf.opener("a", 8), shelf.opener("b", 8), memory_limit_bytes=10)
    async with hosting.use("a"):
        with pytest.raises(NotRunnable, match="no room for `b`"):
            await use(hosting, "b")
    shelf.now_s += 11
    assert await use(hosting, "b") == "b"


async def test_a_model_larger_than_the_limit_is_never_tried(shelf: Shelf) -> None:
    hosting = shelf.hosting(shelf.opener("a", 4), shelf.opener("big", 11), memory_limit_bytes=10)
    await use(hosting, "a")
    with pytest.raises(NotRunnable, match="--memory-limit"):
        await use(hosting, "big")
    assert shelf.opened == ["a"]
    assert not shelf.providers["a"].is_closed


async def test_hosted_models_take_no_room(shelf: Shelf) -> None:
    hosting = shelf.hosting(shelf.opener("a", 10), *(shelf.opener(name) for name in "bcd"), memory_limit_bytes=10)
    await hosting.load_all()
    assert all(state.is_loaded for state in hosting.states())


async def test_loading_all_stops_at_the_first_that_fails(shelf: Shelf) -> None:
    hosting = shelf.hosting(*(shelf.opener(name) for name in "abc"))
    shelf.errors["b"] = NotRunnable("no weights.", "pull them")
    with pytest.raises(NotRunnable, match="pull them"):
        await hosting.load_all()
    assert shelf.opened == ["a", "b"]


async def test_closing_closes_all_also_what_is_being_loaded(shelf: Shelf) -> None:
    hosting = shelf.hosting(shelf.opener("a"), shelf.opener("b"))
    await use(hosting, "a")
    shelf.may_open.clear()
    loading = asyncio.create_task(use(hosting, "b"))
    await asyncio.sleep(0.02)
    closing = asyncio.create_task(hosting.close())
    await asyncio.sleep(0.02)
    shelf.may_open.set()
    await closing
    assert all(provider.is_closed for provider in shelf.providers.values())
    assert set(shelf.providers) == {"a", "b"}
    await loading
    with pytest.raises(NotRunnable, match="shutting down"):
        await use(hosting, "a")


async def test_loading_does_not_hold_up_the_loop(shelf: Shelf) -> None:
    hosting = shelf.hosting(shelf.opener("a"))
    shelf.may_open.clear()
    loading = asyncio.create_task(use(hosting, "a"))
    began_s = time.monotonic()
    await asyncio.sleep(0.01)
    assert time.monotonic() - began_s < 0.5
    shelf.may_open.set()
    await loading


class Figures(NamedTuple):
    num_running: int = 3
    num_blocks: int = 9


async def test_states_carry_the_figures_of_an_engine(shelf: Shelf) -> None:
    hosting = shelf.hosting(shelf.opener("a"))
    assert hosting.states()[0].engine == {}
    await use(hosting, "a")
    shelf.providers["a"].metrics = Figures()  # type: ignore[attr-defined]
    assert hosting.states()[0].engine == {"num_running": 3, "num_blocks": 9}

"""The application around endpoints: routes, bodies, ids, limits, clients that leave, errors, and how it ends."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import AsyncGenerator
from typing import Any

import pytest
from asgi import request, start, streaming
from hypothesis import given
from hypothesis import strategies as st
from scripted import Scripted, clock, counted_ids, models_of, says
from small_app import ASK, CHAT, app_of, assert_error, chat_app, echo

from seatrial.errors import BadReply, ProviderUnavailable
from seatrial.server.app import Application
from seatrial.server.endpoints.chat import chat_routes
from seatrial.server.errors import Failure
from seatrial.server.exchange import Bounds
from seatrial.server.http import Call, Reply, Route, Streamed
from seatrial.server.limits import Queue
from seatrial.server.metrics import Metrics


class Pieces:
    """An endpoint that streams; each step is bytes, an exception, or an event to wait for."""

    def __init__(self, *steps: Any) -> None:
        self.steps, self.is_closed, self.was_cancelled = steps, False, False
        self.calls: list[Call] = []

    async def __call__(self, call: Call) -> Streamed:
        self.calls.append(call)
        return Streamed(self._pieces())

    async def _pieces(self) -> AsyncGenerator[bytes]:
        try:
            for step in self.steps:
                if isinstance(step, BaseException):
                    raise step
                if isinstance(step, asyncio.Event):
                    await step.wait()
                else:
                    yield step
        except asyncio.CancelledError:
            self.was_cancelled = True
            raise
        finally:
            self.is_closed = True


async def test_every_reply_has_its_headers() -> None:
    answer = await request(app_of(), "GET", "/get?a=1&b=%20x")
    assert answer.status == 200
    assert answer.json["query"] == {"a": "1", "b": " x"}
    assert answer.headers["x-request-id"].startswith("req_")
    assert answer.headers["openai-processing-ms"].isdigit()
    assert answer.headers["openai-version"] == "2020-10-01"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["x-own"] == "1"
    assert [value for name, value in answer.header_list if name == b"server"] == [b"seatrial"]


@pytest.mark.parametrize("brought", ["abc", "A.b_c-9", "x" * 128])
async def test_a_valid_request_id_is_echoed(brought: str) -> None:
    answer = await request(app_of(), "GET", "/get", headers={"x-request-id": brought})
    assert answer.headers["x-request-id"] == brought


@pytest.mark.parametrize("brought", ["", "x" * 129, "a b", "é", "a/b", "<script>"])
async def test_any_other_gets_ours(brought: str) -> None:
    answer = await request(app_of(), "GET", "/get", headers={"x-request-id": brought})
    assert answer.headers["x-request-id"].startswith("req_")


async def test_unknown_paths_and_methods_answer_in_the_error_shape() -> None:
    assert_error(await request(app_of(), "GET", "/v1/nothing"), 404, "unknown_url")
    wrong = await request(app_of(), "DELETE", "/get")
    assert_error(wrong, 405, "method_not_allowed")
    assert wrong.headers["allow"] == "GET, HEAD"
    assert_error(await request(app_of(), "OPTIONS", "/post"), 405, "method_not_allowed")


async def test_head_is_get_without_its_body() -> None:
    got, asked = await request(app_of(), "GET", "/get"), await request(app_of(), "HEAD", "/get")
    assert (asked.status, asked.body) == (200, b"")
    assert asked.headers["content-length"] == got.headers["content-length"] == str(len(got.body))


async def test_names_in_paths_are_decoded_and_may_hold_slashes() -> None:
    app = app_of(Route("GET", "/v1/things/{id}/part", echo), Route("GET", "/v1/models/{id*}", echo))
    for path, values in {
        "/v1/things/a%2Fb%20c/part": {"id": "a/b c"},
        "/v1/models/a%2Fb": {"id": "a/b"},
        "/v1/models/a/b": {"id": "a/b"},
    }.items():
        assert (await request(app, "GET", path)).json["values"] == values
    for path in ("/v1/things//part", "/v1/things/a/b/part", "/v1/models/", "/v1/models"):
        assert (await request(app, "GET", path)).status == 404, path


def test_two_endpoints_for_one_path_are_refused() -> None:
    with pytest.raises(ValueError, match="GET /get"):
        app_of(Route("GET", "/get", echo))


@given(path=st.text(st.characters(codec="utf-8"), max_size=40))
async def test_no_path_breaks_the_application(path: str) -> None:
    exchange = start(app_of(Route("GET", "/v1/{a}/{b*}", echo)), "GET", "/" + path)
    assert (await exchange.done()).status in (200, 404)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"content-type": "application/json"}, 200),
        ({"content-type": "application/json; charset=utf-8"}, 200),
        ({"content-type": 'Application/JSON; Charset="UTF-8"'}, 200),
        ({"content-type": "application/problem+json"}, 200),
        ({"content-type": None}, 200),
        ({"content-encoding": "identity"}, 200),
        ({"content-type": "text/plain"}, 415),
        ({"content-type": "multipart/form-data; boundary=x"}, 415),
        ({"content-type": "application/json; charset=utf-16"}, 415),
        ({"content-encoding": "gzip"}, 415),
    ],
)
async def test_only_plain_json_is_read(headers: dict[str, str], status: int) -> None:
    answer = await request(app_of(), "POST", "/post", {"a": 1}, headers)
    assert answer.status == status, answer


async def test_a_body_too_large_is_refused_before_it_is_read() -> None:
    app = app_of(bounds=Bounds(max_body_bytes=100))
    exchange = start(app, "POST", "/post", b"x" * 101)
    await exchange.until(b"request_too_large")
    assert_error(exchange.answer, 413, "request_too_large")
    assert "101 bytes" in exchange.answer.error["message"]
    assert "100" in exchange.answer.error["message"]
    assert (await request(app, "POST", "/post", b"x" * 100)).status == 200


async def test_a_body_that_grows_too_large_is_read_no_further() -> None:
    app = app_of(bounds=Bounds(max_body_bytes=100))
    taken: list[int] = []

    async def endpoint(call: Call) -> Reply:
        taken.append(len(call.body))
        return Reply(b"{}")

    app = Application([Route("POST", "/post", endpoint)], bounds=Bounds(max_body_bytes=100))
    answer = await request(app, "POST", "/post", pieces=[b"x" * 60] * 5)
    assert_error(answer, 413, "request_too_large")
    assert (await request(app, "POST", "/post", pieces=[b"x" * 50] * 2)).status == 200
    assert taken == [100]


async def test_after_an_early_error_the_rest_of_the_body_is_taken() -> None:
    exchange = start(app_of(), "POST", "/nowhere", pieces=[b"x" * 10] * 50)
    assert_error(await exchange.done(), 404, "unknown_url")
    assert exchange.num_body_pieces_taken == 50


async def test_a_client_that_leaves_stops_the_answer_at_once() -> None:
    """The answer would take 20 seconds."""
    for stream in (True, False):
        provider = Scripted(script=says("word " * 1000, pause_s=0.02))
        app = chat_app(provider, metrics=(metrics := Metrics()))
        exchange = start(app, "POST", CHAT, ASK | {"stream": stream})
        while not provider.num_open:
            await asyncio.sleep(0.001)
        await asyncio.sleep(0.03)
        left_s = time.monotonic()
        exchange.leave()
        await exchange.done()
        assert time.monotonic() - left_s < 2
        assert (provider.num_open, provider.num_cut) == (0, 1)
        assert metrics.num_in_flight == 0
        assert b'status="499"' in metrics.render()


async def test_a_client_that_leaves_at_once_is_noticed_too() -> None:
    provider = Scripted(script=[asyncio.Event()])
    exchange = start(chat_app(provider), "POST", CHAT, ASK)
    exchange.leave()
    await asyncio.wait_for(exchange.done(), 10)
    assert (provider.num_open, provider.num_cut) == (0, 1)
    assert exchange.answer.status == 0


async def test_a_client_that_leaves_in_mid_body_is_not_answered() -> None:
    exchange = start(app_of(), "POST", "/post", pieces=[b"{"], body_stalls=True)
    await asyncio.sleep(0.01)
    exchange.leave()
    assert (await exchange.done()).status == 0


async def test_an_endpoint_that_turns_cancelling_into_an_error_is_still_cut_short() -> None:
    async def stubborn(call: Call) -> Reply:
        try:
            await asyncio.sleep(10)
        except asyncio.CancelledError:
            raise ProviderUnavailable("gone") from None
        return Reply(b"")

    exchange = start(app_of(Route("POST", "/stubborn", stubborn)), "POST", "/stubborn", {})
    await asyncio.sleep(0.03)
    exchange.leave()
    assert (await exchange.done()).status == 0


async def test_time_is_up_for_an_answer_a_body_and_a_silent_stream() -> None:
    never = asyncio.Event()

    async def slow(call: Call) -> Reply:
        await never.wait()
        return Reply(b"")

    stream = Pieces(b"data: 1\n\n", never)
    app = app_of(Route("POST", "/slow", slow), Route("POST", "/stream", stream), bounds=Bounds(timeout_s=0.15))
    assert_error(await request(app, "POST", "/slow", {}), 504, "timeout")
    assert_error(await request(app, "POST", "/post", pieces=[b"{"], body_stalls=True), 408, "timeout")
    answer = await request(app, "POST", "/stream", {})
    assert answer.status == 200
    first, last = answer.body.split(b"\n\n")[:2]
    assert first == b"data: 1"
    assert json.loads(last.removeprefix(b"data: "))["error"]["code"] == "timeout"
    assert stream.was_cancelled


async def test_a_stream_that_goes_on_may_take_longer_than_the_timeout() -> None:
    provider = Scripted(script=says("one two three four five six", pause_s=0.05))
    answer = await request(chat_app(provider, bounds=Bounds(timeout_s=0.2)), "POST", CHAT, ASK | {"stream": True})
    assert answer.body.endswith(b"data: [DONE]\n\n")


async def test_a_client_that_does_not_read_is_given_up() -> None:
    gate = asyncio.Event()
    stream = Pieces(b"data: x\n\n", gate, b"data: y\n\n", asyncio.Event())
    app = app_of(Route("POST", "/stream", stream), bounds=Bounds(timeout_s=0.1))
    exchange = start(app, "POST", "/stream", {})
    await exchange.until(b"data: x")
    exchange.may_write.clear()
    gate.set()
    await asyncio.wait_for(exchange.task, 3)
    assert stream.is_closed
    assert b"y" not in exchange.answer.body


async def test_what_fails_before_the_first_piece_is_a_whole_error() -> None:
    app = app_of(Route("POST", "/stream", Pieces(Failure(429, "busy", code="rate_limit_exceeded", retry_after_s=1.5))))
    answer = await request(app, "POST", "/stream", {})
    assert_error(answer, 429, "rate_limit_exceeded")
    assert (answer.headers["retry-after"], answer.headers["retry-after-ms"]) == ("2", "1500")


async def test_what_fails_later_is_an_event_and_the_end() -> None:
    stream = Pieces(b"data: 1\n\n", ProviderUnavailable("the engine fell over"))
    answer = await request(app_of(Route("POST", "/stream", stream)), "POST", "/stream", {})
    assert answer.status == 200
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.headers["cache-control"] == "no-cache"
    assert "content-length" not in answer.headers
    error = json.loads(answer.body.split(b"data: ")[2])["error"]
    assert error["message"] == "the engine fell over"
    assert stream.is_closed


async def test_what_breaks_inside_is_logged_without_its_words(caplog: pytest.LogCaptureFixture) -> None:
    async def broken(call: Call) -> Reply:
        raise ValueError(call.body.decode())

    async def cut(call: Call) -> Reply:
        raise BadReply(call.body.decode())

    app = app_of(Route("POST", "/broken", broken), Route("POST", "/cut", cut))
    with caplog.at_level(logging.ERROR):
        answer = await request(app, "POST", "/broken", {"prompt": "my secret"}, {"x-request-id": "id-7"})
        assert_error(answer, 500, None)
        await request(app, "POST", "/cut", {"prompt": "my secret"})
    assert "secret" not in answer.body.decode()
    assert "id-7 POST /broken: ValueError" in caplog.text
    assert "in broken" in caplog.text
    assert "BadReply" in caplog.text
    assert "secret" not in caplog.text


async def test_generations_beyond_capacity_and_queue_are_turned_away() -> None:
    gate = asyncio.Event()

    async def wait(call: Call) -> Reply:
        await gate.wait()
        return Reply(b"{}")

    queue = Queue(capacity=1, max_waiting=1)
    app = app_of(Route("POST", "/wait", wait, is_generation=True), queue=queue)
    running = [start(app, "POST", "/wait", {}) for _ in range(2)]
    await asyncio.sleep(0.01)
    refused = await request(app, "POST", "/wait", {})
    assert_error(refused, 429, "rate_limit_exceeded")
    assert refused.headers["retry-after"] == "1"
    assert (await request(app, "GET", "/get")).status == 200
    gate.set()
    assert [(await exchange.done()).status for exchange in running] == [200, 200]
    assert queue.num_inside == 0
    assert (await request(app, "POST", "/wait", {})).status == 200


async def test_draining_turns_away_all_but_open_routes_and_waits_for_what_runs() -> None:
    provider = Scripted(script=says("one two three four", pause_s=0.03))
    models = models_of(provider)
    routes = [*chat_routes(models, clock=clock, new_id=counted_ids()), Route("GET", "/open", echo, is_open=True)]
    app = Application(routes)
    async with streaming(app, CHAT, ASK | {"stream": True}) as exchange:
        await exchange.until(b"one")
        draining = asyncio.create_task(app.drain())
        await asyncio.sleep(0.01)
        refused = await request(app, "POST", CHAT, ASK)
        assert_error(refused, 503, "not_ready")
        assert "retry-after" in refused.headers
        assert (await request(app, "GET", "/open")).status == 200
        assert not draining.done()
        await exchange.done()
        await asyncio.wait_for(draining, 1)
        assert exchange.answer.body.endswith(b"data: [DONE]\n\n")


async def test_ending_all_tells_streams_and_others() -> None:
    never = asyncio.Event()
    provider = Scripted(script=[*says("one")[:1], never])
    app = chat_app(provider)
    async with streaming(app, CHAT, ASK | {"stream": True}) as exchange:
        await exchange.until(b"one")
        whole = start(app, "POST", CHAT, ASK)
        await asyncio.sleep(0.02)
        app.end_all()
        assert b'"shutting_down"' in (await exchange.done()).body
        assert_error(await whole.done(), 503, "shutting_down")
    await asyncio.wait_for(app.drain(), 1)
    assert provider.num_open == 0


async def test_cancelling_from_outside_stays_cancelling() -> None:
    exchange = start(chat_app(Scripted(script=[asyncio.Event()])), "POST", CHAT, ASK)
    await asyncio.sleep(0.02)
    exchange.task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await exchange.done()


async def test_web_sockets_are_closed_and_lifespans_acknowledged() -> None:
    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    async def receive_from(*kinds: str) -> Any:
        events = iter([{"type": kind} for kind in kinds])

        async def receive() -> dict[str, Any]:
            return next(events)

        return receive

    await app_of()({"type": "websocket"}, await receive_from("websocket.connect"), send)
    await app_of()({"type": "lifespan"}, await receive_from("lifespan.startup", "lifespan.shutdown"), send)
    assert [m["type"] for m in sent] == ["websocket.close", "lifespan.startup.complete", "lifespan.shutdown.complete"]

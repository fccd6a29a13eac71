"""The application's door: keys, their limits, hosts and origins."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from asgi import request, streaming
from scripted import Scripted, says
from small_app import ASK, CHAT, app_of, assert_error, chat_app, echo

from seatrial.chat import Usage
from seatrial.server.access import Access
from seatrial.server.http import Call, Reply, Route
from seatrial.server.keys import KeyStore


@pytest.fixture
def keys(tmp_path: Path) -> KeyStore:
    return KeyStore(tmp_path, now=lambda: datetime(2026, 11, 22, tzinfo=UTC))


async def test_keys_are_asked_for_and_open_routes_need_none(keys: KeyStore) -> None:
    secret, key = keys.add("one")
    app = app_of(Route("GET", "/open", echo, is_open=True), access=Access(keys))
    for headers in ({}, {"authorization": "Bearer sk-seatrial-no"}, {"authorization": secret}):
        answer = await request(app, "GET", "/get", headers=headers)
        assert_error(answer, 401, "invalid_api_key")
        assert answer.headers["www-authenticate"] == "Bearer"
        assert secret not in answer.body.decode()
    assert (await request(app, "GET", "/open")).status == 200
    answer = await request(app, "GET", "/get", headers={"authorization": f"bearer {secret}"})
    assert answer.json["key"] == key.id


async def test_a_key_revoked_in_mid_stream_ends_it_within_a_second(keys: KeyStore) -> None:
    secret, _ = keys.add("one")
    provider = Scripted(script=says("word " * 1000, pause_s=0.02))
    app = chat_app(provider, access=Access(keys))
    headers = {"authorization": f"Bearer {secret}"}
    async with streaming(app, CHAT, ASK | {"stream": True}, headers) as exchange:
        await exchange.until(b"word")
        keys.revoke("one")
        revoked_s = time.monotonic()
        assert_error(await request(app, "POST", CHAT, ASK, headers), 401, "invalid_api_key")
        await exchange.done()
        assert time.monotonic() - revoked_s < 1
        assert b"invalid_api_key" in exchange.answer.body
        assert b"[DONE]" not in exchange.answer.body
    assert provider.num_open == 0


async def test_limits_of_a_key_are_told_and_held(keys: KeyStore) -> None:
    secret, _ = keys.add("small", requests_per_minute=2, tokens_per_minute=100)

    async def spend(call: Call) -> Reply:
        call.tally.model, call.tally.usage = "m", Usage(30, 12)
        return Reply(b"{}")

    now = [1000.0]
    app = app_of(Route("POST", "/spend", spend, is_generation=True), access=Access(keys), clock=lambda: now[0])
    headers = {"authorization": f"Bearer {secret}"}
    first = await request(app, "POST", "/spend", {}, headers)
    told = {name.removeprefix("x-ratelimit-"): v for name, v in first.headers.items() if name.startswith("x-ratelimit")}
    assert told == {
        "limit-requests": "2",
        "remaining-requests": "1",
        "reset-requests": "30s",
        "limit-tokens": "100",
        "remaining-tokens": "58",
        "reset-tokens": "25.2s",
    }
    assert (await request(app, "POST", "/spend", {}, headers)).headers["x-ratelimit-remaining-tokens"] == "16"
    refused = await request(app, "POST", "/spend", {}, headers)
    assert_error(refused, 429, "rate_limit_exceeded")
    assert (refused.headers["retry-after"], refused.headers["x-ratelimit-remaining-requests"]) == ("30", "0")
    now[0] += 30
    assert (await request(app, "POST", "/spend", {}, headers)).status == 200
    assert (await request(app, "GET", "/get", headers=headers)).status == 200


async def test_pages_elsewhere_are_kept_out_where_no_key_is_asked_for() -> None:
    app = app_of(access=Access(hosts=frozenset({"localhost", "127.0.0.1", "::1"})))
    for host in ("localhost:8000", "127.0.0.1", "[::1]:8000", "LOCALHOST", ""):
        assert (await request(app, "GET", "/get", headers={"host": host})).status == 200, host
    for host in ("evil.com", "evil.com:8000", "localhost.evil.com", "[::2]"):
        assert_error(await request(app, "GET", "/get", headers={"host": host}), 403, "host_not_allowed")
    own = {"host": "localhost:8000", "origin": "http://localhost:8000"}
    assert (await request(app, "GET", "/get", headers=own)).status == 200
    for origin in ("https://evil.com", "null", "http://localhost:9000"):
        answer = await request(app, "POST", "/post", {}, own | {"origin": origin})
        assert_error(answer, 403, "origin_not_allowed")
        assert "access-control-allow-origin" not in answer.headers


async def test_cors_is_for_the_origins_that_were_set() -> None:
    app = app_of(access=Access(origins=frozenset({"https://app.example"})))
    asks = {"origin": "https://app.example", "access-control-request-method": "POST"}
    allowed = await request(app, "OPTIONS", "/post", headers=asks | {"access-control-request-headers": "x-stainless"})
    assert (allowed.status, allowed.body) == (204, b"")
    assert allowed.headers["access-control-allow-origin"] == "https://app.example"
    assert allowed.headers["access-control-allow-headers"] == "x-stainless"
    assert "content-length" not in allowed.headers
    answer = await request(app, "POST", "/post", {}, {"origin": "https://app.example"})
    assert answer.headers["access-control-allow-origin"] == "https://app.example"
    assert "x-request-id" in answer.headers["access-control-expose-headers"]
    assert answer.headers["vary"] == "origin"
    refused = await request(app, "OPTIONS", "/post", headers=asks | {"origin": "https://evil.com"})
    assert refused.status in (403, 405)
    assert "access-control-allow-origin" not in refused.headers
    every = app_of(access=Access(origins=frozenset({"*"})))
    assert (await request(every, "GET", "/get", headers={"origin": "https://x.y"})).status == 200
    error = await request(every, "GET", "/nothing", headers={"origin": "https://x.y"})
    assert error.headers["access-control-allow-origin"] == "https://x.y"

"""What a client is told of an upstream's error: what the upstream said, but for its refusal of our own key."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from asgi import request

from seatrial.errors import (
    AuthenticationFailed,
    ContextTooLong,
    ProviderTimeout,
    ProviderUnavailable,
    RateLimited,
    RequestRejected,
    SeatrialError,
    UpstreamReply,
)
from seatrial.server.access import Access
from seatrial.server.app import Application
from seatrial.server.errors import body, failure_of, headers
from seatrial.server.http import Call, Reply, Route
from seatrial.server.keys import KeyStore

TOLD = {"retry-after": "7", "retry-after-ms": "6500", "x-should-retry": "true", "x-ratelimit-limit-requests": "60"}


def said(status: int) -> UpstreamReply:
    return UpstreamReply(status, "As it was said.", "some_type", "some.param", "some_code", TOLD)


@pytest.mark.parametrize(
    "error",
    [
        RequestRejected("ours", status=404, code="c", upstream=said(404)),
        ProviderTimeout("ours", status=408, upstream=said(408)),
        RateLimited("ours", retry_after_s=9.0, upstream=said(429)),
        ProviderUnavailable("ours", status=502, upstream=said(502)),
        ContextTooLong("ours", upstream=said(400)),
    ],
)
def test_an_upstreams_error_is_passed_on_as_it_was(error: SeatrialError) -> None:
    failure = failure_of(error)
    assert isinstance(error, ContextTooLong) or failure.status == error.status  # type: ignore[attr-defined]
    assert json.loads(body(failure))["error"] == {
        "message": "As it was said.",
        "type": "some_type",
        "param": "some.param",
        "code": "some_code",
    }
    assert dict(headers(failure)) == {name.encode(): value.encode() for name, value in TOLD.items()}


@pytest.mark.parametrize(("status", "type_"), [(404, "invalid_request_error"), (503, "server_error")])
def test_only_what_the_upstream_left_out_is_ours(status: int, type_: str) -> None:
    failure = failure_of(RequestRejected("`x` rejected the request.", upstream=UpstreamReply(status, "")))
    assert (failure.status, failure.message, failure.type) == (status, "`x` rejected the request.", type_)
    assert (failure.param, failure.code, headers(failure)) == (None, None, ())


def test_the_refusal_of_our_own_key_is_none_of_the_clients() -> None:
    failure = failure_of(AuthenticationFailed("no such key", status=401, code="invalid_api_key", upstream=said(401)))
    assert (failure.status, failure.type, failure.code) == (502, "api_error", "invalid_api_key")


def test_what_we_refuse_ourselves_names_the_field() -> None:
    failure = failure_of(RequestRejected("`m` takes no `top_k`.", code="unsupported_parameter", param="top_k"))
    assert (failure.status, failure.code, failure.param) == (400, "unsupported_parameter", "top_k")


@pytest.mark.parametrize(
    ("limits", "told"),
    [
        ({}, {"limit-requests": "60"}),
        ({"requests_per_minute": 5}, {"limit-requests": "5", "remaining-requests": "4", "reset-requests": "12s"}),
        ({"tokens_per_minute": 80}, {"limit-tokens": "80", "remaining-tokens": "80", "reset-tokens": "0ms"}),
    ],
)
async def test_limits_are_told_once_and_a_keys_own_stand_alone(
    tmp_path: Path, limits: dict[str, int], told: dict[str, str]
) -> None:
    """Two limits in one set of headers would read as one."""

    async def busy(call: Call) -> Reply:
        raise RateLimited("ours", upstream=said(429))

    keys = KeyStore(tmp_path, now=lambda: datetime(2026, 11, 22, tzinfo=UTC))
    secret, _ = keys.add("alice", **limits)
    app = Application([Route("POST", "/busy", busy, is_generation=True)], access=Access(keys), clock=lambda: 1000.0)
    answer = await request(app, "POST", "/busy", {}, {"authorization": f"Bearer {secret}"})
    names = [name for name, _ in answer.header_list]
    assert len(names) == len(set(names))
    prefix = "x-ratelimit-"
    assert {n.removeprefix(prefix): v for n, v in answer.headers.items() if n.startswith(prefix)} == told
    assert (answer.status, answer.headers["retry-after"], answer.headers["x-should-retry"]) == (429, "7", "true")

"""The one table from exception to the wire: status, and `{"error": {"message", "type", "param", "code"}}`.

In: any exception that an endpoint let out. Out: a `Failure`, which `body` encodes. What the client did wrong is said as
it stands, and so is what an upstream said, but for its refusal of our own key; what broke in here is logged by the
caller, and named no closer than its kind.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec

from seatrial.errors import (
    AuthenticationFailed,
    BadReply,
    ContextTooLong,
    NotRunnable,
    ProviderError,
    ProviderTimeout,
    ProviderUnavailable,
    RateLimited,
    RequestRejected,
    SeatrialError,
    UpstreamReply,
    UsageError,
)
from seatrial.server.http import Header


@dataclass(eq=False)
class Failure(Exception):
    """An error reply; endpoints raise it for what the table cannot know.

    `retry_after_s` becomes `retry-after` and `retry-after-ms`; `headers` are written besides.
    """

    status: int
    message: str
    type: str = "invalid_request_error"
    code: str | None = None
    param: str | None = None
    retry_after_s: float | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.message


def bad_request(message: str, *, param: str | None = None, code: str | None = None) -> Failure:
    """A 400."""
    return Failure(400, message, code=code, param=param)


def unsupported(param: str, why: str) -> Failure:
    """A field that would change the answer and that we do not do."""
    return bad_request(f"Unsupported parameter: '{param}'. {why}", param=param, code="unsupported_parameter")


def failure_of(error: BaseException) -> Failure:
    """What the client is told of any exception."""
    match error:
        case Failure():
            return error
        case AuthenticationFailed():
            return Failure(502, f"The upstream refused this server's own key: {error}", "api_error", error.code)
        case ContextTooLong(upstream=UpstreamReply() as told) | ProviderError(upstream=UpstreamReply() as told):
            return _passed_on(error, told)
        case ContextTooLong():
            return bad_request(str(error), param="messages", code="context_length_exceeded")
        case RequestRejected():
            status = error.status if error.status is not None and 400 <= error.status < 500 else 400
            return Failure(status, str(error), code=error.code, param=error.param)
        case RateLimited():
            kind = "insufficient_quota" if error.code == "insufficient_quota" else "rate_limit_error"
            code = error.code or "rate_limit_exceeded"
            return Failure(429, str(error), kind, code, retry_after_s=error.retry_after_s)
        case ProviderTimeout():
            return Failure(504, str(error), "api_error", "timeout")
        case ProviderUnavailable():
            return Failure(503, str(error), "api_error", error.code, retry_after_s=error.retry_after_s or 1.0)
        case BadReply():
            return Failure(502, str(error), "api_error", error.code)
        case ProviderError():
            return Failure(500, str(error), "server_error", error.code)
        case NotRunnable():
            return Failure(503, str(error), "api_error", "model_unavailable", retry_after_s=10.0)
        case UsageError():
            return bad_request(str(error))
        case SeatrialError():
            return Failure(500, str(error), "server_error")
        case TimeoutError():
            return Failure(504, "The request took longer than this server allows.", "api_error", "timeout")
        case _:
            return Failure(500, "The server had an error while it processed your request.", "server_error")


def _passed_on(error: Exception, told: UpstreamReply) -> Failure:
    """A proxied error, as the upstream told it; only what it left out is ours."""
    type_ = told.type or ("invalid_request_error" if told.status < 500 else "server_error")
    return Failure(told.status, told.message or str(error), type_, told.code, told.param, headers=told.headers)


def body(failure: Failure) -> bytes:
    """The JSON of a failure."""
    return msgspec.json.encode(
        {
            "error": {
                "message": failure.message,
                "type": failure.type,
                "param": failure.param,
                "code": failure.code,
            }
        }
    )


def headers(failure: Failure) -> tuple[Header, ...]:
    """The headers that come with it. Seconds are rounded up, so that nobody asks again too early."""
    named = [(name.encode("ascii"), value.encode("latin-1")) for name, value in failure.headers.items()]
    if failure.retry_after_s is not None:
        named.append((b"retry-after", str(math.ceil(failure.retry_after_s)).encode()))
        named.append((b"retry-after-ms", str(math.ceil(failure.retry_after_s * 1000)).encode()))
    return tuple(named)

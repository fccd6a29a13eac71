"""What an HTTP reply that is no answer means: its error, whether to ask again, and how long to wait.

Comes in: status, headers and the body of any shape. Goes out: an error from `errors.py` whose message quotes the
server briefly and never holds the API key, with all that the server said as its `upstream`.
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple

import msgspec

from seatrial.errors import (
    AuthenticationFailed,
    BadReply,
    ContextTooLong,
    ProviderTimeout,
    ProviderUnavailable,
    RateLimited,
    RequestRejected,
    SeatrialError,
    UpstreamReply,
)

_RETRIED = frozenset({408, 409, 429})
_CONTEXT_CODES = frozenset({"context_length_exceeded", "exceed_context_size_error"})
_QUOTED_CHARS = 300
_KEY_CHARS = 6
_PASSED_ON = frozenset({"retry-after", "retry-after-ms", "x-should-retry"})
_SECRET = re.compile(r"(?i)\bsk-[\w*.-]{6,}|\bbearer\s+[\w*.~+/=-]{6,}")
_STATUS_OF = {
    "rate_limit_exceeded": 429,
    "rate_limit_error": 429,
    "insufficient_quota": 429,
    "invalid_api_key": 401,
    "authentication_error": 401,
    "permission_error": 403,
    "invalid_request_error": 400,
    "not_found_error": 404,
    "model_not_found": 404,
    "server_error": 500,
    "api_error": 500,
    "overloaded_error": 503,
}


@dataclass(frozen=True, slots=True)
class Retries:
    """How often and how patiently to ask again. Waits are full jitter: uniform in [0, min(cap, base · 2ⁿ)].

    What the server asks for (`retry-after`) comes first and the jitter on top; more than `max_wait_s` is not waited.
    (Marc Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.)
    """

    max_attempts: int = 5
    base_s: float = 0.5
    cap_s: float = 8.0
    max_wait_s: float = 60.0

    def wait_s(self, num_attempts: int, retry_after_s: float | None, rng: random.Random) -> float | None:
        """How long to wait after `num_attempts` failed ones. None: do not ask again."""
        if num_attempts >= self.max_attempts or (retry_after_s or 0.0) > self.max_wait_s:
            return None
        return (retry_after_s or 0.0) + rng.uniform(0.0, min(self.cap_s, self.base_s * 2.0 ** (num_attempts - 1)))


def should_retry(status: int, headers: Mapping[str, str], code: str | None) -> bool:
    """Whether the server may answer if asked again. `x-should-retry` decides where the server sends it."""
    told = headers.get("x-should-retry", "").strip().lower()
    if told in ("true", "false"):
        return told == "true"
    return code != "insufficient_quota" and (status in _RETRIED or status >= 500)


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """The wait that the server asks for, seconds: `retry-after-ms`, else `retry-after` as seconds or as a date.

    A date is read against the reply's own `date` header, so that the two clocks need not agree.
    """
    seconds = _number(headers.get("retry-after-ms"), 0.001)
    if seconds is None:
        seconds = _number(headers.get("retry-after"), 1.0)
    if seconds is None and "retry-after" in headers and "date" in headers:
        try:
            wait = parsedate_to_datetime(headers["retry-after"]) - parsedate_to_datetime(headers["date"])
        except (ValueError, TypeError):
            return None
        seconds = max(0.0, wait.total_seconds())
    return seconds


def _number(text: str | None, unit_s: float) -> float | None:
    try:
        value = float(text) * unit_s if text is not None else -1.0
    except ValueError:
        return None
    return value if 0.0 <= value < float("inf") else None


def failure_of(
    status: int, body: bytes, headers: Mapping[str, str], *, name: str, api_key: str | None
) -> SeatrialError:
    """The error for a reply with an error status, or for an error object in mid-stream (status 200)."""
    told = _read_error(body)
    if status < 400:
        status = told.status or 500
    quoted, code = scrub(told.message, api_key), scrub(told.kind, api_key) if told.kind else None
    said = f": {quoted}" if quoted else "."
    upstream = _upstream(status, told, headers, api_key)
    if code in _CONTEXT_CODES or (status == 400 and "maximum context length" in told.message):
        return ContextTooLong(f"`{name}` says that the prompt is too long{said}", upstream=upstream)
    if status in (401, 403):
        text = f"`{name}` refused the API key ({status}){said}"
        return AuthenticationFailed(text, status=status, code=code, upstream=upstream)
    wait_s = retry_after_s(headers)
    if status == 429:
        problem = "has no quota left" if code == "insufficient_quota" else "is limiting the rate"
        text = f"`{name}` {problem} ({status}){said}"
        return RateLimited(text, status=status, code=code, retry_after_s=wait_s, upstream=upstream)
    if status == 408:
        return ProviderTimeout(
            f"`{name}` gave up waiting ({status}){said}", status=status, code=code, upstream=upstream
        )
    if status >= 500 or status == 409:
        text = f"`{name}` failed ({status}){said}"
        return ProviderUnavailable(text, status=status, code=code, retry_after_s=wait_s, upstream=upstream)
    text = f"`{name}` rejected the request ({status}){said}"
    return RequestRejected(text, status=status, code=code, param=upstream.param, upstream=upstream)


class _Told(NamedTuple):
    """An error body. `kind` is the code in words, or else the type; `status` the HTTP status that the body tells."""

    message: str
    type: str | None = None
    param: str | None = None
    code: str | None = None
    kind: str | None = None
    status: int | None = None


def _read_error(body: bytes) -> _Told:
    """An error body in OpenAI's shape, a near one, plain text or HTML."""
    text = body.decode("utf-8", "replace").strip()
    try:
        value: Any = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _Told(_without_tags(text))
    error = value.get("error", value) if isinstance(value, dict) else value
    if not isinstance(error, dict):
        return _Told(str(error))
    message = error.get("message") or error.get("detail") or error.get("error") or text
    type_, param, code = (None if error.get(key) is None else str(error[key]) for key in ("type", "param", "code"))
    kinds = [kind for kind in (code, type_) if kind is not None]
    known = next((kind for kind in kinds if kind in _STATUS_OF), None)
    number = next((int(kind) for kind in kinds if kind.isascii() and kind.isdigit() and len(kind) == 3), None)
    kind = next((kind[:60] for kind in kinds if not kind.isdigit()), None)
    return _Told(str(message), type_, param, code, kind, number or (_STATUS_OF[known] if known else None))


def _upstream(status: int, told: _Told, headers: Mapping[str, str], api_key: str | None) -> UpstreamReply:
    def blanked(text: str | None) -> str | None:
        return None if text is None else _without_keys(text, api_key)

    passed_on = {
        name.lower(): value
        for name, value in headers.items()
        if (name.lower() in _PASSED_ON or name.lower().startswith("x-ratelimit-"))
        and name.isascii()
        and value.isascii()
        and value.isprintable()
    }
    message = _without_keys(told.message, api_key)
    return UpstreamReply(status, message, blanked(told.type), blanked(told.param), blanked(told.code), passed_on)


def _without_tags(text: str) -> str:
    if not text.lower().startswith(("<!doctype", "<html")):
        return text
    return " ".join(re.sub(r"(?is)<(script|style).*?</\1>|<[^>]*>", " ", text).split())


def scrub(text: str, api_key: str | None) -> str:
    """`text` in one line, at most 300 characters, with anything that looks like a key blanked."""
    line = " ".join(_without_keys(text, api_key).split())
    return line if len(line) <= _QUOTED_CHARS else f"{line[: _QUOTED_CHARS - 1]}…"


def _without_keys(text: str, api_key: str | None) -> str:
    if api_key and len(api_key) >= _KEY_CHARS:
        text = text.replace(api_key, "[key]")
    return _SECRET.sub("[key]", text)


def bad_reply(error: BadReply, name: str) -> BadReply:
    """The same finding, with the name of who sent it."""
    return BadReply(f"`{name}` sent a bad reply. {error}", status=error.status, code=error.code)

"""One line for each request, as text or JSON, to wherever `write` goes.

In: a request that is over. Out: its time, ids, method, path, model, status, milliseconds and tokens; never what was
said, unless the operator asks for prompts. Lines are gathered for a moment and written together, so that a busy server
does not make a system call for each.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Literal

import msgspec

from seatrial.chat import Usage

_GATHER_S = 0.05
_LONGEST_PROMPT_BYTES = 20_000
_LONGEST_FIELD = 500


class Entry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A line. `path` is as it came, percent-encoded; `key` is the API key's id; `body` the request's, where asked."""

    at: datetime
    request_id: str
    key: str | None = None
    method: str
    path: str
    model: str | None = None
    status: int
    ms: float
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    cached_tokens: int | None = None
    body: str | None = None


class AccessLog:
    """`write` takes whole lines, encoded; it is called from the event loop. `with_prompts` adds request bodies."""

    def __init__(
        self,
        write: Callable[[bytes], object],
        *,
        now: Callable[[], datetime],
        form: Literal["text", "json"] = "text",
        with_prompts: bool = False,
    ) -> None:
        self._write, self._now, self._with_prompts = write, now, with_prompts
        self._encode = _as_json if form == "json" else _as_text
        self._lines: list[bytes] = []

    def add(
        self,
        *,
        request_id: str,
        key: str | None,
        method: str,
        path: str,
        model: str | None,
        status: int,
        seconds: float,
        usage: Usage | None,
        body: bytes,
    ) -> None:
        """Write a line, soon."""
        prompt = body[:_LONGEST_PROMPT_BYTES].decode("utf-8", "replace") if self._with_prompts and body else None
        entry = Entry(
            at=self._now(),
            request_id=request_id,
            key=key,
            method=method,
            path=path,
            model=model,
            status=status,
            ms=round(seconds * 1000, 2),
            prompt_tokens=usage.prompt_tokens if usage else None,
            completion_tokens=usage.completion_tokens if usage else None,
            cached_tokens=usage.cached_tokens if usage else None,
            body=prompt,
        )
        if not self._lines:
            asyncio.get_running_loop().call_later(_GATHER_S, self.flush)
        self._lines.append(self._encode(entry))

    def flush(self) -> None:
        """Write what has gathered."""
        if self._lines:
            lines, self._lines = self._lines, []
            self._write(b"".join(lines))


def _as_json(entry: Entry) -> bytes:
    return msgspec.json.encode(entry) + b"\n"


def _as_text(entry: Entry) -> bytes:
    at = entry.at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    parts = [at, entry.request_id, entry.key or "-", entry.method, _plain(entry.path), _plain(entry.model or "-")]
    parts += [str(entry.status), f"{entry.ms:.1f}ms"]
    if entry.prompt_tokens is not None:
        parts.append(f"prompt={entry.prompt_tokens} completion={entry.completion_tokens} cached={entry.cached_tokens}")
    if entry.body is not None:
        parts.append(msgspec.json.encode(entry.body).decode())
    return " ".join(parts).encode() + b"\n"


def _plain(value: str) -> str:
    """Without what could pass for another field or line."""
    if value.isprintable() and " " not in value and len(value) <= _LONGEST_FIELD:
        return value
    return "".join(c if c.isprintable() and c != " " else f"\\x{ord(c):02x}" for c in value[:_LONGEST_FIELD])

"""Server-sent events as bytes (WHATWG HTML, section 9.2): what stands around the JSON of a stream."""

from __future__ import annotations

DONE = b"data: [DONE]\n\n"


def named_event(name: str, data: bytes) -> bytes:
    """An event with a name, as responses send them. `data` is JSON, which holds no line break."""
    return b"event: %b\ndata: %b\n\n" % (name.encode(), data)

"""Values to JSON bytes, also where a text holds half of a surrogate pair.

A model's text can be cut between the halves (an upstream that escapes them does that). UTF-8 cannot say half a pair;
JSON can, escaped, and the client that joins the pieces gets the character whole.
"""

from __future__ import annotations

import json
from typing import Any

import msgspec

_encode = msgspec.json.Encoder().encode


def json_bytes(value: Any) -> bytes:
    """The value as JSON: a struct, or plain lists, dicts, texts and numbers."""
    try:
        return _encode(value)
    except UnicodeEncodeError:
        return json.dumps(msgspec.to_builtins(value), separators=(",", ":")).encode()

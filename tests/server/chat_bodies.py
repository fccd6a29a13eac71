"""Chat bodies as the server reads them: fields become a request, or what they are refused with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from drawn_pictures import data_url
from drawn_pictures import picture as drawn

from seatrial.chat import ChatRequest
from seatrial.server.errors import Failure
from seatrial.server.wire.chat import chat_request, decode_chat
from seatrial.server.wire.limits import WireLimits
from seatrial.server.wire.messages import web_addresses
from seatrial.server.wire.sampling import includes_usage, num_choices

HELLO = [{"role": "user", "content": "Hello"}]
PNG = drawn()
PNG_URL = data_url(PNG)
LIMITS = WireLimits()


def no_videos(data: bytes) -> Path:
    raise AssertionError(f"{len(data)} bytes of a video")


def asked(limits: WireLimits = LIMITS, **fields: Any) -> ChatRequest:
    body = decode_chat(json.dumps({"model": "m", "messages": HELLO} | fields).encode())
    num_choices(body, limits)
    includes_usage(body)
    web_addresses(body.messages, limits)
    return chat_request(body, limits, {}, no_videos)


def refused(limits: WireLimits = LIMITS, **fields: Any) -> Failure:
    with pytest.raises(Failure) as caught:
        asked(limits, **fields)
    assert caught.value.status == 400
    return caught.value


def picture(url: str, **more: Any) -> list[dict[str, Any]]:
    return [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": url} | more}]}]

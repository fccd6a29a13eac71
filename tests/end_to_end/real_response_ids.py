"""A pytest plugin for openai-python's own tests: gives them responses and stored chat completions that exist.

They ask for both by an id that stands for any. Before such a request leaves, a response is begun on the server, or a
chat completion stored, and its id put in the place of the other; everything else of the request, and all of the
answer, stays as it is.
"""

from __future__ import annotations

import json
import os
import re
import urllib.request
from collections.abc import Mapping
from http.client import HTTPResponse
from typing import Any

import pytest
from openai import AsyncOpenAI, OpenAI

_OF_A_RESPONSE = re.compile(r"/responses/(?!input_tokens|compact)[^/?]+")
_OF_A_CHAT = re.compile(r"/chat/completions/[^/?]+")
_MESSAGES_OF_A_CHAT = re.compile(r"/chat/completions/([^/?]+)/messages")


@pytest.fixture(autouse=True)
def _what_is_asked_for_exists(monkeypatch: pytest.MonkeyPatch) -> None:
    sync, asynchronous = OpenAI._prepare_options, AsyncOpenAI._prepare_options
    monkeypatch.setattr(OpenAI, "_prepare_options", lambda self, options: sync(self, _with_real_ids(options)))
    monkeypatch.setattr(
        AsyncOpenAI, "_prepare_options", lambda self, options: asynchronous(self, _with_real_ids(options))
    )


def _with_real_ids(options: Any) -> Any:
    url = _OF_A_RESPONSE.sub(lambda _: f"/responses/{_begun_response()}", options.url)
    url = _OF_A_CHAT.sub(lambda _: f"/chat/completions/{_stored_chat()}", url)
    params = options.params
    if isinstance(params, Mapping) and "after" in params and url.startswith("/chat/completions"):
        of_a_message = _MESSAGES_OF_A_CHAT.fullmatch(url)
        params = {**params, "after": f"{of_a_message[1]}-0" if of_a_message else _stored_chat()}
    return options.model_copy(update={"url": url, "params": params})


def _begun_response() -> str:
    """The id of a response that runs in the background and can be streamed again."""
    asked = {"model": "model", "input": "Hello", "background": True, "stream": True, "max_output_tokens": 16}
    with _post("/responses", asked) as stream:
        for line in stream:
            if line.startswith(b"data: "):
                return str(json.loads(line[6:])["response"]["id"])
    raise AssertionError("No response was begun.")


def _stored_chat() -> str:
    """The id of a chat completion that is kept."""
    messages = [{"role": "user", "content": "Hello"}]
    asked = {"model": "model", "messages": messages, "store": True, "max_tokens": 1, "metadata": {"foo": "string"}}
    with _post("/chat/completions", asked) as reply:
        return str(json.loads(reply.read())["id"])


def _post(path: str, body: Mapping[str, Any]) -> HTTPResponse:
    url = f"{os.environ['TEST_API_BASE_URL']}{path}"
    reply = urllib.request.urlopen(
        urllib.request.Request(url, json.dumps(body).encode(), {"content-type": "application/json"})
    )
    assert isinstance(reply, HTTPResponse)
    return reply

"""The recorder finds replies that do not fit, so that its silence means something."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest
from recording import Recorder


@pytest.fixture
def watched(reference_data: Path, check_document: Callable[[str, Any], None]) -> Recorder:
    """Asks for the document, and so is skipped where it is absent."""
    return Recorder(check_document)


def reply(recorder: Recorder, path: str, body: bytes, *, status: int = 200, stream: bool = False) -> None:
    request = httpx2.Request("POST", f"http://127.0.0.1/v1{path}")
    kind = "text/event-stream" if stream else "application/json"
    recorder.took(request, httpx2.Response(status, headers={"content-type": kind}), body)


@pytest.mark.parametrize(
    ("path", "body", "stream"),
    [
        ("/chat/completions", b"{}", False),
        ("/chat/completions", b"not JSON", False),
        ("/chat/completions", b'data: {"id": "c", "object": "chat.completion.chunk"}\n\n', True),
        ("/completions", b'data: {"id": "c", "choices": []}\n\n', True),
        ("/responses", b'event: x\ndata: {"type": "response.nonsense"}\n\n', True),
        ("/embeddings", b'{"object": "list", "data": [], "model": "m"}', False),
        ("/no/such/path", b"{}", False),
    ],
)
def test_what_does_not_fit_is_kept(watched: Recorder, path: str, body: bytes, stream: bool) -> None:
    reply(watched, path, body, stream=stream)
    assert len(watched.faults) == 1


def test_an_error_without_its_four_keys_does_not_fit(watched: Recorder) -> None:
    fine = {"message": "m", "type": "t", "param": None, "code": None}
    reply(watched, "/responses", json.dumps({"error": fine}).encode(), status=400)
    assert watched.faults == []
    for missing in fine:
        body = {"error": {key: value for key, value in fine.items() if key != missing}}
        reply(watched, "/responses", json.dumps(body).encode(), status=400)
    reply(watched, "/responses", b'{"detail": "Not Found"}', status=404)
    assert len(watched.faults) == 5

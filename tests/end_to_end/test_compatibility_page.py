"""`docs/openai-compatibility.md` names every field and every path that there is."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from seatrial.server.endpoints.embeddings import EmbeddingsBody
from seatrial.server.openapi import openapi_document
from seatrial.server.wire.chat import ChatBody
from seatrial.server.wire.completions import CompletionBody
from seatrial.server.wire.responses_body import CreateBody

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "openai-compatibility.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("heading", "body"),
    [
        ("Fields of a chat completion", ChatBody),
        ("Fields of a response", CreateBody),
        ("Fields of a text completion and of embeddings", CompletionBody),
        ("Fields of a text completion and of embeddings", EmbeddingsBody),
    ],
)
def test_every_field_is_named(heading: str, body: Any) -> None:
    _, _, after = PAGE.partition(f"## {heading}\n")
    section = after.partition("\n## ")[0]
    named = set(re.findall(r"`([a-z_]+)`", section))
    assert {field.encode_name for field in msgspec.structs.fields(body)} <= named


def test_every_path_of_the_api_is_named() -> None:
    paths = {path for path in openapi_document(example_model="m")["paths"] if path.startswith("/v1/")}
    assert len(paths) > 8
    for path in paths:
        last = (
            path.removeprefix("/v1/").replace("response_id", "id").replace("completion_id", "id").replace("model", "id")
        )
        assert last.replace("/{id}", "").split("/")[-1] in PAGE, path

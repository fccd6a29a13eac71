"""`POST /v1/embeddings`: what may be embedded, in which form vectors come back, and who cannot."""

from __future__ import annotations

import base64
import struct
from typing import Any

import pytest
from asgi import Answer, request
from scripted import EmbeddingScripted, Scripted, models_of

from seatrial.errors import ContextTooLong
from seatrial.server.app import Application
from seatrial.server.endpoints.embeddings import MOST_TEXTS, embedding_routes

PATH = "/v1/embeddings"


async def embed(body: Any, provider: Scripted | None = None) -> Answer:
    app = Application(embedding_routes(models_of(provider or EmbeddingScripted())))
    return await request(app, "POST", PATH, body)


async def test_a_text_has_one_vector_of_length_one() -> None:
    answer = await embed({"model": "m", "input": "two words"})
    assert answer.status == 200, answer
    assert {**answer.json, "data": []} == {
        "object": "list",
        "data": [],
        "model": "m",
        "usage": {"prompt_tokens": 2, "total_tokens": 2},
    }
    (vector,) = answer.json["data"]
    assert (vector["object"], vector["index"]) == ("embedding", 0)
    assert sum(x * x for x in vector["embedding"]) == pytest.approx(1.0, abs=1e-5)


async def test_each_kind_of_input_in_its_order() -> None:
    one = (await embed({"model": "m", "input": "one"})).json["data"][0]["embedding"]
    two = (await embed({"model": "m", "input": "two"})).json["data"][0]["embedding"]
    both = (await embed({"model": "m", "input": ["two", "one"], "user": "u"})).json["data"]
    assert [part["index"] for part in both] == [0, 1]
    assert [part["embedding"] for part in both] == [two, one]
    tokens = (await embed({"model": "m", "input": [1, 2, 3]})).json
    assert tokens["usage"]["prompt_tokens"] == 3
    several = (await embed({"model": "m", "input": [[1, 2, 3], [4]]})).json["data"]
    assert several[0]["embedding"] == tokens["data"][0]["embedding"]


async def test_base64_holds_the_same_numbers() -> None:
    plain = (await embed({"model": "m", "input": "x"})).json["data"][0]["embedding"]
    packed = (await embed({"model": "m", "input": "x", "encoding_format": "base64"})).json["data"][0]["embedding"]
    assert list(struct.unpack("<8f", base64.b64decode(packed))) == pytest.approx(plain, abs=1e-6)


async def test_an_alias_is_named_as_it_was_asked_for() -> None:
    assert (await embed({"model": "gpt-5-mini", "input": "x"})).json["model"] == "gpt-5-mini"


@pytest.mark.parametrize(
    ("change", "code", "param"),
    [
        ({"input": ""}, "invalid_value", "input"),
        ({"input": []}, "array_below_min_length", "input"),
        ({"input": ["a", ""]}, "invalid_value", "input"),
        ({"input": [[1], []]}, "invalid_value", "input"),
        ({"input": ["a", 1]}, "invalid_type", "input"),
        ({"input": ["a", [1]]}, "invalid_type", "input"),
        ({"input": [1.5]}, "invalid_type", "input[0]"),
        ({"input": [True]}, "invalid_type", "input[0]"),
        ({"input": [-1]}, "invalid_value", "input"),
        ({"input": {"a": 1}}, "invalid_type", "input"),
        ({"input": None}, "invalid_type", "input"),
        ({"input": ["x"] * (MOST_TEXTS + 1)}, "array_above_max_length", "input"),
        ({"model": 5}, "invalid_type", "model"),
        ({"encoding_format": "hex"}, "invalid_value", "encoding_format"),
        ({"dimensions": 0}, "integer_below_min_value", "dimensions"),
        ({"dimensions": 4}, "unsupported_value", "dimensions"),
        ({"surprise": 1}, "unsupported_parameter", "surprise"),
    ],
)
async def test_what_cannot_be_embedded_is_named(change: dict[str, Any], code: str, param: str) -> None:
    answer = await embed({"model": "m", "input": "x"} | change)
    assert (answer.status, answer.error["code"], answer.error["param"]) == (400, code, param), answer.error


async def test_equal_dimensions_are_fine() -> None:
    assert (await embed({"model": "m", "input": "x", "dimensions": 8})).status == 200


async def test_an_unknown_model_is_a_404() -> None:
    answer = await embed({"model": "nope", "input": "x"})
    assert (answer.status, answer.error["code"]) == (404, "model_not_found")


async def test_a_model_that_cannot_says_so() -> None:
    answer = await embed({"model": "m", "input": "x"}, Scripted())
    assert (answer.status, answer.error["code"], answer.error["param"]) == (400, "model_not_supported", "model")
    assert "no embeddings" in answer.error["message"]


async def test_a_text_that_is_too_long_is_the_inputs_fault() -> None:
    class Short(EmbeddingScripted):
        async def embed(self, texts: Any) -> Any:
            raise ContextTooLong("A text has 9 tokens; `m` takes 8.")

    answer = await embed({"model": "m", "input": "long"}, Short())
    assert answer.status == 400
    error = answer.json["error"]
    assert (error["param"], error["code"]) == ("input", "context_length_exceeded")

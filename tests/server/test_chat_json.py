"""What is no chat body at all: bytes that are no JSON, no object, or one that says a thing twice."""

from __future__ import annotations

import pytest

from seatrial.server.errors import Failure
from seatrial.server.wire.chat import decode_chat


@pytest.mark.parametrize(
    ("body", "word"),
    [
        (b"", "empty"),
        (b"  \n", "empty"),
        (b"{", "truncated"),
        (b'{"model": "m",}', "not valid JSON"),
        (b'{"model":"m","messages":[{"role":"user","content":"x"}]} {}', "trailing"),
        (b'{"model":"\xff"}', "UTF-8"),
        (b"\xff\xfe{\x00}\x00", "UTF-8"),
        (b'{"model":"a\x00b"}', "NUL"),
        (b'{"model":"m","messages":[{"role":"user","content":"\\ud83d"}]}', "surrogate"),
        (b'{"model":NaN}', "not valid JSON"),
        (b'{"model":"m","prediction":{"a":' + b"[" * 100_000, "nested"),
        (b'{"model":"m","prediction":{"a":' + b'{"a":' * 2_000 + b"1" + b"}" * 2_002, "nested"),
    ],
)
def test_bodies_that_are_no_json_are_refused_in_plain_words(body: bytes, word: str):
    with pytest.raises(Failure) as caught:
        decode_chat(body)
    assert (caught.value.status, caught.value.code) == (400, "invalid_json")
    assert word in caught.value.message


@pytest.mark.parametrize("body", [b"[]", b"3", b"null", b'"x"', b"true"])
def test_a_body_must_be_an_object(body: bytes):
    with pytest.raises(Failure, match="must be an object") as caught:
        decode_chat(body)
    assert caught.value.code == "invalid_type"


@pytest.mark.parametrize(
    "body",
    [
        b'{"model":"m","messages":[{"role":"user","content":"x"}],"model":"n"}',
        b'{"model":"m","messages":[{"role":"user","content":"x","content":"y"}]}',
        b'{"model":"m","messages":[{"role":"user","content":"x"}],"metadata":{"a":"1","\\u0061":"2"}}',
    ],
)
def test_a_key_that_stands_twice_is_refused(body: bytes):
    with pytest.raises(Failure, match="twice") as caught:
        decode_chat(body)
    assert (caught.value.status, caught.value.code) == (400, "duplicate_parameter")

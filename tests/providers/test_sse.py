"""The event stream: whatever way the network cuts it, the same events."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seatrial.errors import BadReply
from seatrial.providers.sse import ReplyFrames, SSEParser

LINES = st.lists(
    st.sampled_from(
        [b"data: {}", b"data:x", b"data", b"data:  two", b": ping", b"event: e", b"id: 1", b"", "data: é😀".encode()]
    ),
    max_size=20,
)
ENDS = st.sampled_from([b"\n", b"\r\n", b"\r"])


def parse(pieces: list[bytes], parser: SSEParser | None = None) -> list[bytes]:
    parser = parser or SSEParser()
    events = [data for piece in pieces for data in parser.feed(piece)]
    return events + parser.end()


@st.composite
def cut_streams(draw: st.DrawFn) -> tuple[bytes, list[bytes]]:
    lines = draw(LINES)
    stream = b"".join(line + draw(ENDS) for line in lines) + draw(st.sampled_from([b"", b"data: open"]))
    cuts = sorted(draw(st.lists(st.integers(0, len(stream)), max_size=12)))
    edges = [0, *cuts, len(stream)]
    return stream, [stream[a:b] for a, b in itertools.pairwise(edges)]


@settings(deadline=None)
@given(cut_streams())
def test_any_chunking_gives_the_same_events(case: tuple[bytes, list[bytes]]) -> None:
    stream, pieces = case
    assert parse(pieces) == parse([stream]) == parse([stream[i : i + 1] for i in range(len(stream))])


@settings(deadline=None)
@given(st.lists(st.binary(max_size=30), max_size=10))
def test_no_bytes_break_the_parser(pieces: list[bytes]) -> None:
    assert parse(pieces) == parse([b"".join(pieces)])


@pytest.mark.parametrize(
    ("stream", "events"),
    [
        (b"data: a\n\ndata: b\n\n", [b"a", b"b"]),
        (b"data: a\r\n\r\ndata: b\r\rdata: c\n\n", [b"a", b"b", b"c"]),
        (b"data: {\ndata: }\n\n", [b"{\n}"]),
        (b": keep-alive\n\nevent: delta\nid: 7\nretry: 10\ndata: a\n\n", [b"a"]),
        (b"data:a\ndata:  b\n\n", [b"a\n b"]),
        (b"\xef\xbb\xbfdata: a\n\n", [b"a"]),
        (b"data: a\n\ndata: open", [b"a", b"open"]),
        (b"data\n\n", [b""]),
        (b"\n\n\n", []),
        (b"database: x\n\n", []),
    ],
)
def test_the_grammar(stream: bytes, events: list[bytes]) -> None:
    assert parse([stream]) == events


@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_an_event_beyond_the_limit_is_refused_however_it_comes(size: int) -> None:
    stream = b"data: ok\n\ndata: " + b"x" * 200 + b"\n\n"
    with pytest.raises(BadReply, match="larger than 100 bytes"):
        parse([stream[start : start + size] for start in range(0, len(stream), size)], SSEParser(100))


def test_many_small_data_lines_count_towards_the_limit() -> None:
    with pytest.raises(BadReply):
        parse([b"data: x\n"] * 50, SSEParser(100))


def test_comments_between_events_do_not_add_up() -> None:
    parser = SSEParser(max_event_bytes=100)
    for _ in range(100):
        parser.feed(b": keep-alive\n")
    assert parser.feed(b"data: a\n\n") == [b"a"]


@settings(deadline=None)
@given(st.integers(1, 40))
def test_a_plain_reply_comes_whole(size: int) -> None:
    body = b' \n{"choices": [{"message": {"content": "data: x"}}]}\n'
    frames = ReplyFrames(1000)
    for start in range(0, len(body), size):
        assert frames.feed(body[start : start + size]) == []
    assert frames.end() == [body]
    assert frames.is_plain


def test_a_web_page_is_refused() -> None:
    with pytest.raises(BadReply, match="web page"):
        ReplyFrames(1000).feed(b"\n<!DOCTYPE html><html>")


def test_a_plain_reply_has_a_limit_too() -> None:
    frames = ReplyFrames(10)
    with pytest.raises(BadReply, match="10 bytes"):
        frames.feed(b'{"a": "0123456789"}')

"""Server-sent events, or one plain JSON text in their place, read as bytes arrive.

Owns the event-stream grammar (WHATWG HTML Living Standard, §9.2 "Server-sent events"): CR, LF and CRLF lines, comments,
data over several lines, a leading byte order mark. Bytes go in as the network cuts them; the data of each complete
event comes out, still as bytes, so that a UTF-8 sequence split between reads is whole when it is decoded.
"""

from __future__ import annotations

from seatrial.errors import BadReply

MAX_EVENT_BYTES = 8 * 1024 * 1024
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class ReplyFrames:
    """The JSON texts of a reply, streamed or not. How a reply opens decides which it is: servers mislabel both."""

    def __init__(self, max_event_bytes: int = MAX_EVENT_BYTES) -> None:
        self.is_plain = False
        self._parser: SSEParser | None = None
        self._max_event_bytes = max_event_bytes
        self._body = bytearray()

    def feed(self, chunk: bytes) -> list[bytes]:
        """The texts that `chunk` completes. Raises BadReply for a web page, or where one text is too large."""
        if self._parser is not None:
            return self._parser.feed(chunk)
        self._body += chunk
        if len(self._body) > self._max_event_bytes:
            raise BadReply(f"It is larger than {self._max_event_bytes:,} bytes.")
        opening = b"{" if self.is_plain else bytes(self._body).lstrip()[:1]
        if opening == b"<":
            raise BadReply("It is a web page. Does the address end in `/v1`?")
        self.is_plain = opening == b"{"
        if self.is_plain or not opening:
            return []
        self._parser = SSEParser(self._max_event_bytes)
        return self._parser.feed(bytes(self._body))

    def end(self) -> list[bytes]:
        """What the reply's end completes."""
        if self._parser is not None:
            return self._parser.end()
        return [bytes(self._body)] if self.is_plain else []


class SSEParser:
    """One stream's parser. Only `data` matters here: the names, ids and retry times of events are read past."""

    __slots__ = ("_after_cr", "_at_start", "_data", "_data_size", "_line", "_line_size", "_max_event_bytes")

    def __init__(self, max_event_bytes: int = MAX_EVENT_BYTES) -> None:
        self._max_event_bytes = max_event_bytes
        self._line: list[bytes] = []
        self._data: list[bytes] = []
        self._data_size = 0
        self._line_size = 0
        self._after_cr = False
        self._at_start = True

    def feed(self, chunk: bytes) -> list[bytes]:
        """The data of every event that `chunk` completes, in order.

        Raises BadReply where one event is larger than the limit.
        """
        if self._after_cr and chunk:
            self._after_cr = False
            if chunk[0] == 0x0A:
                chunk = chunk[1:]
        if b"\r" in chunk:
            self._after_cr = chunk[-1] == 0x0D
            chunk = chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        *complete, rest = chunk.split(b"\n")
        events: list[bytes] = []
        for line in complete:
            if self._line:
                self._line.append(line)
                line = b"".join(self._line)
                self._line.clear()
                self._line_size = 0
            self._take_line(line, events)
        if rest:
            self._line.append(rest)
            self._line_size += len(rest)
            self._check(self._line_size)
        return events

    def end(self) -> list[bytes]:
        """The event that the stream's end leaves open, if any: some servers leave out its closing blank line."""
        return self.feed(b"\n\n") if self._line or self._data else []

    def _take_line(self, line: bytes, events: list[bytes]) -> None:
        self._check(len(line))
        if self._at_start:
            self._at_start = False
            line = line.removeprefix(_BYTE_ORDER_MARK)
        if line.startswith(b"data:"):
            self._data.append(line[6:] if line[5:6] == b" " else line[5:])
            self._data_size += len(line)
        elif not line:
            if self._data:
                events.append(self._data[0] if len(self._data) == 1 else b"\n".join(self._data))
                self._data.clear()
                self._data_size = 0
        elif line == b"data":
            self._data.append(b"")

    def _check(self, num_more: int) -> None:
        if self._data_size + num_more > self._max_event_bytes:
            raise BadReply(f"One event of the stream is larger than {self._max_event_bytes:,} bytes.")

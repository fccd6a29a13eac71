"""What the document says of one method of one path."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Method = Literal["GET", "POST", "DELETE"]

JSON = "application/json"
MODEL = "{model}"


@dataclass(frozen=True, slots=True)
class Parameter:
    """A value in the path or the query. `example` stands in its place in examples."""

    name: str
    place: Literal["path", "query"]
    words: str
    schema: Mapping[str, Any]
    example: str | int | bool | Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Operation:
    """A method of a path, in the words of the document.

    `body`, `reply` and `event` are types: of what is read, of what is answered, and of one event where it is streamed.
    Without them the answer is text of `media_type`. `example` is a body, `python` a call of the OpenAI SDK; `{model}`
    in them stands for the example's model. `stream_end` is the data of a stream's last event, where that is no JSON.
    """

    id: str
    method: Method
    path: str
    group: str
    title: str
    words: str
    failures: tuple[int | str, ...]
    body: Any = None
    reply: Any = None
    event: Any = None
    stream_end: str = ""
    media_type: str = JSON
    parameters: tuple[Parameter, ...] = ()
    example: Mapping[str, Any] | None = None
    python: str = ""
    is_open: bool = False

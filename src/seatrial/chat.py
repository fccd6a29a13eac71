"""The neutral vocabulary of a request: what every provider takes and every provider yields.

A `ChatRequest` goes down to a provider; `ChatEvent`s come back, one `Finished` last. No wire format lives here:
`providers` and `server` translate.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from seatrial.errors import UsageError

Role = Literal["system", "user", "assistant", "tool"]
FinishReason = Literal["stop", "length", "tool_calls", "content_filter"]
ReasoningEffort = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]
ToolChoice = Literal["auto", "none", "required"]
Detail = Literal["auto", "low", "high"]


@dataclass(frozen=True, slots=True)
class TextPart:
    """A run of text."""

    text: str


@dataclass(frozen=True, slots=True)
class ImagePart:
    """An encoded picture (`data`, with its media type such as `image/png`), and how closely to look at it.

    `low` is once and small, for few tokens; `high` in tiles too, and so is `auto`. Raises UsageError for another word.
    """

    data: bytes
    media_type: str
    detail: Detail = "auto"

    def __post_init__(self) -> None:
        if self.detail not in get_args(Detail):
            raise UsageError(
                f'`detail` is {str(self.detail)[:40]!r}; how closely to look at a picture is "auto", "low" or "high".',
                field="detail",
            )


@dataclass(frozen=True, slots=True)
class VideoPart:
    """A video file, read where it lies: frames of it are looked at, with their times."""

    path: Path


Part = TextPart | ImagePart | VideoPart


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A function call made by the assistant. `arguments` is the JSON text as the model wrote it."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Tool:
    """A function the model may call. `parameters` is a JSON schema, which `strict` calls hold to exactly."""

    name: str
    description: str
    parameters: Mapping[str, Any]
    strict: bool = False


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation."""

    role: Role
    parts: tuple[Part, ...]
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str | None = None

    @property
    def text(self) -> str:
        """The text parts, joined."""
        return "".join(part.text for part in self.parts if isinstance(part, TextPart))


def message(role: Role, text: str) -> Message:
    """A message of plain text."""
    return Message(role, (TextPart(text),))


@dataclass(frozen=True, slots=True)
class Sampling:
    """How the next token is chosen. `None` leaves the provider's own default; temperature 0 is greedy.

    `logit_bias` is added to the scores of token ids; `ignore_eos` goes on where the model would end.
    """

    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    min_p: float | None = None
    seed: int | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    repetition_penalty: float | None = None
    logit_bias: Mapping[int, float] = field(default_factory=dict)
    ignore_eos: bool = False


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """One question to a provider: a conversation, or a `prompt` (text or token ids) to continue as it stands.

    `max_tokens` bounds the answer, reasoning included; `num_logprobs` asks for the log-probability of each token and,
    above 0, of that many best ones.

    `json_schema` asks for an answer of that schema, `json_object` for any JSON object. Of `tools` the model may call
    one or several (`parallel_tool_calls`), none, must call one (`required`), or must call `named_tool`.

    `thinking` switches a dual-mode model's reasoning on or off, `None` leaves its default; `thinking_tokens` ends it
    after so many. `reasoning_effort` says the same in one word to providers that take it. `template_variables` go to
    the chat template of a local model as they are.
    """

    messages: tuple[Message, ...]
    prompt: str | tuple[int, ...] | None = None
    max_tokens: int | None = None
    sampling: Sampling = Sampling()
    stop: tuple[str, ...] = ()
    num_logprobs: int | None = None
    json_schema: Mapping[str, Any] | None = None
    json_object: bool = False
    tools: tuple[Tool, ...] = ()
    tool_choice: ToolChoice = "auto"
    named_tool: str | None = None
    parallel_tool_calls: bool = True
    thinking: bool | None = None
    thinking_tokens: int | None = None
    reasoning_effort: ReasoningEffort | None = None
    template_variables: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens as the provider counts them: `cached_tokens` of the prompt's, `reasoning_tokens` of the completion's."""

    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int = 0
    reasoning_tokens: int = 0


@dataclass(frozen=True, slots=True)
class TokenScore:
    """A token, its bytes, and its natural-log probability. `top` are the best ones at its place, best first."""

    text: str
    bytes: bytes
    logprob: float
    top: tuple[TokenScore, ...] = ()


@dataclass(frozen=True, slots=True)
class TextDelta:
    """A piece of the answer. `scores` of its tokens come where they were asked for, each token's once."""

    text: str
    scores: tuple[TokenScore, ...] = ()


@dataclass(frozen=True, slots=True)
class ReasoningDelta:
    """A piece of the model's reasoning; not part of the answer."""

    text: str


@dataclass(frozen=True, slots=True)
class ToolCallDelta:
    """A piece of a tool call. `id` and `name` come with the first piece of each `index`, `arguments` in fragments."""

    index: int
    id: str | None = None
    name: str | None = None
    arguments: str = ""


@dataclass(frozen=True, slots=True)
class Finished:
    """The last event. `usage` is None where the provider told none; `num_attempts` counts retries in."""

    reason: FinishReason
    usage: Usage | None = None
    num_attempts: int = 1


ChatEvent = TextDelta | ReasoningDelta | ToolCallDelta | Finished
ChatStream = AsyncIterator[ChatEvent]


@dataclass(slots=True)
class Reply:
    """A stream, gathered."""

    text: str = ""
    reasoning: str = ""
    tool_calls: dict[int, ToolCall] = field(default_factory=dict)
    finished: Finished | None = None


async def gather(stream: ChatStream) -> Reply:
    """Read a stream to its end."""
    reply = Reply()
    async for event in stream:
        match event:
            case TextDelta(text):
                reply.text += text
            case ReasoningDelta(text):
                reply.reasoning += text
            case ToolCallDelta(index, id, name, arguments):
                call = reply.tool_calls.get(index, ToolCall("", "", ""))
                reply.tool_calls[index] = ToolCall(id or call.id, name or call.name, call.arguments + arguments)
            case Finished():
                reply.finished = event
    return reply

"""A chat request as the prompt of a local model.

In: a `ChatRequest`. Out: token ids, and whether the answer begins with reasoning. A conversation goes through the chat
template, a plain prompt is continued as it stands.
"""

from __future__ import annotations

import json
from typing import Literal, NamedTuple

from seatrial.chat import ChatRequest, ImagePart, ReasoningEffort, Tool
from seatrial.engine.model import Model
from seatrial.errors import UsageError

# Reasoning tokens that each effort allows. None: no limit of its own.
BUDGETS: dict[ReasoningEffort, int | None] = {
    "minimal": 256,
    "low": 1_024,
    "medium": 4_096,
    "high": 16_384,
    "xhigh": 32_768,
    "max": None,
}


class LocalPrompt(NamedTuple):
    """What the engine reads, and what to expect of the answer.

    `reasons`: the model may think first. `reasoning`: the prompt itself ended inside a `<think>` (`open`), or behind
    an empty one (`closed`), or left it to the model.
    """

    token_ids: list[int]
    reasons: bool = False
    reasoning: Literal["open", "closed", "free"] = "free"


def prompt_of(request: ChatRequest, model: Model) -> LocalPrompt:
    """Render and encode. Raises UsageError for what the model or its template cannot take."""
    if request.prompt is not None:
        return LocalPrompt(model.prompt_ids(request.prompt))
    if any(isinstance(part, ImagePart) for message in request.messages for part in message.parts):
        reason = "The model reads text only; the request holds an image. Ask a model with vision."
        raise UsageError(reason, field="messages")
    template = model.chat_template
    text = template.render(
        request.messages,
        tools=offered_tools(request),
        thinking=_thinking(request, reasons=template.reasons),
        variables=_checked_variables(request),
    )
    opened, closed = text.rfind("<think>"), text.rfind("</think>")
    reasoning: Literal["open", "closed", "free"] = "free"
    if opened > closed and not text[opened + len("<think>") :].strip():
        reasoning = "open"
    elif closed > opened >= 0 and not text[closed + len("</think>") :].strip():
        reasoning = "closed"
    return LocalPrompt(model.tokenizer.encode(text), template.reasons, reasoning)


def num_characters(request: ChatRequest) -> int:
    """About how much there is to encode."""
    if request.prompt is not None:
        return len(request.prompt)
    return sum(len(message.text) for message in request.messages)


def offered_tools(request: ChatRequest) -> tuple[Tool, ...]:
    """The tools that the model hears of."""
    return () if request.tool_choice == "none" or request.prompt is not None else request.tools


def thinking_budget(request: ChatRequest) -> int | None:
    """After how many tokens reasoning is ended."""
    if request.thinking_tokens is not None:
        return request.thinking_tokens
    return BUDGETS.get(request.reasoning_effort) if request.reasoning_effort else None


def _thinking(request: ChatRequest, *, reasons: bool) -> bool | None:
    """The template's switch: as said, or as the effort says where the model can think at all."""
    if request.thinking is not None:
        return request.thinking
    if request.thinking_tokens == 0:
        return False
    return None if request.reasoning_effort is None or not reasons else request.reasoning_effort != "none"


def _checked_variables(request: ChatRequest) -> dict[str, object]:
    variables = dict(request.template_variables)
    try:
        json.dumps(variables)
    except (TypeError, ValueError, RecursionError) as error:
        reason = f"`template_variables` must be values of JSON: {error}."
        raise UsageError(reason, field="template_variables") from error
    return variables

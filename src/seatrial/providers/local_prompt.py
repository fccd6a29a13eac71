"""A chat request as the prompt of a local model.

In: a `ChatRequest`. Out: token ids, and whether the answer begins with reasoning. A conversation goes through the chat
template, a plain prompt is continued as it stands. Pictures and videos become what stands for them, as their files'
heads say; `pictures_of` prepares them.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal, NamedTuple

from seatrial.chat import ChatRequest, ImagePart, ReasoningEffort, Tool, VideoPart
from seatrial.engine.model import Model
from seatrial.engine.picture_prompt import PicturePrompts, PlacedPart, parts_to_see, rendered
from seatrial.errors import InputError, RequestRejected, UsageError

if TYPE_CHECKING:
    from seatrial.models.pictures import PreparedPicture

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
    an empty one (`closed`), or left it to the model. `parts` are the pictures and videos in it, in order.
    """

    token_ids: list[int]
    reasons: bool = False
    reasoning: Literal["open", "closed", "free"] = "free"
    parts: tuple[PlacedPart, ...] = ()


def prompt_of(request: ChatRequest, model: Model) -> LocalPrompt:
    """Render and encode. Of pictures and videos only the heads of the files are read.

    Raises UsageError for what the model or its template cannot take, RequestRejected naming the part for a picture that
    the model cannot look at.
    """
    if request.prompt is not None:
        return LocalPrompt(model.prompt_ids(request.prompt))
    parts = tuple(parts_to_see(request.messages))
    template = model.chat_template
    _check_parts(parts, model)
    tools, variables = offered_tools(request), _checked_variables(request)
    thinking = _thinking(request, reasons=template.reasons)
    prompt = rendered(
        lambda marks: template.render(
            request.messages, tools=tools, thinking=thinking, variables=variables, marks=marks
        ),
        parts,
    )
    text = prompt.text
    opened, closed = text.rfind("<think>"), text.rfind("</think>")
    reasoning: Literal["open", "closed", "free"] = "free"
    if opened > closed and not text[opened + len("<think>") :].strip():
        reasoning = "open"
    elif closed > opened >= 0 and not text[closed + len("</think>") :].strip():
        reasoning = "closed"
    eyes = model.picture_prompts
    ids = model.tokenizer.encode(text) if eyes is None else eyes.encode(prompt, parts)
    return LocalPrompt(ids, template.reasons, reasoning, parts)


def num_pixels_of(prompt: LocalPrompt, model: Model) -> int:
    """Pixels that preparing the pictures of a prompt holds in memory, as their files' heads say.

    Raises ContextTooLong where the prompt does not fit, RequestRejected for a file that is no longer what it was.
    """
    eyes = model.eyes
    with refused_parts(None, None):
        eyes.check_room(len(prompt.token_ids), prompt.parts, model.engine.limits.context_length)
        return eyes.num_pixels(prompt.parts)


def pictures_of(prompt: LocalPrompt, model: Model, stop: threading.Event) -> tuple[PreparedPicture, ...]:
    """The pictures of a prompt, prepared for the engine: decoded, resized, cut into tiles.

    Raises RequestRejected for damaged ones, Stopped once `stop` is set.
    """
    pictures: list[PreparedPicture] = []
    for placed in prompt.parts:
        with refused_parts(placed.part, param_of(placed)):
            pictures += model.eyes.pictures_of(placed.part, stop)
    return tuple(pictures)


@contextmanager
def refused_parts(part: ImagePart | VideoPart | None, param: str | None) -> Iterator[None]:
    """What is wrong with the file of a picture or video, as a provider says it; `param` names the part.

    In which folder the file lies is never said: who asks may be somebody else, and failures are published. Its name is,
    where no `param` tells a video.
    """
    try:
        yield
    except InputError as error:
        what = "video" if isinstance(part, VideoPart) else "image"
        code = f"{what}_too_large" if error.field == "pixels" else f"invalid_{what}"
        name = f"{part.path.name}: " if isinstance(part, VideoPart) and param is None else ""
        raise RequestRejected(name + error.reason, param=param, code=code) from error


def param_of(placed: PlacedPart) -> str:
    """A part of a request, as the OpenAI API names it."""
    return f"messages[{placed.message}].content[{placed.place}]"


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


def eyes_of(model: Model, param: str | None) -> PicturePrompts:
    """What makes prompts of pictures. Raises RequestRejected for a model of text alone; `param` names the picture."""
    try:
        return model.eyes
    except UsageError as error:
        raise RequestRejected(str(error), param=param) from error


def _check_parts(parts: tuple[PlacedPart, ...], model: Model) -> None:
    """Raises RequestRejected for pictures that the model cannot look at, naming the first."""
    for placed in parts:
        eyes = eyes_of(model, param_of(placed))
        with refused_parts(placed.part, param_of(placed)):
            eyes.text_of(placed.part)


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

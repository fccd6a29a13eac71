"""Tools in a chat body: what may be called, and what must be."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, NamedTuple

from msgspec import Meta, Struct

from seatrial.chat import Tool, ToolChoice
from seatrial.server.errors import bad_request
from seatrial.server.wire.decoding import check_depth

MOST_TOOLS = 128
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


class Function(Struct, forbid_unknown_fields=True):
    """A function. `parameters` is a JSON schema; with `strict` the arguments must hold to it exactly."""

    name: str
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class FunctionTool(Struct, tag_field="type", tag="function", forbid_unknown_fields=True):
    """The one kind of tool that is offered."""

    function: Function


class FunctionName(Struct, forbid_unknown_fields=True):
    """Which function."""

    name: str


class NamedTool(Struct, tag_field="type", tag="function", forbid_unknown_fields=True):
    """The tool that must be called."""

    function: FunctionName


Tools = Annotated[list[FunctionTool], Meta(max_length=MOST_TOOLS)]
WireToolChoice = Literal["none", "auto", "required"] | NamedTool


class Offer(NamedTuple):
    """Tools, and whether one must be called."""

    tools: tuple[Tool, ...]
    choice: ToolChoice = "auto"
    named: str | None = None


NO_TOOLS = Offer(())


def offer_of(tools: list[FunctionTool] | None, choice: WireToolChoice | None) -> Offer:
    """Raises Failure for names that cannot be, that stand twice, and for a choice among tools that are not there."""
    if not tools:
        if choice is None or choice in ("none", "auto"):
            return NO_TOOLS
        raise bad_request(
            "'tool_choice' asks for a call, and there are no 'tools' to call. Send them.",
            param="tool_choice",
            code="invalid_value",
        )
    offered: dict[str, Tool] = {}
    for at, tool in enumerate(tools):
        function = tool.function
        param = f"tools[{at}].function.name"
        check_name(function.name, param)
        if function.name in offered:
            raise bad_request(
                f"'{param}' is '{function.name}', as an earlier tool's.", param=param, code="invalid_value"
            )
        check_depth(function.parameters, f"tools[{at}].function.parameters")
        parameters = {"type": "object", "properties": {}} if function.parameters is None else function.parameters
        offered[function.name] = Tool(function.name, function.description or "", parameters, function.strict or False)
    if isinstance(choice, NamedTool):
        name = choice.function.name
        if name not in offered:
            raise bad_request(
                f"'tool_choice' names '{name[:100]}', which is not among 'tools'.",
                param="tool_choice",
                code="invalid_value",
            )
        return Offer(tuple(offered.values()), "required", name)
    return Offer(tuple(offered.values()), choice or "auto")


def check_name(name: str, param: str) -> None:
    """Raises Failure for what cannot name a function or a schema."""
    if not _NAME.fullmatch(name):
        raise bad_request(
            f"'{param}' is '{name[:100]}'; it must have 1 to 64 letters, digits, underscores or hyphens.",
            param=param,
            code="invalid_value",
        )

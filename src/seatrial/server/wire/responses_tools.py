"""Tools as the responses API writes them: flat, functions alone; and which of them may or must be called."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from seatrial.chat import Tool
from seatrial.server.errors import Failure, bad_request, unsupported
from seatrial.server.wire.decoding import BodyDecoder
from seatrial.server.wire.tools import MOST_TOOLS, NO_TOOLS, Offer, check_name


class FlatFunction(Struct, forbid_unknown_fields=True):
    """A function. `parameters` is a JSON schema; with `strict` the arguments must hold to it exactly."""

    type: Literal["function"]
    name: str
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None
    defer_loading: bool | None = None
    allowed_callers: list[str] | None = None
    output_schema: dict[str, Any] | None = None


class ChosenFunction(Struct, tag_field="type", tag="function", forbid_unknown_fields=True):
    """The function that must be called."""

    name: str


class AllowedTools(Struct, tag_field="type", tag="allowed_tools", forbid_unknown_fields=True):
    """Of all tools, those that may be called now."""

    mode: Literal["auto", "required"]
    tools: list[dict[str, Any]]


WireTools = Annotated[list[dict[str, Any]], Meta(max_length=MOST_TOOLS)]
WireToolChoice = Literal["none", "auto", "required"] | ChosenFunction | AllowedTools


class _Functions(Struct):
    tools: list[FlatFunction]


_decoder = BodyDecoder(_Functions)


def functions_of(tools: list[dict[str, Any]] | None) -> list[FlatFunction]:
    """The functions among which the model may choose. Raises Failure for tools of any other kind."""
    if not tools:
        return []
    for at, tool in enumerate(tools):
        kind = tool.get("type")
        if isinstance(kind, str) and kind != "function":
            raise unsupported(
                f"tools[{at}].type",
                f"Tools of type '{kind[:60]}' do not run here: send functions, and call them yourself.",
            )
    functions = _decoder.decode(msgspec.json.encode({"tools": tools})).tools
    for at, function in enumerate(functions):
        _check(function, at)
    return functions


def _check(function: FlatFunction, at: int) -> None:
    check_name(function.name, f"tools[{at}].name")
    if function.defer_loading:
        raise unsupported(f"tools[{at}].defer_loading", "Every tool is shown to the model at once.")
    if function.allowed_callers and "direct" not in function.allowed_callers:
        raise unsupported(f"tools[{at}].allowed_callers", "Functions are called by the model alone: 'direct'.")
    if function.output_schema is not None:
        raise unsupported(f"tools[{at}].output_schema", "A function's result is read as it comes; leave it out.")


def offer_of(functions: list[FlatFunction], choice: WireToolChoice | None) -> Offer:
    """Raises Failure for names that stand twice, and for a choice among tools that are not there."""
    if not functions:
        if choice is None or choice in ("none", "auto"):
            return NO_TOOLS
        raise _bad_choice("'tool_choice' asks for a call, and there are no 'tools' to call. Send them.")
    offered: dict[str, Tool] = {}
    for at, function in enumerate(functions):
        if function.name in offered:
            param = f"tools[{at}].name"
            raise bad_request(
                f"'{param}' is '{function.name}', as an earlier tool's.", param=param, code="invalid_value"
            )
        parameters = {"type": "object", "properties": {}} if function.parameters is None else function.parameters
        offered[function.name] = Tool(function.name, function.description or "", parameters, function.strict or False)
    match choice:
        case ChosenFunction(name):
            _only([name], offered)
            return Offer(tuple(offered.values()), "required", name)
        case AllowedTools(mode, tools):
            names = [str(tool.get("name")) for tool in tools]
            if not names:
                raise _bad_choice("'tool_choice' allows no tool at all. Name some, or say 'none'.")
            return Offer(_only(names, offered), mode)
        case _:
            return Offer(tuple(offered.values()), choice or "auto")


def _only(names: list[str], offered: dict[str, Tool]) -> tuple[Tool, ...]:
    for name in names:
        if name not in offered:
            raise _bad_choice(f"'tool_choice' names '{name[:100]}', which is not among 'tools'.")
    return tuple([tool for tool in offered.values() if tool.name in names])


def _bad_choice(message: str) -> Failure:
    return bad_request(message, param="tool_choice", code="invalid_value")

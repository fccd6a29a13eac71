"""Tool calls as a grammar for llguidance: `<tool_call>`, a JSON object with name and arguments, `</tool_call>`.

In: a `Constraint` of kind `tools`, made by `tools_constraint`, and how this vocabulary spells the two tags. Out: the
grammar's text. Two shapes: an answer that is nothing but calls, or one in which text and calls alternate and a call,
once begun, is held to. Torch-free.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from llguidance import LLMatcher

from seatrial.engine.constraint import MOST_CHARACTERS, grammar_of_schema
from seatrial.engine.request import Constraint
from seatrial.errors import UsageError

OPENING, CLOSING = "<tool_call>", "</tool_call>"
MOST_TOOLS = 128
_NAMES_NOTHING = {"type", "properties", "required", "title", "description", "$schema"}


class HeldTool(NamedTuple):
    """A tool as calls are held to it. `strict`: a schema that cannot be followed is refused, not loosened."""

    name: str
    parameters: Mapping[str, Any]
    strict: bool = False


def tools_constraint(
    tools: Sequence[HeldTool], *, must_call: bool, parallel: bool = True, content: Mapping[str, Any] | None = None
) -> Constraint:
    """An answer of calls alone (`must_call`), or of text in which calls may stand; one call unless `parallel`.

    `content` is the JSON schema of an answer that calls nothing, where it is not free text.
    """
    tools_value = [[tool.name, dict(tool.parameters), tool.strict] for tool in tools]
    value = {"tools": tools_value, "must_call": must_call, "parallel": parallel, "content": content}
    return Constraint("tools", json.dumps(value))


def tool_grammar_of(value: str, spelled: Callable[[str], str]) -> str:
    """The grammar of a constraint's value. `spelled` writes a tag as Lark does in this vocabulary.

    Raises UsageError where the tools are none or too many, or where a strict one's schema cannot be followed.
    """
    asked = json.loads(value)
    tools = [HeldTool(*each) for each in asked["tools"]]
    if not 1 <= len(tools) <= MOST_TOOLS:
        raise UsageError(f"The request holds {len(tools)} tools; calls can be held to 1 to {MOST_TOOLS}.")
    if len(value) > 4 * MOST_CHARACTERS:
        raise UsageError(f"The tools have {len(value):,} characters; calls can be held to {4 * MOST_CHARACTERS:,}.")
    grammars = [_named(f"arguments{at}", _arguments_of(tool)) for at, tool in enumerate(tools)]
    if asked["content"] is not None:
        grammars.append(_named("content", _content_of(asked["content"])))
    rules = [_start_of(asked, spelled(OPENING)), f"body: ({' | '.join(_calls_of(tools))}) {spelled(CLOSING)}"]
    return json.dumps({"grammars": [{"name": "reply", "lark_grammar": "\n".join(rules)}, *grammars]})


def _content_of(schema: Any) -> str:
    try:
        return _checked_grammar(schema)
    except UsageError as error:
        error.field = "json_schema"
        raise


def _arguments_of(tool: HeldTool) -> str:
    """The grammar of its arguments: an object in any case, and an empty one where the tool has none."""
    parameters: Any = dict(tool.parameters)
    parameters.setdefault("type", "object")
    if not tool.parameters or (parameters.get("properties") == {} and _NAMES_NOTHING.issuperset(parameters)):
        parameters = {"type": "object", "properties": {}, "additionalProperties": False}
    try:
        if parameters["type"] != "object":
            raise UsageError(f"They are of the type {json.dumps(parameters['type'])[:40]}; it must be `object`.")
        if len(json.dumps(parameters)) > MOST_CHARACTERS:
            raise UsageError(f"They have more than {MOST_CHARACTERS:,} characters. Shorten them.")
        return _checked_grammar(parameters)
    except UsageError as error:
        if tool.strict:
            raise UsageError(f"The parameters of the tool `{tool.name}` cannot be held to. {error}") from error
        return grammar_of_schema({"type": "object"})


def _checked_grammar(schema: Any) -> str:
    """The grammar of one schema, refused for its own faults and not for those of the whole."""
    grammar = grammar_of_schema(schema)
    reason = LLMatcher.validate_grammar(grammar)
    if reason:
        raise UsageError(f"The JSON schema cannot be followed: {reason}.")
    return grammar


def _named(name: str, grammar: str) -> dict[str, Any]:
    """What stands alone in a grammar of its own, as part of another."""
    return {"name": name, "json_schema": json.loads(grammar)["grammars"][0]["json_schema"]}


def _calls_of(tools: Sequence[HeldTool]) -> list[str]:
    """For each tool the line of its call, between the tags."""
    heads = (f'\n{{"name": {json.dumps(tool.name, ensure_ascii=False)}, "arguments": ' for tool in tools)
    return [f"{_literal(head)} @arguments{at} {_literal('}' + chr(10))}" for at, head in enumerate(heads)]


def _start_of(asked: Mapping[str, Any], opening: str) -> str:
    """The rules around `body`, a call without its opening tag. Where one call is asked for, it is the last word.

    Where the tag is a token, text cannot hold it. Where it is spelled out, text before a call ends at its first tag.
    """
    more = f"({_literal(chr(10))} call)*" if asked["parallel"] else ""
    calls = f"call {more}\ncall: {opening} body"
    if asked["must_call"]:
        return f"start: {calls}"
    if asked["content"] is not None:
        return f"start: @content | calls\ncalls: {calls}"
    start = "(head_and_call)* tail" if asked["parallel"] else "head_and_call | tail"
    head = "head[lazy]: TEXT" if opening.startswith('"') else "head: TEXT"
    return f"start: {start}\nhead_and_call: head body\n{head} {opening}\ntail: TEXT\nTEXT: /(?s:.*)/"


def _literal(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)

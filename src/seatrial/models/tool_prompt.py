"""Tools in a prompt whose chat template has no place for them: told in the system message, results given by the user.

In: a conversation and its tools. Out: the conversation with both as plain text, in the form that SmolLM3's own template
and the Hermes models use: `<tools>` around one signature a line, `<tool_call>` around a call, `<tool_response>` around
a result. Torch-free.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from seatrial.chat import Message, Tool, message


def told_in_system(messages: Sequence[Message], tools: Sequence[Tool]) -> list[Message]:
    """The conversation with its tools at the end of its system message, which is made where there is none."""
    listed = "\n".join(json.dumps(signature(tool), ensure_ascii=False) for tool in tools)
    told = (
        f"You can call functions. These are their signatures:\n<tools>\n{listed}\n</tools>\n\n"
        "To call one, write its name and its arguments as a JSON object between two tags, once for each call:\n"
        '<tool_call>\n{"name": "the function", "arguments": {"an argument": "its value"}}\n</tool_call>\n'
        "Its result comes back between <tool_response> and </tool_response>."
    )
    if messages and messages[0].role == "system":
        first = messages[0]
        return [message("system", f"{first.text}\n\n{told}" if first.text else told), *messages[1:]]
    return [message("system", told), *messages]


def results_from_user(messages: Sequence[Message]) -> list[Message]:
    """The conversation with the results of tools as the user's words; results in a row make one turn."""
    turned: list[Message] = []
    was_result = False
    for each in messages:
        is_result = each.role == "tool"
        if is_result:
            told = f"<tool_response>\n{each.text}\n</tool_response>"
            turned.append(message("user", f"{turned.pop().text}\n{told}" if was_result else told))
        else:
            turned.append(each)
        was_result = is_result
    return turned


def signature(tool: Tool) -> Mapping[str, Any]:
    """What a model is told of a tool."""
    return {"name": tool.name, "description": tool.description, "parameters": dict(tool.parameters)}

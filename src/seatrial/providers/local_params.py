"""A chat request as parameters of the engine: sampling, limits, and what the answer must look like.

In: a `ChatRequest` and what its prompt says of the reasoning. Out: `SamplingParams`. Where a request leaves sampling
open, the checkpoint's own defaults hold.
"""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from typing import Any

from seatrial.chat import ChatRequest
from seatrial.engine.request import Constraint, SamplingParams, Thinking
from seatrial.engine.tool_grammar import HeldTool, tools_constraint
from seatrial.errors import UsageError
from seatrial.models.checkpoint import SamplingDefaults
from seatrial.providers.local_prompt import LocalPrompt, offered_tools, thinking_budget


def params_of(
    request: ChatRequest, prompt: LocalPrompt, default: SamplingDefaults, *, rng: random.Random, most_tokens: int
) -> SamplingParams:
    """The parameters. A request without `max_tokens` gets `most_tokens`, and what its reasoning may take besides.

    Raises UsageError where a value is out of its range, naming the field.
    """
    sampling, constraint = request.sampling, _constraint_of(request)
    budget = thinking_budget(request) if prompt.reasons else None
    return SamplingParams(
        max_tokens=most_tokens + (budget or 0) if request.max_tokens is None else request.max_tokens,
        temperature=default.temperature if sampling.temperature is None else sampling.temperature,
        top_k=default.top_k if sampling.top_k is None else sampling.top_k,
        top_p=default.top_p if sampling.top_p is None else sampling.top_p,
        min_p=sampling.min_p,
        repetition_penalty=1.0 if sampling.repetition_penalty is None else sampling.repetition_penalty,
        frequency_penalty=sampling.frequency_penalty or 0.0,
        presence_penalty=sampling.presence_penalty or 0.0,
        logit_bias=sampling.logit_bias,
        seed=rng.getrandbits(63) if sampling.seed is None else sampling.seed,
        stop=request.stop,
        ignore_eos=sampling.ignore_eos,
        num_logprobs=request.num_logprobs,
        constraint=constraint,
        thinking=_thinking_of(prompt, budget, is_held=constraint is not None),
    )


def _thinking_of(prompt: LocalPrompt, budget: int | None, *, is_held: bool) -> Thinking | None:
    """None where the model cannot reason, or need not be let: its prompt says no, and what must come is known."""
    if not prompt.reasons or (prompt.reasoning == "closed" and is_held):
        return None
    return Thinking(is_open=prompt.reasoning == "open", max_tokens=budget)


def _constraint_of(request: ChatRequest) -> Constraint | None:
    """What the answer must look like: calls that are required, calls that are strict, or JSON."""
    content = _content_of(request)
    tools = [HeldTool(tool.name, tool.parameters, tool.strict) for tool in offered_tools(request)]
    if request.named_tool is not None and request.prompt is None:
        tools = [tool for tool in tools if tool.name == request.named_tool]
        if not tools:
            reason = f"`tool_choice` names `{request.named_tool}`, which is not among the `tools` offered."
            raise UsageError(reason, field="tool_choice")
        return tools_constraint(tools, must_call=True, parallel=False)
    if request.tool_choice == "required" and request.prompt is None:
        if not tools:
            raise UsageError(
                "`tool_choice` is `required` and there are no `tools`; offer at least one.", field="tool_choice"
            )
        return tools_constraint(tools, must_call=True, parallel=request.parallel_tool_calls)
    if tools and (content is not None or any(tool.strict for tool in tools)):
        return tools_constraint(tools, must_call=False, parallel=request.parallel_tool_calls, content=content)
    if request.json_schema is not None:
        return Constraint("json_schema", json.dumps(request.json_schema))
    return Constraint("json") if request.json_object else None


def _content_of(request: ChatRequest) -> Mapping[str, Any] | None:
    if request.json_schema is not None:
        return request.json_schema
    return {"type": "object"} if request.json_object else None

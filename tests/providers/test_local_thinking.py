"""Reasoning of a local model: switched, limited, told apart, and followed by what the answer must look like."""

from __future__ import annotations

import asyncio
import json
import random
from typing import Any

import pytest
from chat_models import PLAIN_TEMPLATE, TOOL_TOKENS, ask, checkpoint, random_model, scripted_model

from seatrial.chat import Reply, Sampling, Tool, gather
from seatrial.engine.model import Model
from seatrial.errors import RequestRejected
from seatrial.providers.local import LocalProvider

SCHEMA = {"type": "object", "properties": {"a": {"type": "integer", "maximum": 9}}, "required": ["a"]}
ENDLESS = "<think>\n" + "hm " * 300


async def reply_of(model: Model, **changes: Any) -> Reply:
    local = LocalProvider(model, name="tiny", rng=random.Random(0))
    try:
        return await gather(local.stream(ask(**{"max_tokens": 400, **changes})))
    finally:
        await local.close()


def counted(reply: Reply) -> tuple[str, int, int]:
    """Why it ended, tokens, and how many of them were reasoning."""
    assert reply.finished is not None
    assert reply.finished.usage is not None
    return reply.finished.reason, reply.finished.usage.completion_tokens, reply.finished.usage.reasoning_tokens


@pytest.mark.parametrize("speculate", [False, True])
async def test_a_budget_ends_the_reasoning_and_the_answer_follows(speculate: bool) -> None:
    model = scripted_model(ENDLESS, after="</think>", then="\nYes.", speculate=speculate)
    reply = await reply_of(model, thinking_tokens=10)
    assert (reply.reasoning, reply.text) == ("hm hm hm \n", "Yes.")
    # The opening tag, ten of reasoning, the forced break, tag and break, four of the answer, the stop token.
    assert counted(reply) == ("stop", 1 + 10 + 3 + 4 + 1, 12)


async def test_reasoning_that_ends_by_itself_is_left_alone() -> None:
    reply = await reply_of(scripted_model("<think>\nhm\n</think>\nYes."), thinking_tokens=100)
    assert (reply.reasoning, reply.text, counted(reply)) == ("hm\n", "Yes.", ("stop", 12, 5))


async def test_a_limit_on_the_answer_counts_reasoning_in() -> None:
    reply = await reply_of(scripted_model(ENDLESS), thinking_tokens=100, max_tokens=20)
    assert (reply.text, counted(reply)) == ("", ("length", 20, 19))


@pytest.mark.parametrize("speculate", [False, True])
@pytest.mark.parametrize("tags_are_tokens", [False, True])
async def test_what_must_come_begins_behind_the_reasoning(speculate: bool, tags_are_tokens: bool) -> None:
    opened = checkpoint(more=TOOL_TOKENS if tags_are_tokens else None)
    script = {"after": "</think>", "then": '\n{"a": 7}', "speculate": speculate}
    held = await reply_of(scripted_model(ENDLESS, opened, **script), thinking_tokens=6, json_schema=SCHEMA)
    assert (held.reasoning, json.loads(held.text)) == ("hm hm\n", {"a": 7})
    natural = await reply_of(
        scripted_model('<think>\nhm\n</think>\n{"a": 7}', opened, speculate=speculate), json_object=True
    )
    assert (natural.reasoning, json.loads(natural.text)) == ("hm\n", {"a": 7})
    called = await reply_of(
        scripted_model(ENDLESS, opened, after="</think>", then="no", speculate=speculate),
        thinking_tokens=6,
        tools=(Tool("f", "", {}),),
        tool_choice="required",
        parallel_tool_calls=False,
    )
    assert (called.reasoning, called.text) == ("hm hm\n", "")
    assert [(call.name, json.loads(call.arguments)) for call in called.tool_calls.values()] == [("f", {})]
    assert counted(called)[0] == "tool_calls"


async def test_a_model_may_answer_at_once_what_must_come() -> None:
    reply = await reply_of(scripted_model('{"a": 7}'), json_schema=SCHEMA)
    assert (reply.reasoning, json.loads(reply.text), counted(reply)[2]) == ("", {"a": 7}, 0)


async def test_a_model_that_would_end_in_its_reasoning_answers_where_it_must() -> None:
    reply = await reply_of(scripted_model("<think>\nhm", after="</think>", then='\n{"a": 1}'), json_schema=SCHEMA)
    assert (reply.reasoning, json.loads(reply.text)) == ("hm\n", {"a": 1})


async def test_tags_in_the_answer_are_part_of_it() -> None:
    text = {"type": "object", "properties": {"t": {"const": "a <think> b </think>"}}, "required": ["t"]}
    reply = await reply_of(scripted_model("x"), json_schema=text)
    assert json.loads(reply.text) == {"t": "a <think> b </think>"}


async def test_stop_texts_hold_for_the_answer_alone() -> None:
    reply = await reply_of(scripted_model("<think>\na. b.\n</think>\nOne. Two."), stop=(".",))
    assert (reply.reasoning, reply.text) == ("a. b.\n", "One")


PROMPT_OPENS = PLAIN_TEMPLATE + "<think>\n"


async def test_a_prompt_that_opens_the_reasoning() -> None:
    opened = checkpoint(PROMPT_OPENS)
    reply = await reply_of(scripted_model("hm\n</think>\nYes.", opened))
    assert (reply.reasoning, reply.text, counted(reply)) == ("hm\n", "Yes.", ("stop", 10, 4))
    cut = await reply_of(scripted_model("hm " * 99, opened, after="</think>", then="\nYes."), thinking_tokens=5)
    assert (cut.reasoning, cut.text) == ("hm hm\n", "Yes.")


@pytest.mark.parametrize(
    ("changes", "num_prompt"),
    [
        ({}, 23),
        ({"reasoning_effort": "none"}, 28),
        ({"thinking_tokens": 0}, 28),
        ({"thinking": False}, 28),
        ({"reasoning_effort": "high"}, 23),
        ({"reasoning_effort": "none", "thinking": True}, 23),
        ({"template_variables": {"enable_thinking": False}}, 28),
        ({"template_variables": {"unheard_of": [1, {"a": None}]}}, 23),
    ],
)
async def test_how_hard_to_think(changes: dict[str, Any], num_prompt: int) -> None:
    local = LocalProvider(random_model(), name="tiny")
    assert local.count_tokens(ask(**changes)) == num_prompt
    reply = await gather(local.stream(ask(**changes)))
    assert reply.finished is not None
    assert reply.finished.usage is not None
    assert reply.finished.usage.prompt_tokens == num_prompt
    await local.close()


async def test_effort_is_a_budget() -> None:
    model = scripted_model("<think>" + "x" * 900, after="</think>", then="\ny")
    long = await reply_of(model, reasoning_effort="minimal", max_tokens=None)
    assert (len(long.reasoning.strip()), long.text) == (256, "y")


@pytest.mark.parametrize("effort", ["none", "minimal", "low", "medium", "high", "xhigh", "max"])
async def test_a_model_that_cannot_think_takes_every_effort(effort: Any) -> None:
    reply = await reply_of(
        scripted_model("<think>x", checkpoint(PLAIN_TEMPLATE)), reasoning_effort=effort, thinking_tokens=5
    )
    assert (reply.text, reply.reasoning) == ("<think>x", "")


async def test_refusals() -> None:
    with pytest.raises(RequestRejected, match="no thinking mode"):
        await reply_of(scripted_model("x", checkpoint(PLAIN_TEMPLATE)), thinking=True)
    with pytest.raises(RequestRejected, match="`thinking_tokens` is -1"):
        await reply_of(scripted_model("x"), thinking_tokens=-1)
    with pytest.raises(RequestRejected, match="`template_variables` must be values of JSON"):
        await reply_of(scripted_model("x"), template_variables={"a": object()})


async def test_budgets_of_a_batch_hold_for_each_alone() -> None:
    """Random weights, sampled; forced tokens and prefix reuse do not change what each gets alone."""
    local = LocalProvider(random_model(checkpoint(PROMPT_OPENS), speculate=True), name="tiny", rng=random.Random(0))
    requests = [ask(thinking_tokens=3 + i, max_tokens=24, sampling=Sampling(temperature=1.0, seed=i)) for i in range(5)]
    alone = [await gather(local.stream(request)) for request in requests]
    together = await asyncio.gather(*(gather(local.stream(request)) for request in requests))
    assert [(r.reasoning, r.text) for r in together] == [(r.reasoning, r.text) for r in alone]
    for i, reply in enumerate(together):
        # Up to three more to end between characters, and the forced break and tag.
        assert counted(reply)[2] <= 3 + i + 3 + 2
    await local.close()


async def test_the_published_template_of_smollm3(reference_data: Any) -> None:
    source = (reference_data / "tokenizers" / "smollm3-3b.chat_template.jinja").read_text()
    opened = checkpoint(source, more=TOOL_TOKENS)
    model = scripted_model("<think>\nhm\n</think>\nYes.", opened)
    local = LocalProvider(model, name="tiny")
    tool = Tool("f", "Does it.", {"type": "object"})
    quiet, loud = local.count_tokens(ask(thinking=False)), local.count_tokens(ask(reasoning_effort="low"))
    assert quiet != loud
    assert local.count_tokens(ask(tools=(tool,))) > local.count_tokens(ask())
    assert local.count_tokens(ask(tools=(tool,), tool_choice="none")) == local.count_tokens(ask())
    reply = await gather(local.stream(ask(max_tokens=50)))
    assert (reply.reasoning, reply.text) == ("hm\n", "Yes.")
    await local.close()

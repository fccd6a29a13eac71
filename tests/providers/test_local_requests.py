"""What a request may ask of a local model besides text: sampling, plain prompts, counts, many answers, cancelling."""

from __future__ import annotations

import asyncio
import json
import random
import threading
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import replace
from typing import Any

import pytest
from chat_models import ask, checkpoint, random_model, scripted_model
from jsonschema import Draft202012Validator

from seatrial.chat import ChatRequest, Message, Sampling, TextPart, Tool, ToolCall, gather
from seatrial.engine.request import SamplingParams
from seatrial.engine.runner import Scores, StepInput
from seatrial.errors import ContextTooLong, RequestRejected
from seatrial.providers.base import CountsTokens
from seatrial.providers.local import LocalProvider


@pytest.fixture
async def provider() -> AsyncIterator[LocalProvider]:
    local = LocalProvider(random_model(), name="tiny", rng=random.Random(0))
    yield local
    await local.close()


async def written(provider: LocalProvider, prompt_ids: tuple[int, ...]) -> list[int]:
    """What the engine makes of these tokens."""
    stream = provider.service.stream(list(prompt_ids), SamplingParams(max_tokens=12))
    return [gain.token_id async for gain in stream if gain.token_id is not None]


async def text(provider: LocalProvider, request: ChatRequest) -> str:
    return (await gather(provider.stream(request))).text


async def test_sampling_reaches_the_engine(provider: LocalProvider) -> None:
    warm = Sampling(temperature=1.5, seed=3)
    usual = await text(provider, ask(sampling=warm, max_tokens=20))
    assert await text(provider, ask(sampling=replace(warm, min_p=1.0), max_tokens=20)) == await text(
        provider, ask(sampling=Sampling(temperature=0), max_tokens=20)
    )
    for changed in ({"frequency_penalty": 2.0}, {"presence_penalty": 2.0}, {"repetition_penalty": 5.0}, {"top_k": 1}):
        assert await text(provider, ask(sampling=replace(warm, **changed), max_tokens=20)) != usual


async def test_bias_and_going_on_behind_the_end() -> None:
    opened = checkpoint()
    x = opened.tokenizer.encode("x")[0]
    local = LocalProvider(scripted_model("yes", opened), name="tiny")
    assert await text(local, ask(sampling=Sampling(logit_bias={x: 100}), max_tokens=3)) == "xxx"
    reply = await gather(local.stream(ask(sampling=Sampling(ignore_eos=True), max_tokens=9)))
    assert reply.finished is not None
    assert (reply.finished.reason, reply.finished.usage and reply.finished.usage.completion_tokens) == ("length", 9)
    await local.close()


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"sampling": Sampling(logit_bias={9999: 1})}, "`logit_bias` names token 9,999; the model has tokens 0 to"),
        ({"sampling": Sampling(logit_bias={5: 101})}, "`logit_bias`.*from -100 to 100"),
        ({"sampling": Sampling(min_p=2)}, "`min_p` is 2"),
        ({"sampling": Sampling(frequency_penalty=3)}, "`frequency_penalty` is 3"),
        ({"sampling": Sampling(presence_penalty=-3)}, "`presence_penalty` is -3"),
        ({"sampling": Sampling(repetition_penalty=0)}, "`repetition_penalty` is 0"),
        ({"num_logprobs": 21}, "`num_logprobs` is 21"),
        ({"stop": ("a",) * 17}, "`stop` is 17 texts"),
        ({"prompt": (1, 263)}, "Token id 263 is outside the vocabulary of 261"),
        ({"prompt": (-1,)}, "Token id -1 is outside"),
        ({"prompt": ()}, "prompt is empty"),
        ({"prompt": "\ud800"}, "surrogate"),
        ({"json_schema": {"type": "strin"}}, "strin"),
    ],
)
async def test_what_is_out_of_range_is_refused_by_name(
    provider: LocalProvider, changes: dict[str, Any], why: str
) -> None:
    with pytest.raises(RequestRejected, match=why):
        await text(provider, ask(**changes))


@pytest.mark.parametrize(
    ("changes", "param", "code"),
    [
        ({"sampling": Sampling(logit_bias={9999: 1})}, "logit_bias", None),
        ({"num_logprobs": 21}, "top_logprobs", None),
        ({"json_schema": {"type": "strin"}}, "response_format", "invalid_json_schema"),
        ({"tools": (Tool("f", "", {"type": 7}, strict=True),)}, "tools", "invalid_function_parameters"),
        ({"named_tool": "absent"}, "tool_choice", None),
        ({"prompt": ()}, "prompt", None),
        ({"template_variables": {"self": 1}}, "chat_template_kwargs", None),
    ],
)
async def test_a_refusal_names_the_field_as_the_wire_does(
    provider: LocalProvider, changes: dict[str, Any], param: str, code: str | None
) -> None:
    with pytest.raises(RequestRejected) as refused:
        await text(provider, ask(**changes))
    assert (refused.value.param, refused.value.code) == (param, code)


async def test_a_plain_prompt_is_continued_as_it_stands(provider: LocalProvider) -> None:
    prompt = "Once <think> upon a <tool_call>"
    ids = tuple(provider.model.tokenizer.encode(prompt))
    from_text, from_ids = [await gather(provider.stream(ChatRequest((), p, max_tokens=12))) for p in (prompt, ids)]
    assert from_text.text == from_ids.text == provider.model.tokenizer.decode(await written(provider, ids))
    assert from_text.finished is not None
    assert from_text.finished.usage is not None
    assert from_text.finished.usage.prompt_tokens == len(ids)
    said = LocalProvider(scripted_model("<think>a</think><tool_call>"), name="tiny")
    assert await text(said, ChatRequest((), "x", max_tokens=40)) == "<think>a</think><tool_call>"
    await said.close()


async def test_counts_what_usage_will_say(provider: LocalProvider) -> None:
    counts: CountsTokens = provider
    assert isinstance(provider, CountsTokens)
    assert counts.context_length == 2048
    long = ask("a long question " * 100)
    call = Message("assistant", (), (ToolCall("c", "f", "{}"),))
    result = Message("tool", (TextPart("7"),), tool_call_id="c")
    for request in (ask(), long, ChatRequest((), "plain"), ChatRequest((*ask().messages, call, result))):
        reply = await gather(provider.stream(replace(request, max_tokens=1)))
        assert reply.finished is not None
        assert reply.finished.usage is not None
        assert reply.finished.usage.prompt_tokens == counts.count_tokens(request)
    with pytest.raises(RequestRejected, match="outside the vocabulary"):
        counts.count_tokens(ChatRequest((), (10**6,)))
    with pytest.raises(ContextTooLong):
        await text(provider, ask("x" * 3000))


async def test_a_long_prompt_leaves_the_event_loop_free(
    provider: LocalProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: list[threading.Thread] = []
    encode = provider.model.tokenizer.encode

    def watched(text: str) -> list[int]:
        threads.append(threading.current_thread())
        return encode(text)

    monkeypatch.setattr(provider.model.tokenizer, "encode", watched)
    await text(provider, ask("short"))
    with pytest.raises(ContextTooLong):
        await text(provider, ask("long " * 3000))
    assert [thread is threading.main_thread() for thread in threads] == [True, False]


async def test_json_comes_whole_or_says_that_it_was_cut(provider: LocalProvider) -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string", "maxLength": 4}}, "required": ["a"]}
    whole = await gather(provider.stream(ask(json_schema=schema, thinking=False, max_tokens=200)))
    Draft202012Validator(schema).validate(json.loads(whole.text))
    cut = await gather(provider.stream(ask(json_schema=schema, thinking=False, max_tokens=4)))
    assert whole.finished is not None
    assert cut.finished is not None
    assert (whole.finished.reason, cut.finished.reason) == ("stop", "length")
    free = LocalProvider(scripted_model('{"any": ["thing"]} and more'), name="tiny")
    assert json.loads(await text(free, ask(json_object=True, max_tokens=99))) == {"any": ["thing"]}
    await free.close()


async def test_answers_to_one_prompt_compute_it_once(provider: LocalProvider, monkeypatch: pytest.MonkeyPatch) -> None:
    question = ask("the same question " * 20, max_tokens=4)
    num_prompt, fed = provider.count_tokens(question), [0]
    forward = provider.model.runner.forward

    def counting(step: StepInput) -> Scores:
        fed[0] += len(step.tokens_T)
        return forward(step)

    monkeypatch.setattr(provider.model.runner, "forward", counting)
    replies = await asyncio.gather(
        *(gather(provider.stream(replace(question, sampling=Sampling(temperature=1, seed=i)))) for i in range(4))
    )
    cached = sorted(r.finished.usage.cached_tokens for r in replies if r.finished and r.finished.usage)
    in_blocks = (num_prompt - 1) // 16 * 16
    assert cached == [0, in_blocks, in_blocks, in_blocks]
    assert fed[0] <= num_prompt + 3 * (num_prompt - in_blocks) + 4 * 4


async def test_a_cancelled_stream_is_gone_before_the_next_step_but_one(provider: LocalProvider) -> None:
    runner, sizes = provider.model.runner, []
    forward = runner.forward

    def watched(step: StepInput) -> Scores:
        sizes.append(len(step.starts_S1) - 1)
        return forward(step)

    other = asyncio.create_task(text(provider, ask("other", max_tokens=400)))
    async with aclosing(provider.stream(ask(max_tokens=2000))) as stream:  # type: ignore[type-var]
        async for _ in stream:
            break
        runner.forward = watched  # type: ignore[method-assign]
    closed_at = len(sizes)
    await asyncio.sleep(0)
    while len(sizes) < closed_at + 6:
        await asyncio.sleep(0.005)
    assert sizes[closed_at + 2 :][:4] == [1] * 4
    other.cancel()
    await asyncio.gather(other, return_exceptions=True)
    assert provider.metrics.num_generated_tokens > 0


async def test_metrics_are_the_engines(provider: LocalProvider) -> None:
    await text(provider, ask(max_tokens=5))
    metrics = provider.metrics
    assert (metrics.num_generated_tokens, metrics.num_prompt_tokens, metrics.num_running) == (5, 23, 0)

"""The clients of `server_soak.py`: what they ask, how they leave, and what they take for sound.

In: a server's URL and a seed. Out: a `Tally`, in which every request that was sent has its one end.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import jsonschema

SCHEMA = {
    "type": "object",
    "properties": {"name": {"type": "string", "maxLength": 20}, "age": {"type": "integer"}, "ok": {"type": "boolean"}},
    "required": ["name", "age", "ok"],
    "additionalProperties": False,
}
TOOL = {"name": "look_up", "description": "Looks a person up.", "parameters": SCHEMA}
TOPICS = ["the sea", "a small boat", "the harbour wall", "two buoys", "the channel", "a lighthouse"]
_HANGS_AFTER_S = 120.0
_BAD = (
    ({"temperature": "warm"}, 400),
    ({"messages": []}, 400),
    ({"colour": "red"}, 400),
    ({"model": "gpt-1"}, 404),
    ({"max_tokens": 0}, 400),
    ({"response_format": {"type": "json_schema", "json_schema": {"name": "s", "schema": {"type": "no"}}}}, 400),
)

Ask = Callable[[aiohttp.ClientSession], Awaitable[str]]


@dataclass(slots=True)
class Tally:
    """How requests ended; `unsound` are sentences, `failed_at_s` when a server's error came, on the monotonic clock.

    `answers` has what was said to requests that leave nothing to chance.
    """

    num_sent: int = 0
    ends: Counter[str] = field(default_factory=Counter)
    unsound: list[str] = field(default_factory=list)
    failed_at_s: list[float] = field(default_factory=list)
    answers: dict[str, str] = field(default_factory=dict)


class Failed(Exception):
    """The server said 5xx, or a stream ended in an error."""


class TurnedAway(Exception):
    """The server said 429."""


class Client:
    """One client, which asks one thing after the other."""

    def __init__(self, url: str, model: str, seed: str, tally: Tally) -> None:
        self._url, self._model, self._rng, self._tally = url, model, random.Random(seed), tally

    async def run(self, until_s: float) -> None:
        """Ask until then, on the monotonic clock. Takes a new connection now and then."""
        while time.monotonic() < until_s:
            async with aiohttp.ClientSession() as session:
                for _ in range(self._rng.randrange(1, 12)):
                    if time.monotonic() >= until_s:
                        break
                    await self.one(session, self._rng.choices(self.kinds(), self._WEIGHTS)[0])
            await asyncio.sleep(self._rng.expovariate(2.0) if self._rng.random() < 0.2 else 0)

    _WEIGHTS = (4, 5, 3, 3, 3, 2, 1, 1, 3, 2, 1, 1)

    def kinds(self) -> tuple[Ask, ...]:
        """Everything that a client asks."""
        return (
            self._whole,
            self._streamed,
            self._schema,
            self._tool,
            self._response,
            self._two_turns,
            self._texts,
            self._vectors,
            self._leaves_a_stream,
            self._leaves_an_answer,
            self._bad,
            self._several,
        )

    async def one(self, session: aiohttp.ClientSession, ask: Ask) -> None:
        """Ask once, and account for it."""
        tally = self._tally
        try:
            async with asyncio.timeout(_HANGS_AFTER_S):
                end = await ask(session)
        except TurnedAway:
            end = "turned away with 429"
            await asyncio.sleep(1.0 + self._rng.random())
        except Failed:
            end = "failed"
            tally.failed_at_s.append(time.monotonic())
        except TimeoutError:
            end = "hung"
            tally.unsound.append(f"{ask.__name__[1:]} hung")
        except (AssertionError, KeyError, ValueError, jsonschema.ValidationError, aiohttp.ClientError) as error:
            end = "unsound"
            tally.unsound.append(f"{ask.__name__[1:]}: {type(error).__name__} {str(error)[:200]}")
        tally.ends[end] += 1

    async def _whole(self, session: aiohttp.ClientSession) -> str:
        body = self._chat()
        reply = await self._post(session, "/chat/completions", body)
        (choice,) = reply["choices"]
        assert choice["finish_reason"] in ("stop", "length"), choice
        self._same(body, choice["message"]["content"])
        return "answered whole"

    async def _streamed(self, session: aiohttp.ClientSession) -> str:
        body = self._chat()
        options = {"stream": True, "stream_options": {"include_usage": True}}
        text, reasons, usage = "", [], None
        async for chunk in self._events(session, "/chat/completions", body | options):
            usage = chunk["usage"]
            for choice in chunk["choices"]:
                text += choice["delta"].get("content") or ""
                reasons.append(choice["finish_reason"])
        assert reasons, "an empty stream"
        assert reasons[-1] in ("stop", "length"), reasons
        assert set(reasons[:-1]) <= {None}, reasons
        assert usage, "a stream without its usage"
        self._same(body, text)
        return "streamed"

    async def _schema(self, session: aiohttp.ClientSession) -> str:
        wanted = {"type": "json_schema", "json_schema": {"name": "person", "strict": True, "schema": SCHEMA}}
        body = self._chat() | {"response_format": wanted, "max_tokens": 120}
        text, reason = await self._said(session, body)
        if reason != "stop":
            return "cut before the end of its schema"
        jsonschema.validate(json.loads(text), SCHEMA)
        return "kept to its schema"

    async def _tool(self, session: aiohttp.ClientSession) -> str:
        body = self._chat() | {"tools": [{"type": "function", "function": TOOL}], "tool_choice": "required"}
        body |= {"max_tokens": 120, "parallel_tool_calls": False}
        if self._rng.random() < 0.5:
            choice = (await self._post(session, "/chat/completions", body))["choices"][0]
            calls, reason = choice["message"]["tool_calls"], choice["finish_reason"]
            arguments = calls[0]["function"]["arguments"] if calls else ""
        else:
            arguments, reason = "", None
            async for chunk in self._events(session, "/chat/completions", body | {"stream": True}):
                for choice in chunk["choices"]:
                    reason = choice["finish_reason"] or reason
                    for call in choice["delta"].get("tool_calls") or ():
                        arguments += call["function"].get("arguments") or ""
        if reason == "length":
            return "cut before the end of its call"
        assert reason == "tool_calls", reason
        jsonschema.validate(json.loads(arguments), SCHEMA)
        return "called a tool"

    async def _response(self, session: aiohttp.ClientSession) -> str:
        body = {"model": self._model, "input": self._prompt(), "stream": True, "store": False, "temperature": 0}
        body["max_output_tokens"] = self._rng.choice([16, 40])
        events = [event async for event in self._events(session, "/responses", body)]
        if events[-1]["type"] == "response.failed":
            raise Failed
        assert [event["sequence_number"] for event in events] == list(range(len(events)))
        assert events[-1]["type"] in ("response.completed", "response.incomplete"), events[-1]["type"]
        return "streamed a response"

    async def _two_turns(self, session: aiohttp.ClientSession) -> str:
        """Two requests that count, and one that takes both away; an error in one is that one's alone."""
        asked = {"model": self._model, "input": self._prompt(), "max_output_tokens": 16}
        first = await self._post(session, "/responses", asked | {"store": True})
        ends = self._tally.ends
        ends["made a response"] += 1
        try:
            second = await self._post(
                session, "/responses", asked | {"previous_response_id": first["id"], "store": False}
            )
            assert second["previous_response_id"] == first["id"]
            ends["went on from a response"] += 1
        except TurnedAway:
            ends["turned away with 429"] += 1
        except Failed:
            ends["failed"] += 1
            self._tally.failed_at_s.append(time.monotonic())
        self._tally.num_sent += 1
        async with session.delete(f"{self._url}/v1/responses/{first['id']}") as reply:
            assert reply.status == 200, reply.status
        return "deleted a response"

    async def _texts(self, session: aiohttp.ClientSession) -> str:
        body = {"model": self._model, "prompt": [self._prompt(), "1, 2, 3,"], "max_tokens": 12, "n": 2, "seed": 3}
        reply = await self._post(session, "/completions", body)
        assert [choice["index"] for choice in reply["choices"]] == [0, 1, 2, 3]
        return "continued texts"

    async def _vectors(self, session: aiohttp.ClientSession) -> str:
        body = {"model": self._model, "input": [self._prompt(), "a boat"]}
        reply = await self._post(session, "/embeddings", body)
        self._same(body, json.dumps(reply["data"][1]["embedding"][:8]))
        return "embedded"

    async def _leaves_a_stream(self, session: aiohttp.ClientSession) -> str:
        """After a few events. What has ended by then has not been left."""
        num_left = self._rng.randrange(1, 20)
        body = self._chat() | {"stream": True, "max_tokens": 200, "ignore_eos": True}
        async for _ in self._events(session, "/chat/completions", body):
            num_left -= 1
            if not num_left:
                return "left in the middle of a stream"
        return "streamed"

    async def _leaves_an_answer(self, session: aiohttp.ClientSession) -> str:
        body = self._chat() | {"max_tokens": 300, "ignore_eos": True}
        try:
            async with asyncio.timeout(self._rng.uniform(0.1, 2.0)):
                await self._post(session, "/chat/completions", body)
        except TimeoutError:
            return "left before the answer"
        return "answered whole"

    async def _bad(self, session: aiohttp.ClientSession) -> str:
        fields, status = self._rng.choice(_BAD)
        self._tally.num_sent += 1
        async with session.post(f"{self._url}/v1/chat/completions", json=self._chat() | fields) as reply:
            error = (await reply.json())["error"]
            if reply.status == 429:
                raise TurnedAway
            assert reply.status == status, (fields, reply.status, error)
            assert set(error) == {"message", "type", "param", "code"}
        return "refused"

    async def _several(self, session: aiohttp.ClientSession) -> str:
        body = self._chat() | {"n": 3, "seed": 5, "temperature": 1.2, "logprobs": True, "top_logprobs": 2}
        reply = await self._post(session, "/chat/completions", body)
        self._same(body, json.dumps([choice["message"]["content"] for choice in reply["choices"]]))
        return "answered several times"

    async def _said(self, session: aiohttp.ClientSession, body: dict[str, Any]) -> tuple[str, str]:
        """Text and reason of one choice, streamed or not."""
        if self._rng.random() < 0.5:
            choice = (await self._post(session, "/chat/completions", body))["choices"][0]
            return choice["message"]["content"] or "", choice["finish_reason"]
        text, reason = "", ""
        async for chunk in self._events(session, "/chat/completions", body | {"stream": True}):
            for choice in chunk["choices"]:
                text += choice["delta"].get("content") or ""
                reason = choice["finish_reason"] or reason
        return text, reason

    async def _post(self, session: aiohttp.ClientSession, path: str, body: dict[str, Any]) -> Any:
        self._tally.num_sent += 1
        async with session.post(f"{self._url}/v1{path}", json=body) as reply:
            await _check_status(reply)
            return await reply.json()

    async def _events(
        self, session: aiohttp.ClientSession, path: str, body: dict[str, Any]
    ) -> AsyncIterator[dict[str, Any]]:
        self._tally.num_sent += 1
        async with session.post(f"{self._url}/v1{path}", json=body) as reply:
            await _check_status(reply)
            ended = False
            async for line in reply.content:
                if line.startswith(b"data: [DONE]"):
                    ended = True
                elif line.startswith(b"data: "):
                    event = json.loads(line[6:])
                    if "error" in event and "type" not in event:
                        raise Failed
                    ended = event.get("type") in ("response.completed", "response.incomplete", "response.failed")
                    yield event
            assert ended, "a stream broke off"

    def _chat(self) -> dict[str, Any]:
        """A request that leaves nothing to chance, one of a few hundred."""
        return {
            "model": self._model,
            "messages": [{"role": "user", "content": self._prompt()}],
            "max_tokens": self._rng.choice([1, 8, 24, 60]),
            "temperature": 0,
        }

    def _prompt(self) -> str:
        topic, times = self._rng.choice(TOPICS), self._rng.choice([1, 1, 1, 8])
        return " ".join([f"Tell me about {topic}, in a few words."] * times)

    def _same(self, body: dict[str, Any], answer: str) -> None:
        key = json.dumps(body, sort_keys=True)
        if self._tally.answers.setdefault(key, answer) != answer:
            self._tally.unsound.append("an answer changed when it was asked for again")


async def _check_status(reply: aiohttp.ClientResponse) -> None:
    """Raises TurnedAway and Failed for what may happen, AssertionError for what may not."""
    if reply.status == 429:
        assert "retry-after" in reply.headers, "429 without retry-after"
        raise TurnedAway
    if reply.status >= 500:
        raise Failed
    assert reply.status == 200, f"{reply.status} {(await reply.text())[:300]}"

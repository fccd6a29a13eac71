"""Chat completions that are kept: asked for again, listed, changed, deleted; and which ones are not kept."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from drawn_pictures import data_url, picture
from hypothesis import given, settings
from hypothesis import strategies as st
from openai.types.chat import ChatCompletion, ChatCompletionDeleted
from scripted import USAGE, Scripted, bytes_of, chunks_of, clock, counted_ids, json_of, models_of, says

from seatrial.chat import Finished, ReasoningDelta, TextDelta, TokenScore, ToolCallDelta
from seatrial.errors import BadReply
from seatrial.server.chat_store import ChatStore
from seatrial.server.endpoints.chat import chat_routes
from seatrial.server.errors import Failure
from seatrial.server.http import Call, Reply, Streamed
from seatrial.server.routing import RouteTable

PATH = "/v1/chat/completions"
PNG_URL = data_url(picture())
HELLO: list[dict[str, Any]] = [{"role": "user", "content": "Hello"}]
Check = Callable[[str, Any], None]

# What each path answers, as OpenAI's document calls it. It gives `messages` the schema of answers, whose role is
# `assistant` alone, and shows the user's in its example of the same list: roles are left out of the comparison.
SCHEMAS = {
    ("GET", PATH): "ChatCompletionList",
    ("POST", PATH): "CreateChatCompletionResponse",
    ("GET", f"{PATH}/{{completion_id}}"): "CreateChatCompletionResponse",
    ("POST", f"{PATH}/{{completion_id}}"): "CreateChatCompletionResponse",
    ("DELETE", f"{PATH}/{{completion_id}}"): "ChatCompletionDeleted",
    ("GET", f"{PATH}/{{completion_id}}/messages"): "ChatCompletionMessageList",
}


class Client:
    """Calls the endpoints alone, without HTTP, and holds replies against OpenAI's document."""

    def __init__(self, provider: Any = None, *, store: ChatStore | None = None, check: Check | None = None) -> None:
        self.table = RouteTable(
            chat_routes(models_of(provider), clock=clock, new_id=counted_ids(), system_fingerprint="fp_1", store=store)
        )
        self.check = check or (lambda schema, value: None)

    async def send(
        self, method: str, path: str = "", body: Any = None, *, key_id: str | None = None, **query: str
    ) -> Reply | Streamed:
        found = self.table.find(PATH + path)
        assert found is not None
        encoded = b"" if body is None else json.dumps(body).encode()
        call = Call(method, PATH + path, "r", encoded, query=query, path_values=found.values, key_id=key_id)
        reply = await found.by_method[method].endpoint(call)
        if isinstance(reply, Reply):
            value = json_of(reply)
            if path.endswith("/messages"):
                value["data"] = [each | {"role": "assistant"} for each in value["data"]]
            self.check(SCHEMAS[method, found.path], value)
        return reply

    async def create(self, *, key_id: str | None = None, **fields: Any) -> Any:
        body = {"model": "m", "messages": HELLO, "store": True, **fields}
        return json_of(await self.send("POST", "", body, key_id=key_id))

    async def stream(self, *, key_id: str | None = None, **fields: Any) -> list[Any]:
        """The chunks, without the end."""
        body = {"model": "m", "messages": HELLO, "store": True, "stream": True, **fields}
        return (await chunks_of(await self.send("POST", "", body, key_id=key_id)))[:-1]

    async def retrieve(self, completion_id: str, *, key_id: str | None = None) -> Any:
        completion = json_of(await self.send("GET", f"/{completion_id}", key_id=key_id))
        ChatCompletion.model_validate(completion)
        return completion

    async def page(self, *, key_id: str | None = None, **query: str) -> Any:
        return json_of(await self.send("GET", "", key_id=key_id, **query))

    async def ids(self, **query: str) -> list[str]:
        return [each["id"] for each in (await self.page(**query))["data"]]

    async def messages(self, completion_id: str, **query: str) -> Any:
        return json_of(await self.send("GET", f"/{completion_id}/messages", **query))


@pytest.fixture
def client(fits_document: Check) -> Client:
    return Client(check=fits_document)


async def test_what_is_stored_can_be_asked_for_again_as_it_was_given(client: Client) -> None:
    made = await client.create(metadata={"run": "7"}, n=2, seed=3)
    assert await client.retrieve(made["id"]) == made
    assert made["metadata"] == {"run": "7"}
    plain = await client.create()
    assert await client.retrieve(plain["id"]) == plain
    assert (await client.page())["data"] == [made, plain]


@pytest.mark.parametrize("fields", [{}, {"store": False}, {"store": None}])
async def test_what_nobody_asked_to_store_is_not(client: Client, fields: dict[str, Any]) -> None:
    body = {"model": "m", "messages": HELLO, **fields}
    made = json_of(await client.send("POST", "", body))
    await bytes_of(await client.send("POST", "", body | {"stream": True}))
    with pytest.raises(Failure) as refused:
        await client.retrieve(made["id"])
    assert (refused.value.status, made["id"] in refused.value.message) == (404, True)
    assert await client.page() == {"object": "list", "data": [], "first_id": "", "last_id": "", "has_more": False}


SCORED = TokenScore("Hi", b"Hi", -0.5, (TokenScore("Hi", b"Hi", -0.5),))
CALLS = (
    ReasoningDelta("Hm."),
    TextDelta("Hi", (SCORED,)),
    ToolCallDelta(0, None, "look", ""),
    ToolCallDelta(0, arguments='{"at":1}'),
    ToolCallDelta(1, "call_b", "look", "{}"),
    Finished("stop", USAGE),
)


@pytest.mark.parametrize("script", [says("Hello there"), CALLS, says("cut", reason="length")])
async def test_what_is_kept_of_a_stream_is_the_whole_reply(script: Any, fits_document: Check) -> None:
    client = Client(Scripted(script), check=fits_document)
    fields: dict[str, Any] = {"n": 2, "logprobs": True, "metadata": {"a": "b"}}
    chunks = await client.stream(**fields)
    kept = await client.retrieve(chunks[0]["id"])
    whole = await client.create(**fields)
    assert _without_names(kept) == _without_names(whole)
    named = [
        (choice["index"], call["id"])
        for chunk in chunks
        for choice in chunk["choices"]
        for call in choice["delta"].get("tool_calls", [])
        if "id" in call
    ]
    kept_names = [
        (each["index"], call["id"]) for each in kept["choices"] for call in each["message"].get("tool_calls", [])
    ]
    assert sorted(named) == sorted(kept_names)
    for index in range(2):
        said = [c["delta"].get("content") or "" for chunk in chunks for c in chunk["choices"] if c["index"] == index]
        assert "".join(said) == kept["choices"][index]["message"]["content"]


def _without_names(reply: Any) -> Any:
    """A reply without the ids that were made for it."""
    choices = json.loads(json.dumps(reply["choices"]))
    for choice in choices:
        for call in choice["message"].get("tool_calls", []):
            del call["id"]
    return reply | {"id": "", "choices": choices}


async def test_a_stream_is_kept_before_its_end_is_told(client: Client) -> None:
    reply = await client.send("POST", "", {"model": "m", "messages": HELLO, "store": True, "stream": True})
    assert isinstance(reply, Streamed)
    async for piece in reply.pieces:
        if b"[DONE]" in piece:
            assert len((await client.page())["data"]) == 1
            break
        assert (await client.page())["data"] == []
    await reply.pieces.aclose()


@pytest.mark.parametrize("n", [1, 3])
async def test_a_stream_whose_client_leaves_is_not_kept(n: int, fits_document: Check) -> None:
    client = Client(Scripted((TextDelta("Hello"), 0.001, TextDelta("x"), 30, Finished("stop", USAGE))))
    body = {"model": "m", "messages": HELLO, "store": True, "stream": True, "n": n}
    reply = await client.send("POST", "", body)
    assert isinstance(reply, Streamed)
    await anext(reply.pieces)
    await reply.pieces.aclose()
    assert await client.ids() == []


@pytest.mark.parametrize("stream", [False, True])
async def test_an_answer_that_breaks_off_is_not_kept(stream: bool) -> None:
    client = Client(Scripted((TextDelta("Hello"), BadReply("it broke off"))))

    async def ask() -> None:
        reply = await client.send("POST", "", {"model": "m", "messages": HELLO, "store": True, "stream": stream})
        await bytes_of(reply)

    with pytest.raises(BadReply):
        await ask()
    assert await client.ids() == []


async def test_a_request_that_is_not_waited_for_is_not_kept() -> None:
    provider = Scripted((TextDelta("Hello"), 30, Finished("stop", USAGE)))
    client = Client(provider)
    task = asyncio.create_task(client.create())
    while not provider.num_open:
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await client.ids() == []


async def test_a_completion_is_for_its_own_key(client: Client) -> None:
    made = await client.create(key_id="one")
    assert (await client.retrieve(made["id"], key_id="one")) == made
    assert len((await client.page(key_id="one"))["data"]) == 1
    for key_id in ("two", None):
        assert (await client.page(key_id=key_id))["data"] == []
        for method, path, body in (
            ("GET", "", None),
            ("POST", "", {"metadata": {}}),
            ("DELETE", "", None),
            ("GET", "/messages", None),
        ):
            with pytest.raises(Failure) as refused:
                await client.send(method, f"/{made['id']}{path}", body, key_id=key_id)
            assert refused.value.status == 404
        with pytest.raises(Failure) as refused:
            await client.page(key_id=key_id, after=made["id"])
        assert refused.value.param == "after"
    assert (await client.retrieve(made["id"], key_id="one")) == made


async def test_metadata_can_be_changed_and_taken_away(client: Client) -> None:
    first, second = await client.create(metadata={"run": "7"}), await client.create()
    changed = json_of(await client.send("POST", f"/{first['id']}", {"metadata": {"run": "8", "x": "é\n"}}))
    assert changed == first | {"metadata": {"run": "8", "x": "é\n"}}
    assert await client.retrieve(first["id"]) == changed
    assert (await client.page())["data"] == [changed, second]
    assert json_of(await client.send("POST", f"/{first['id']}", {"metadata": {}}))["metadata"] == {}
    bare = json_of(await client.send("POST", f"/{first['id']}", {"metadata": None}))
    assert bare == {name: value for name, value in first.items() if name != "metadata"}


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "metadata"),
        ({"metadata": "x"}, "metadata"),
        ({"metadata": {"a": 1}}, "metadata"),
        ({"metadata": {"a": "b" * 513}}, "metadata"),
        ({"metadata": {}, "model": "other"}, "model"),
    ],
)
async def test_nothing_but_metadata_can_be_changed(client: Client, body: Any, param: str) -> None:
    made = await client.create(metadata={"a": "b"})
    with pytest.raises(Failure) as refused:
        await client.send("POST", f"/{made['id']}", body)
    assert refused.value.status == 400
    assert param in (refused.value.param or "")
    assert await client.retrieve(made["id"]) == made


async def test_what_is_deleted_is_gone(client: Client) -> None:
    made = await client.create()
    gone = json_of(await client.send("DELETE", f"/{made['id']}"))
    assert gone == {"object": "chat.completion.deleted", "id": made["id"], "deleted": True}
    ChatCompletionDeleted.model_validate(gone)
    for method in ("GET", "DELETE"):
        with pytest.raises(Failure) as refused:
            await client.send(method, f"/{made['id']}")
        assert refused.value.status == 404
    assert await client.ids() == []


async def test_a_list_comes_in_pages(client: Client) -> None:
    made = [(await client.create())["id"] for _ in range(25)]
    page = await client.page()
    assert ([each["id"] for each in page["data"]], page["has_more"]) == (made[:20], True)
    assert (page["first_id"], page["last_id"]) == (made[0], made[19])
    rest = await client.page(after=page["last_id"])
    assert ([each["id"] for each in rest["data"]], rest["has_more"]) == (made[20:], False)
    assert await client.ids(order="desc", limit="3") == made[:-4:-1]
    assert await client.ids(order="desc", limit="3", after=made[1]) == [made[0]]
    assert await client.ids(limit="100") == made
    assert (await client.page(limit="25"))["has_more"] is False
    nothing = await client.page(limit="0")
    assert (nothing["data"], nothing["has_more"]) == ([], True)


async def test_a_list_can_be_of_one_model_and_of_metadata(client: Client) -> None:
    one = (await client.create(metadata={"run": "7", "part": "a"}))["id"]
    two = (await client.create(metadata={"run": "7", "part": "b"}, model="gpt-5-mini"))["id"]
    three = (await client.create())["id"]
    assert await client.ids(model="gpt-5-mini") == [two]
    assert await client.ids(model="m") == [one, three]
    assert await client.ids(model="other") == []
    assert await client.ids(**{"metadata[run]": "7"}) == [one, two]
    assert await client.ids(**{"metadata[run]": "7", "metadata[part]": "b"}) == [two]
    assert await client.ids(**{"metadata[run]": "8"}) == []
    assert await client.ids(**{"metadata[run]": "7"}, after=one) == [two]
    assert await client.ids(**{"metadata[part]": "b"}, after=one) == [two]
    assert await client.ids(metadata="") == [one, two, three]


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ({"limit": "101"}, "limit"),
        ({"limit": "-1"}, "limit"),
        ({"limit": "many"}, "limit"),
        ({"order": "random"}, "order"),
        ({"after": "chatcmpl-none"}, "after"),
        ({"metadata": "run"}, "metadata"),
        ({"metadata[]": "run"}, "metadata"),
    ],
)
async def test_pages_that_cannot_be(client: Client, query: Mapping[str, str], param: str) -> None:
    made = await client.create()
    with pytest.raises(Failure) as refused:
        await client.page(**query)
    assert (refused.value.status, refused.value.param) == (400, param)
    if param != "metadata":
        with pytest.raises(Failure) as refused:
            await client.messages(made["id"], **query)
        assert (refused.value.status, refused.value.param) == (400, param)


CONVERSATION: list[dict[str, Any]] = [
    {"role": "developer", "content": "Be brief.", "name": "boss"},
    {"role": "system", "content": [{"type": "text", "text": "Be kind."}]},
    {
        "role": "user",
        "content": [
            {"type": "text", "text": "Look"},
            {"type": "image_url", "image_url": {"url": PNG_URL}},
        ],
    },
    {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
    },
    {"role": "tool", "content": "x", "tool_call_id": "c"},
    {"role": "assistant", "content": [{"type": "text", "text": "Well."}, {"type": "refusal", "refusal": "No."}]},
    {"role": "user", "content": "Why?"},
]


async def test_the_messages_that_it_answered(client: Client) -> None:
    made = await client.create(messages=CONVERSATION)
    page = await client.messages(made["id"])
    listed = page["data"]
    assert [each["id"] for each in listed] == [f"{made['id']}-{at}" for at in range(7)]
    assert [each["role"] for each in listed] == [each["role"] for each in CONVERSATION]
    assert [each["content"] for each in listed] == ["Be brief.", None, None, None, "x", None, "Why?"]
    assert listed[0]["name"] == "boss"
    assert listed[1]["content_parts"] == [{"type": "text", "text": "Be kind."}]
    listed_picture = {"url": PNG_URL, "detail": "auto"}
    assert listed[2]["content_parts"][1] == {"type": "image_url", "image_url": listed_picture}
    assert listed[3]["tool_calls"] == CONVERSATION[3]["tool_calls"]
    assert listed[4]["tool_call_id"] == "c"
    assert (listed[5]["content_parts"], listed[5]["refusal"]) == ([{"type": "text", "text": "Well."}], "No.")
    assert listed[6] == {
        "id": f"{made['id']}-6",
        "role": "user",
        "content": "Why?",
        "refusal": None,
        "name": None,
        "content_parts": None,
    }
    assert not page["has_more"]
    last = await client.messages(made["id"], order="desc", limit="2")
    assert (last["data"], last["has_more"]) == (listed[:-3:-1], True)
    assert (await client.messages(made["id"], after=listed[4]["id"]))["data"] == listed[5:]


async def test_only_so_many_are_kept_and_those_unused_longest_go(fits_document: Check) -> None:
    client = Client(store=ChatStore(max_entries=2))
    first, second = [(await client.create())["id"] for _ in range(2)]
    await client.retrieve(first)
    third = (await client.create())["id"]
    assert await client.ids() == [first, third]
    with pytest.raises(Failure):
        await client.messages(second)


async def test_the_request_counts_against_the_room() -> None:
    store = ChatStore(max_bytes=20_000)
    client = Client(store=store)
    await client.create()
    await client.create(messages=[{"role": "user", "content": "x" * 9_000}])
    assert 9_000 < store.num_bytes < 20_000
    await client.create(messages=[{"role": "user", "content": "x" * 9_000}])
    assert len(store) == 1
    await client.create(messages=[{"role": "user", "content": "x" * 20_000}])
    assert len(store) == 1


@settings(max_examples=60, deadline=None)
@given(
    wanted=st.lists(st.tuples(st.booleans(), st.booleans()), max_size=12),
    limit=st.integers(1, 5),
    order=st.sampled_from(["asc", "desc"]),
    is_filtered=st.booleans(),
)
def test_pages_put_together_are_the_list(
    wanted: list[tuple[bool, bool]], limit: int, order: str, is_filtered: bool
) -> None:
    """Whatever else is stored: others' completions, and those that the filter leaves out."""

    async def check() -> None:
        client = Client()
        mine = []
        for is_mine, is_marked in wanted:
            fields: dict[str, Any] = {"metadata": {"marked": "yes"}} if is_marked else {}
            made = await client.create(key_id="me" if is_mine else "other", **fields)
            if is_mine and (is_marked or not is_filtered):
                mine.append(made["id"])
        query = {"limit": str(limit), "order": order} | ({"metadata[marked]": "yes"} if is_filtered else {})
        listed: list[str] = []
        page = await client.page(key_id="me", **query)
        while page["data"]:
            assert len(page["data"]) <= limit
            listed += [each["id"] for each in page["data"]]
            page = await client.page(key_id="me", after=page["last_id"], **query)
        assert not page["has_more"]
        assert listed == (mine if order == "asc" else mine[::-1])

    asyncio.run(check())

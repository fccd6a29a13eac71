"""Responses asked for again, gone on from, listed and deleted; and how much is kept."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from drawn_pictures import data_url
from drawn_pictures import picture as drawn
from responses_client import ResponsesClient, echo, text_of
from scripted import USAGE, Scripted

from seatrial.chat import Finished, Message, ReasoningDelta, TextDelta, TextPart, ToolCall, ToolCallDelta, message
from seatrial.server.errors import Failure
from seatrial.server.http import Reply
from seatrial.server.response_store import ResponseStore

ClientOf = Callable[..., ResponsesClient]

WEATHER = {"type": "function", "name": "weather", "parameters": {"type": "object"}, "strict": True}
CALLS = (ReasoningDelta("Hm."), ToolCallDelta(0, "call_a", "weather", "{}"), Finished("tool_calls", USAGE))


async def test_a_response_can_be_retrieved(responses_client: ClientOf) -> None:
    client = responses_client()
    whole = await client.create(input="Hi")
    assert await client.retrieve(whole["id"]) == whole
    streamed = (await client.stream(input="Hi"))[-1]["response"]
    assert await client.retrieve(streamed["id"]) == streamed


async def test_what_is_not_stored_cannot_be_retrieved(responses_client: ClientOf) -> None:
    client = responses_client()
    response = await client.create(input="Hi", store=False)
    assert response["store"] is False
    with pytest.raises(Failure) as refused:
        await client.retrieve(response["id"])
    assert refused.value.status == 404
    assert refused.value.message == f"Response with id '{response['id']}' not found."


async def test_a_response_is_for_its_own_key(responses_client: ClientOf) -> None:
    client = responses_client()
    response_id = (await client.create(input="Hi", key_id="one"))["id"]
    assert (await client.retrieve(response_id, key_id="one"))["id"] == response_id
    for key_id in ("two", None):
        for method, path in (("GET", ""), ("DELETE", ""), ("POST", "/cancel"), ("GET", "/input_items")):
            with pytest.raises(Failure) as refused:
                await client.send(method, f"/v1/responses/{response_id}{path}", key_id=key_id)
            assert refused.value.status == 404
        with pytest.raises(Failure) as refused:
            await client.create(input="Hi", previous_response_id=response_id, key_id=key_id)
        assert refused.value.code == "previous_response_not_found"


async def test_a_deleted_response_is_gone(responses_client: ClientOf) -> None:
    client = responses_client()
    response_id = (await client.create(input="Hi"))["id"]
    reply = await client.send("DELETE", f"/v1/responses/{response_id}")
    assert isinstance(reply, Reply)
    assert json.loads(reply.body) == {"id": response_id, "object": "response", "deleted": True}
    for method in ("GET", "DELETE"):
        with pytest.raises(Failure) as refused:
            await client.send(method, f"/v1/responses/{response_id}")
        assert refused.value.status == 404


async def test_a_conversation_goes_on_without_its_instructions(responses_client: ClientOf) -> None:
    client = responses_client(Scripted(echo))
    first = await client.create(input="one", instructions="Be brief.")
    second = await client.create(input="two", previous_response_id=first["id"], instructions="Be loud.")
    third = await client.create(input="three", previous_response_id=second["id"])

    assert text_of(first) == "system: Be brief. | user: one"
    assert text_of(second) == f"system: Be loud. | user: one | assistant: {text_of(first)} | user: two"
    assert text_of(third) == (
        f"user: one | assistant: {text_of(first)} | user: two | assistant: {text_of(second)} | user: three"
    )
    assert third["previous_response_id"] == second["id"]
    assert third["instructions"] is None


async def test_a_conversation_can_branch(responses_client: ClientOf) -> None:
    client = responses_client(Scripted(echo))
    first = await client.create(input="one")
    branches = [await client.create(input=text, previous_response_id=first["id"]) for text in ("left", "right")]
    assert [text_of(each).rpartition(" | ")[2] for each in branches] == ["user: left", "user: right"]
    assert all("left" not in text_of(each) for each in branches[1:])


async def test_a_conversation_outlives_the_responses_before_it(responses_client: ClientOf) -> None:
    client = responses_client(Scripted(echo))
    first = await client.create(input="one")
    second = await client.create(input="two", previous_response_id=first["id"])
    await client.send("DELETE", f"/v1/responses/{first['id']}")
    third = await client.create(input="three", previous_response_id=second["id"])
    assert text_of(third).startswith("user: one | assistant: user: one | user: two")


async def test_a_previous_response_that_is_not_there(responses_client: ClientOf) -> None:
    with pytest.raises(Failure) as refused:
        await responses_client().create(input="Hi", previous_response_id="resp_none")
    assert (refused.value.status, refused.value.code) == (400, "previous_response_not_found")
    assert refused.value.param == "previous_response_id"
    assert refused.value.message == "Previous response with id 'resp_none' not found."


async def test_a_tool_loop_by_previous_response(responses_client: ClientOf) -> None:
    client = responses_client(Scripted(CALLS))
    first = await client.create(input="Weather?", tools=[WEATHER])
    with pytest.raises(Failure) as refused:
        await client.create(input="And?", previous_response_id=first["id"])
    assert refused.value.message == "No tool output found for function call call_a."

    await client.create(
        input=[{"type": "function_call_output", "call_id": "call_a", "output": "Rain"}],
        previous_response_id=first["id"],
        tools=[WEATHER],
    )
    assert client.provider.requests[-1].messages == (
        message("user", "Weather?"),
        Message("assistant", (), (ToolCall("call_a", "weather", "{}"),)),
        Message("tool", (TextPart("Rain"),), tool_call_id="call_a"),
    )


async def test_a_tool_loop_by_sending_everything_back(responses_client: ClientOf) -> None:
    client = responses_client(Scripted(CALLS))
    first = await client.create(input="Weather?", tools=[WEATHER])
    history = [{"role": "user", "content": "Weather?"}, *first["output"]]
    answer = {"type": "function_call_output", "call_id": "call_a", "output": [{"type": "input_text", "text": "Rain"}]}
    await client.create(input=[*history, answer], tools=[WEATHER], store=False)
    assert [each.role for each in client.provider.requests[-1].messages] == ["user", "assistant", "tool"]
    assert client.provider.requests[-1].messages[2].text == "Rain"


async def test_a_call_that_was_cut_is_no_part_of_the_conversation(responses_client: ClientOf) -> None:
    script = (TextDelta("Let me see."), ToolCallDelta(0, "call_a", "weather", '{"ci'), Finished("length", USAGE))
    client = responses_client(Scripted(script))
    first = await client.create(input="Weather?", tools=[WEATHER])
    assert first["output"][1]["status"] == "incomplete"
    await client.create(input="Go on", previous_response_id=first["id"])
    assert [each.text for each in client.provider.requests[-1].messages] == ["Weather?", "Let me see.", "Go on"]


async def test_input_items_in_pages(responses_client: ClientOf) -> None:
    client = responses_client(Scripted(CALLS))
    first = await client.create(input=[{"role": "user", "content": "Weather?"}], tools=[WEATHER])
    output = {"type": "function_call_output", "call_id": "call_a", "output": "Rain"}
    second = await client.create(input=[output], previous_response_id=first["id"])

    everything = await client.input_items(second["id"], order="asc")
    assert [item["type"] for item in everything["data"]] == [
        "message",
        "reasoning",
        "function_call",
        "function_call_output",
    ]
    assert everything["data"][0]["content"] == [{"type": "input_text", "text": "Weather?"}]
    assert everything["data"][1:3] == first["output"]
    assert not everything["has_more"]
    newest_first = await client.input_items(second["id"])
    assert newest_first["data"] == everything["data"][::-1]
    assert (await client.input_items(second["id"], order="asc")) == everything

    page = await client.input_items(second["id"], order="asc", limit="3")
    assert page["has_more"]
    assert (page["first_id"], page["last_id"]) == (page["data"][0]["id"], page["data"][2]["id"])
    rest = await client.input_items(second["id"], order="asc", limit="3", after=page["last_id"])
    assert page["data"] + rest["data"] == everything["data"]
    assert not rest["has_more"]


async def test_every_kind_of_item_is_listed(responses_client: ClientOf) -> None:
    client = responses_client()
    picture = {"type": "input_image", "image_url": data_url(drawn())}
    asked = [
        {"role": "developer", "content": "Be brief."},
        {"role": "user", "content": [{"type": "input_text", "text": "Look"}, picture]},
        {"role": "assistant", "content": "Nice."},
        {"id": "msg_mine", "type": "message", "role": "assistant", "content": [{"type": "refusal", "refusal": "No."}]},
        {"type": "reasoning", "id": "rs_1", "summary": [], "content": [{"type": "reasoning_text", "text": "Hm."}]},
        {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c", "output": [picture]},
    ]
    response = await client.create(input=asked)
    items = (await client.input_items(response["id"], order="asc"))["data"]
    assert items[1]["content"][1] == {**picture, "detail": "auto"}
    assert items[2]["content"] == [{"type": "output_text", "text": "Nice.", "annotations": [], "logprobs": []}]
    assert items[3]["id"] == "msg_mine"
    assert len({item["id"] for item in items}) == 7


async def test_items_that_bring_the_same_id_are_told_apart(responses_client: ClientOf) -> None:
    client = responses_client()
    first = await client.create(input="Hi")
    said = first["output"][0]
    twice = {"id": "msg_1", "type": "message", "role": "user", "content": "Hi"}
    response = await client.create(input=[said, twice, twice], previous_response_id=first["id"])
    ids = [item["id"] for item in (await client.input_items(response["id"], order="asc"))["data"]]
    assert len(set(ids)) == 5
    assert (ids[1], ids[3]) == (said["id"], "msg_1")


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ({"limit": "0"}, "limit"),
        ({"limit": "101"}, "limit"),
        ({"limit": "many"}, "limit"),
        ({"limit": "٣"}, "limit"),
        ({"order": "random"}, "order"),
        ({"after": "msg_none"}, "after"),
    ],
)
async def test_pages_that_cannot_be(responses_client: ClientOf, query: dict[str, str], param: str) -> None:
    client = responses_client()
    response = await client.create(input="Hi")
    with pytest.raises(Failure) as refused:
        await client.get(f"{response['id']}/input_items", **query)
    assert (refused.value.status, refused.value.param) == (400, param)


async def test_a_response_whose_events_were_not_kept_cannot_be_streamed_again(responses_client: ClientOf) -> None:
    client = responses_client()
    response = (await client.stream(input="Hi"))[-1]["response"]
    with pytest.raises(Failure) as refused:
        await client.get(response["id"], stream="true")
    assert (refused.value.status, refused.value.param) == (400, "stream")
    for query in ({"stream": "maybe"}, {"starting_after": "many"}, {"stream": "true", "starting_after": "-1"}):
        with pytest.raises(Failure) as refused:
            await client.get(response["id"], **query)
        assert refused.value.status == 400
    for query in ({"stream": "false"}, {"starting_after": "3"}):  # the whole of it has what comes after any event
        assert client.response(await client.get(response["id"], **query)) == response


async def test_what_was_used_longest_ago_is_forgotten_first(responses_client: ClientOf) -> None:
    client = responses_client(store=ResponseStore(max_entries=2))
    first, second = [(await client.create(input="Hi"))["id"] for _ in range(2)]
    await client.retrieve(first)
    third = (await client.create(input="Hi"))["id"]
    assert (await client.retrieve(first))["id"] == first
    assert (await client.retrieve(third))["id"] == third
    with pytest.raises(Failure):
        await client.retrieve(second)

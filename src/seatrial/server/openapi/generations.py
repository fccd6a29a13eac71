"""The operations that make a model work: chat, responses, completions, embeddings."""

from __future__ import annotations

from seatrial.server.endpoints.embeddings import EmbeddingList, EmbeddingsBody
from seatrial.server.openapi.chunks import ChatChunk, CompletionChunk
from seatrial.server.openapi.failures import ASKING
from seatrial.server.openapi.operation import MODEL, Operation
from seatrial.server.wire.chat import ChatBody
from seatrial.server.wire.chat_reply import ChatReply
from seatrial.server.wire.completions import CompletionBody
from seatrial.server.wire.completions_reply import CompletionReply
from seatrial.server.wire.responses_body import CreateBody, PromptFields
from seatrial.server.wire.responses_events import StreamEvent
from seatrial.server.wire.responses_output import InputTokens, Response

_QUESTION = "Why are there two tides a day?"

CHAT = Operation(
    "createChatCompletion",
    "POST",
    "/v1/chat/completions",
    "Chat",
    "Answer a conversation",
    "Gives `n` answers to a conversation: whole, or with `stream` in chunks. What the model thinks first comes apart "
    "from its answer, as `reasoning_content`. A JSON schema is kept exactly, and so is the choice of a tool.",
    ASKING,
    body=ChatBody,
    reply=ChatReply,
    event=ChatChunk,
    stream_end="[DONE]",
    example={
        "model": MODEL,
        "messages": [
            {"role": "system", "content": "Answer in one sentence."},
            {"role": "user", "content": _QUESTION},
        ],
        "max_completion_tokens": 200,
    },
    python=f"""completion = client.chat.completions.create(
    model="{MODEL}",
    messages=[{{"role": "user", "content": "{_QUESTION}"}}],
)
print(completion.choices[0].message.content)""",
)

CREATE_RESPONSE = Operation(
    "createResponse",
    "POST",
    "/v1/responses",
    "Responses",
    "Create a response",
    "Answers a text or a conversation of items: whole, with `stream` as events, or with `background` at once, while "
    "the work goes on. A response that is stored can be gone on from with `previous_response_id`. They are kept in "
    "memory: the oldest go when there are too many, all of them when the server ends.",
    ASKING,
    body=CreateBody,
    reply=Response,
    event=StreamEvent,
    example={"model": MODEL, "input": _QUESTION, "instructions": "Answer in one sentence."},
    python=f"""response = client.responses.create(
    model="{MODEL}",
    input="{_QUESTION}",
)
print(response.output_text)""",
)

COUNT_TOKENS = Operation(
    "countInputTokens",
    "POST",
    "/v1/responses/input_tokens",
    "Responses",
    "Count a prompt's tokens",
    "How many tokens a response would read, without one. Models that run elsewhere do not tell.",
    ASKING,
    body=PromptFields,
    reply=InputTokens,
    example={"model": MODEL, "input": _QUESTION},
    python=f"""count = client.responses.input_tokens.count(
    model="{MODEL}",
    input="{_QUESTION}",
)
print(count.input_tokens)""",
)

COMPLETE = Operation(
    "createCompletion",
    "POST",
    "/v1/completions",
    "Completions",
    "Continue a text",
    "Continues a prompt as it stands, without a conversation around it: 16 tokens of it, unless `max_tokens` says "
    "otherwise. Several prompts at once are answered one by one, in their order.",
    ASKING,
    body=CompletionBody,
    reply=CompletionReply,
    event=CompletionChunk,
    stream_end="[DONE]",
    example={"model": MODEL, "prompt": "There are two tides a day because", "max_tokens": 40},
    python=f"""completion = client.completions.create(
    model="{MODEL}",
    prompt="There are two tides a day because",
    max_tokens=40,
)
print(completion.choices[0].text)""",
)

EMBED = Operation(
    "createEmbedding",
    "POST",
    "/v1/embeddings",
    "Embeddings",
    "Embed texts",
    "The mean of a model's last hidden states over each text, scaled to length 1. Models that run elsewhere give none.",
    ASKING,
    body=EmbeddingsBody,
    reply=EmbeddingList,
    example={"model": MODEL, "input": ["high water", "low water"]},
    python=f"""embeddings = client.embeddings.create(
    model="{MODEL}",
    input=["high water", "low water"],
)
print(len(embeddings.data[0].embedding))""",
)

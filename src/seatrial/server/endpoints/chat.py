"""`POST /v1/chat/completions`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from seatrial.chat import ChatRequest
from seatrial.server.context import fitted
from seatrial.server.endpoints.streaming import Generation, streamed
from seatrial.server.generation import gathered, usage_of
from seatrial.server.http import Call, Reply, Route, Streamed
from seatrial.server.served import Models, Served
from seatrial.server.wire.chat import ChatBody, chat_request, decode_chat
from seatrial.server.wire.chat_reply import ChatChunks, Heading, NewId, chat_reply
from seatrial.server.wire.images import Fetched, FetchPictures
from seatrial.server.wire.limits import WireLimits
from seatrial.server.wire.messages import web_addresses
from seatrial.server.wire.sampling import choices_of, includes_usage, num_choices


def chat_routes(
    models: Models,
    *,
    clock: Callable[[], float],
    new_id: NewId,
    limits: WireLimits = WireLimits(),  # noqa: B008 - frozen
    system_fingerprint: str | None = None,
    fetch_pictures: FetchPictures | None = None,
) -> tuple[Route, ...]:
    """The route of chat completions.

    `clock` gives Unix seconds, `new_id` an id that begins as it is told. `fetch_pictures` brings the web addresses that
    `limits.image_hosts` allow; without it none is allowed.
    """
    endpoint = _ChatCompletions(models, clock, new_id, limits, system_fingerprint, fetch_pictures)
    return (Route("POST", "/v1/chat/completions", endpoint, is_generation=True),)


@dataclass(frozen=True, slots=True)
class _ChatCompletions:
    models: Models
    clock: Callable[[], float]
    new_id: NewId
    limits: WireLimits
    system_fingerprint: str | None
    fetch_pictures: FetchPictures | None

    async def __call__(self, call: Call) -> Reply | Streamed:
        """Raises Failure, and what the model's provider raises."""
        body = decode_chat(call.body)
        num = num_choices(body, self.limits)
        with_usage = includes_usage(body)
        request = chat_request(body, self.limits, await self._fetched(body))
        if not body.stream:
            return await self._whole(call, body, request, num)

        def prepare(served: Served) -> Generation:
            requests = choices_of(fitted(served.provider, request, body_bytes=len(call.body)), num)
            chunks = ChatChunks(
                self._heading(served),
                num_choices=num,
                includes_usage=with_usage,
                with_logprobs=request.num_logprobs is not None,
                new_id=self.new_id,
            )
            return Generation(requests, chunks)

        return await streamed(self.models, body.model, call.tally, prepare)

    async def _whole(self, call: Call, body: ChatBody, request: ChatRequest, num: int) -> Reply:
        async with self.models.use(body.model) as served:
            call.tally.model = served.card.id
            requests = choices_of(fitted(served.provider, request, body_bytes=len(call.body)), num)
            answers = await gathered(served.provider, requests)
        usage = call.tally.usage = usage_of([answer.finished for answer in answers], num)
        return Reply(
            chat_reply(
                self._heading(served),
                answers,
                usage,
                with_logprobs=request.num_logprobs is not None,
                metadata=body.metadata,
                new_id=self.new_id,
            )
        )

    async def _fetched(self, body: ChatBody) -> Fetched:
        urls = web_addresses(body.messages, self.limits)
        return await self.fetch_pictures(urls) if urls and self.fetch_pictures is not None else {}

    def _heading(self, served: Served) -> Heading:
        return Heading(self.new_id("chatcmpl-"), int(self.clock()), served.card.id, self.system_fingerprint)

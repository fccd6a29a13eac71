"""`POST /v1/completions`: texts continued as they stand, several prompts at once if wanted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from seatrial.chat import ChatRequest
from seatrial.errors import ContextTooLong
from seatrial.server.context import fitted, prompt_too_long
from seatrial.server.endpoints.streaming import Generation, streamed
from seatrial.server.generation import gathered, usage_of
from seatrial.server.http import Call, Reply, Route, Streamed
from seatrial.server.served import Models, Served
from seatrial.server.wire.chat_reply import Heading, NewId
from seatrial.server.wire.completions import completion_requests, decode_completion
from seatrial.server.wire.completions_reply import CompletionChunks, completion_reply
from seatrial.server.wire.limits import WireLimits
from seatrial.server.wire.sampling import choices_of, includes_usage


def completion_routes(
    models: Models,
    *,
    clock: Callable[[], float],
    new_id: NewId,
    limits: WireLimits = WireLimits(),  # noqa: B008 - frozen
    system_fingerprint: str | None = None,
) -> tuple[Route, ...]:
    """The route of text completions. `clock` gives Unix seconds, `new_id` an id that begins as it is told."""
    endpoint = _Completions(models, clock, new_id, limits, system_fingerprint)
    return (Route("POST", "/v1/completions", endpoint, is_generation=True),)


@dataclass(frozen=True, slots=True)
class _Completions:
    models: Models
    clock: Callable[[], float]
    new_id: NewId
    limits: WireLimits
    system_fingerprint: str | None

    async def __call__(self, call: Call) -> Reply | Streamed:
        """Raises Failure, and what the model's provider raises."""
        try:
            return await self._answer(call)
        except ContextTooLong as error:
            if error.upstream is not None:
                raise
            raise prompt_too_long(error) from error

    async def _answer(self, call: Call) -> Reply | Streamed:
        body = decode_completion(call.body)
        asked = completion_requests(body, self.limits)
        num = body.n or 1
        with_usage, with_logprobs = includes_usage(body), body.logprobs is not None
        echoes = [str(request.prompt) if body.echo else "" for request in asked for _ in range(num)]

        def requests(served: Served) -> Sequence[ChatRequest]:
            fitting = [fitted(served.provider, request, body_bytes=len(call.body)) for request in asked]
            return [choice for request in fitting for choice in choices_of(request, num)]

        async def prepare(served: Served) -> Generation:
            chunks = CompletionChunks(
                self._heading(served),
                echoes,
                num_choices=num,
                includes_usage=with_usage,
                with_logprobs=with_logprobs,
            )
            return Generation(requests(served), chunks)

        if body.stream:
            return await streamed(self.models, body.model, call.tally, prepare)
        async with self.models.use(body.model) as served:
            call.tally.model = served.card.id
            answers = await gathered(served.provider, requests(served))
        usage = call.tally.usage = usage_of([answer.finished for answer in answers], num)
        return Reply(completion_reply(self._heading(served), answers, echoes, usage, with_logprobs=with_logprobs))

    def _heading(self, served: Served) -> Heading:
        return Heading(self.new_id("cmpl-"), int(self.clock()), served.card.id, self.system_fingerprint)

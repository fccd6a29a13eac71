"""`POST /v1/chat/completions`: an answer, whole or in chunks, kept where `store` asks for it.

How what is kept is asked for again is in `stored_chats`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace

from seatrial.chat import ChatEvent, ChatRequest, Finished, ToolCallDelta, Usage
from seatrial.server.chat_store import ChatStore, StoredChat
from seatrial.server.context import fitting
from seatrial.server.endpoints.stored_chats import stored_chat_routes
from seatrial.server.endpoints.streaming import Generation, streamed
from seatrial.server.endpoints.web_pictures import fetched_for
from seatrial.server.generation import Answer, gathered, usage_of
from seatrial.server.http import Call, Reply, Route, Streamed
from seatrial.server.reading import read_beside
from seatrial.server.served import Models, Served
from seatrial.server.video_files import VideoFiles
from seatrial.server.wire.chat import ChatBody, chat_request, decode_chat
from seatrial.server.wire.chat_reply import ChatChunks, Heading, NewId, chat_reply, with_metadata
from seatrial.server.wire.images import Fetched, FetchPictures, bytes_of
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
    store: ChatStore | None = None,
    videos: VideoFiles | None = None,
) -> tuple[Route, ...]:
    """The routes of chat completions, the one that makes them first.

    `clock` gives Unix seconds, `new_id` an id that begins as it is told. `fetch_pictures` brings the web addresses that
    `limits.image_hosts` allow; without it none is allowed. `videos` keeps those of requests that are being answered.
    """
    store = ChatStore() if store is None else store
    videos = VideoFiles() if videos is None else videos
    endpoint = _ChatCompletions(models, clock, new_id, limits, system_fingerprint, fetch_pictures, store, videos)
    return (Route("POST", "/v1/chat/completions", endpoint, is_generation=True), *stored_chat_routes(store))


@dataclass(frozen=True, slots=True)
class _ChatCompletions:
    models: Models
    clock: Callable[[], float]
    new_id: NewId
    limits: WireLimits
    system_fingerprint: str | None
    fetch_pictures: FetchPictures | None
    store: ChatStore
    videos: VideoFiles

    async def __call__(self, call: Call) -> Reply | Streamed:
        """Raises Failure, and what the model's provider raises."""
        body = decode_chat(call.body)
        num = num_choices(body, self.limits)
        with_usage = includes_usage(body)
        fetched = await self._fetched(call, body)
        num_bytes = len(call.body) + bytes_of(fetched)
        with ExitStack() as held:
            keep_video = held.enter_context(self.videos.held()).keep
            request = await read_beside(num_bytes, lambda: chat_request(body, self.limits, fetched, keep_video))
            if not body.stream:
                return await self._whole(call, body, request, num)
            to_its_end = held.pop_all()

        async def prepare(served: Served) -> Generation:
            requests = choices_of(await fitting(served.provider, request, body_bytes=len(call.body)), num)
            heading = self._heading(served)
            chunks = ChatChunks(
                heading,
                num_choices=num,
                includes_usage=with_usage,
                with_logprobs=request.num_logprobs is not None,
                new_id=self.new_id,
            )
            if not body.store:
                return Generation(requests, chunks)

            def keep(answers: Sequence[Answer], usage: Usage | None) -> None:
                self._kept(call, body, request, heading, answers, usage)

            return Generation(requests, _KeptChunks(chunks, num, self.new_id, keep))

        return await streamed(self.models, body.model, call.tally, prepare, to_its_end)

    async def _whole(self, call: Call, body: ChatBody, request: ChatRequest, num: int) -> Reply:
        async with self.models.use(body.model) as served:
            call.tally.model = served.card.id
            requests = choices_of(await fitting(served.provider, request, body_bytes=len(call.body)), num)
            answers = await gathered(served.provider, requests)
        usage = call.tally.usage = usage_of([answer.finished for answer in answers], num)
        reply = self._kept(call, body, request, self._heading(served), answers, usage)
        return Reply(with_metadata(reply, body.metadata))

    def _kept(
        self,
        call: Call,
        body: ChatBody,
        request: ChatRequest,
        heading: Heading,
        answers: Sequence[Answer],
        usage: Usage | None,
    ) -> bytes:
        """The whole reply without its metadata, kept where the request asks for it."""
        reply = chat_reply(heading, answers, usage, with_logprobs=request.num_logprobs is not None, new_id=self.new_id)
        if body.store:
            self.store.put(StoredChat(heading.id, heading.model, reply, call.body, body.metadata, call.key_id))
        return reply

    async def _fetched(self, call: Call, body: ChatBody) -> Fetched:
        places, num_bytes = web_addresses(body.messages, self.limits), len(call.body)
        return await fetched_for(
            self.models, body.model, places, self.fetch_pictures, lambda more: call.hold(num_bytes + more)
        )

    def _heading(self, served: Served) -> Heading:
        return Heading(self.new_id("chatcmpl-"), int(self.clock()), served.card.id, self.system_fingerprint)


class _KeptChunks:
    """Chunks of answers that are also gathered. Once all of them have ended, and before the last piece is given out,
    `keep` is told what they are; of a stream that breaks off, or is left by its client, nothing.
    """

    def __init__(
        self,
        chunks: ChatChunks,
        num_choices: int,
        new_id: NewId,
        keep: Callable[[Sequence[Answer], Usage | None], None],
    ) -> None:
        self._chunks, self._new_id, self._keep = chunks, new_id, keep
        self._answers = [Answer() for _ in range(num_choices)]
        self._num_open = num_choices

    @property
    def usage(self) -> Usage | None:
        """See `Chunks`."""
        return self._chunks.usage

    def of(self, at: int, event: ChatEvent) -> bytes:
        """See `Chunks`. A call that the model left unnamed gets one name, in the stream and in what is kept."""
        answer = self._answers[at]
        if type(event) is ToolCallDelta and not event.id and event.index not in answer.calls:
            event = replace(event, id=self._new_id("call_"))
        answer.add(event)
        piece = self._chunks.of(at, event)
        if type(event) is Finished:
            self._num_open -= 1
            if not self._num_open:
                self._keep(self._answers, self._chunks.usage)
        return piece

"""`/v1/responses`: an answer whole, in a stream, or made in the background; and how long its prompt would be.

What is kept of an answer, and how it is asked for again, is in `stored_responses`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass, replace

from seatrial.chat import ChatEvent, ChatRequest
from seatrial.errors import ContextTooLong, RequestRejected, SeatrialError
from seatrial.providers.base import CountsTokens, Provider
from seatrial.server.background import Background, EventLog, Job
from seatrial.server.context import fitting
from seatrial.server.endpoints.stored_responses import stored_routes
from seatrial.server.endpoints.web_pictures import fetched_for
from seatrial.server.errors import Failure, bad_request, failure_of
from seatrial.server.generation import choices
from seatrial.server.http import Call, Reply, Route, Streamed
from seatrial.server.reading import read_beside
from seatrial.server.response_run import ResponseRun
from seatrial.server.response_store import ResponseStore, Stored
from seatrial.server.served import Models
from seatrial.server.truncation import truncated
from seatrial.server.video_files import HeldVideos, VideoFiles
from seatrial.server.wire.images import Fetched, FetchPictures, bytes_of
from seatrial.server.wire.json_text import json_bytes
from seatrial.server.wire.limits import WireLimits
from seatrial.server.wire.responses import Media, Plan, items_of, plan_of, prompt_of
from seatrial.server.wire.responses_assembly import NewId
from seatrial.server.wire.responses_body import CreateBody, PromptFields, count_decoder, create_decoder
from seatrial.server.wire.responses_input import Item, web_addresses
from seatrial.server.wire.responses_output import InputTokens, Response

_log = logging.getLogger(__name__)


def response_routes(
    models: Models,
    *,
    clock: Callable[[], float],
    new_id: NewId,
    limits: WireLimits = WireLimits(),  # noqa: B008 - frozen
    fetch_pictures: FetchPictures | None = None,
    store: ResponseStore | None = None,
    background: Background | None = None,
    videos: VideoFiles | None = None,
) -> tuple[Route, ...]:
    """The routes of responses.

    `clock` gives Unix seconds, `new_id` an id that begins as it is told, `fetch_pictures` the web addresses that
    `limits.image_hosts` allow. `videos` keeps those of responses that are being made. Whoever ends the server closes
    `background`.
    """
    store = ResponseStore() if store is None else store
    videos = VideoFiles() if videos is None else videos
    responses = _Responses(models, clock, new_id, limits, fetch_pictures, store, background or Background(), videos)
    return (
        Route("POST", "/v1/responses", responses.create, is_generation=True),
        Route("POST", "/v1/responses/input_tokens", responses.count),
        *stored_routes(store),
    )


@dataclass(frozen=True, slots=True)
class _Work:
    """A response to be made: of which plan, by which call, what counts in the store as its size so far, and the videos
    that it needs to its end.
    """

    plan: Plan
    run: ResponseRun
    call: Call
    num_bytes: int
    videos: HeldVideos


@dataclass(frozen=True, slots=True)
class _Responses:
    models: Models
    clock: Callable[[], float]
    new_id: NewId
    limits: WireLimits
    fetch_pictures: FetchPictures | None
    store: ResponseStore
    background: Background
    videos: VideoFiles

    async def create(self, call: Call) -> Reply | Streamed:
        """Answer. Raises Failure, and what the model's provider raises."""
        videos = self.videos.held()
        try:
            body = create_decoder.decode(call.body)
            work = await self._work(body, call, videos)
            if body.background:
                return self._start(work, streams=body.stream is True)
        except BaseException:
            videos.close()
            raise
        return Streamed(self._pieces(work)) if body.stream else await self._whole(work)

    async def count(self, call: Call) -> Reply:
        """How many tokens a prompt has. Raises Failure, also where the model cannot tell."""
        body = count_decoder.decode(call.body)
        earlier = self._earlier(body, call)
        before = earlier.conversation if earlier else None
        items, num_earlier = items_of(body, before), len(before or ())
        num_bytes = len(call.body) + (earlier.num_bytes if earlier else 0)
        fetched = await self._fetched(body.model, items, num_earlier, call, num_bytes)
        num_bytes += bytes_of(fetched)
        with self.videos.held() as videos:
            media = Media(self.limits, fetched, videos.keep)
            request = await read_beside(num_bytes, lambda: prompt_of(body, items, num_earlier, media))
            call.tally.model = body.model
            return Reply(json_bytes(InputTokens(await self._num_tokens(body, request))))

    async def _work(self, body: CreateBody, call: Call, videos: HeldVideos) -> _Work:
        """What there is to do. Raises Failure for what cannot be done."""
        earlier = self._earlier(body, call)
        before = earlier.conversation if earlier else None
        items, num_earlier = items_of(body, before), len(before or ())
        num_bytes = len(call.body) + (earlier.num_bytes if earlier else 0)
        fetched = await self._fetched(body.model, items, num_earlier, call, num_bytes)
        media = Media(self.limits, fetched, videos.keep)
        plan = await read_beside(
            num_bytes + bytes_of(fetched),
            lambda: plan_of(
                body,
                items,
                num_earlier,
                media,
                response_id=self.new_id("resp_"),
                created_at=int(self.clock()),
            ),
        )
        run = ResponseRun(plan.response, new_id=self.new_id, clock=self.clock)
        return _Work(plan, run, call, num_bytes, videos)

    async def _num_tokens(self, body: PromptFields, request: ChatRequest) -> int:
        async with self.models.use(body.model) as served:
            if not isinstance(served.provider, CountsTokens):
                raise bad_request(
                    f"`{body.model}` is answered by another server, which counts no tokens before it answers. "
                    "Read 'usage' of an answer.",
                    param="model",
                    code="unsupported_parameter",
                )
            try:
                if body.truncation == "auto":
                    request = await asyncio.to_thread(truncated, request, served.provider)
                return await asyncio.to_thread(served.provider.count_tokens, request)
            except RequestRejected as error:
                _raise_of_input(error)
                raise

    def _earlier(self, body: PromptFields, call: Call) -> Stored | None:
        """The response to go on from. Raises Failure where it is not there, or not over."""
        response_id = body.previous_response_id
        if response_id is None:
            return None
        stored = self.store.get(response_id, call.key_id)
        if stored is None:
            raise bad_request(
                f"Previous response with id '{response_id[:100]}' not found.",
                param="previous_response_id",
                code="previous_response_not_found",
            )
        if stored.job is not None:
            raise bad_request(
                f"Previous response with id '{response_id}' is still in progress. Go on from it when it is over.",
                param="previous_response_id",
                code="invalid_value",
            )
        return stored

    async def _fetched(
        self, model: str, items: tuple[Item, ...], num_earlier: int, call: Call, num_bytes: int
    ) -> Fetched:
        """The pictures at web addresses, counted with the `num_bytes` that the request has without them."""
        call.hold(num_bytes)
        places = web_addresses(items, num_earlier, self.limits)
        return await fetched_for(
            self.models, model, places, self.fetch_pictures, lambda more: call.hold(num_bytes + more)
        )

    async def _whole(self, work: _Work) -> Reply:
        with work.videos:
            async with aclosing(self._events(work)) as events:
                async for event in events:
                    work.run.take(event)
        encoded = json_bytes(self._finish(work))
        self._keep(work, len(encoded))
        return Reply(encoded)

    async def _pieces(self, work: _Work) -> AsyncGenerator[bytes]:
        """The stream. What is raised before its first piece becomes an error reply, what comes later is said in it."""
        run = work.run
        with work.videos:
            async with aclosing(self._events(work)) as events:
                pieces = run.begun_by(await anext(events))
                try:
                    while not run.is_whole:
                        if pieces:
                            yield b"".join(pieces)
                        pieces = run.write(await anext(events))
                    self._finish(work)
                    pieces += run.ended()
                except Exception as error:
                    pieces = run.fail(_told(error))
                self._keep(work, len(pieces[-1]))
                yield b"".join(pieces)

    def _start(self, work: _Work, *, streams: bool) -> Reply | Streamed:
        """Make it in the background. Raises Failure for what could never be made, and where too many are."""
        if not work.plan.response.store:
            raise bad_request(
                "'background' needs 'store': what is not kept cannot be asked for later. Leave 'store' out.",
                param="background",
                code="invalid_value",
            )
        self.models.card(work.plan.response.model)
        self.background.check_room()
        job = Job(work.run, EventLog() if streams else None, on_end=lambda job: self._over(work, job))
        job.tell(work.run.queued())
        self.store.put(Stored(job.response, work.plan.input_items, work.num_bytes, work.call.key_id, job, job.log))
        if work.call.place is not None:
            work.call.place.share()
        self.background.start(job, lambda job: self._make(work, job))
        return Reply(json_bytes(job.response)) if job.log is None else Streamed(job.log.read())

    async def _make(self, work: _Work, job: Job) -> None:
        async with aclosing(self._events(work)) as events:
            job.tell(work.run.begun_by(await anext(events)))
            async for event in events:
                job.tell(work.run.write(event))
        self._finish(work)
        job.tell(work.run.ended())

    def _over(self, work: _Work, job: Job) -> None:
        work.videos.close()
        if work.call.place is not None:
            work.call.place.leave()
        if self.store.holds(job.response.id):
            num_bytes = job.log.num_bytes if job.log else 0
            self._keep(work, len(json_bytes(job.response)) + num_bytes, job.log)

    async def _events(self, work: _Work) -> AsyncGenerator[ChatEvent]:
        """What the model says. Raises Failure, and what the provider raises."""
        response = work.plan.response
        try:
            async with self.models.use(response.model) as served:
                work.call.tally.model = served.card.id
                request = await self._fitting(work, served.provider)
                async with aclosing(choices(served.provider, [request])) as events:
                    async for _, event in events:
                        yield event
        except ContextTooLong as error:
            raise bad_request(str(error), param="input", code="context_length_exceeded") from error
        except RequestRejected as error:
            _raise_of_input(error)
            raise

    async def _fitting(self, work: _Work, provider: Provider) -> ChatRequest:
        request = work.plan.request
        if work.plan.response.truncation == "auto" and isinstance(provider, CountsTokens):
            request = await asyncio.to_thread(truncated, request, provider)
        try:
            return await fitting(provider, request, body_bytes=work.num_bytes)
        except Failure as failure:
            raise replace(failure, param="input") from None

    def _finish(self, work: _Work) -> Response:
        work.call.tally.usage = work.run.usage
        return work.run.finish()

    def _keep(self, work: _Work, num_bytes: int, log: EventLog | None = None) -> None:
        response = work.run.response
        if response.store:
            self.store.put(
                Stored(response, work.plan.input_items, work.num_bytes + num_bytes, work.call.key_id, log=log)
            )


def _raise_of_input(error: RequestRejected) -> None:
    """What a provider says of `messages`, said of `input`. What an upstream said stays as it is."""
    if error.upstream is None and (error.param or "").startswith("messages"):
        raise replace(failure_of(error), param="input") from error


def _told(error: Exception) -> Failure:
    """What the client is told; what broke in here goes to the log."""
    if not isinstance(error, SeatrialError | Failure):
        _log.exception("A response failed in the middle of its stream")
    return failure_of(error)

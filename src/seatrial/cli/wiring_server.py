"""A server put together: candidates become models that can be opened, endpoints get what they need, one app holds all.

In: settings, and what `seatrial serve` was asked for. Out: a `Server`, which runs until a signal ends it.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

import msgspec

from seatrial import __version__
from seatrial.cli.wiring import ProviderPool, now, open_catalog
from seatrial.errors import UsageError
from seatrial.server.access import Access
from seatrial.server.access_log import AccessLog
from seatrial.server.app import Application
from seatrial.server.background import Background
from seatrial.server.exchange import Bounds
from seatrial.server.hosting import Hosting, Opener
from seatrial.server.http import Route
from seatrial.server.keys import KeyStore
from seatrial.server.limits import BodyRoom, Queue
from seatrial.server.metrics import Metrics
from seatrial.server.readiness import Readiness
from seatrial.server.serving import Address, Lifetime, run
from seatrial.server.wire.limits import WireLimits
from seatrial.trial.candidates import parse_candidates

if TYPE_CHECKING:
    from seatrial.catalog.loading import Catalog
    from seatrial.cli.settings import Settings
    from seatrial.server.wire.images import FetchPictures
    from seatrial.trial.record import Candidate

# Requests that a model elsewhere may work on at once; how many it takes is its own affair.
_HOSTED_AT_ONCE = 512
# What the documentation's examples ask where not everybody may know what is served.
_EXAMPLE_MODEL = "smollm3-3b"
_LOADING_SETTINGS = frozenset({"dtype", "cache", "context", "threads"})


@dataclass(frozen=True, slots=True)
class ServeOrder:
    """A server as it was ordered on the command line. `aliases` map further names to models."""

    models: tuple[str, ...]
    address: Address
    aliases: Mapping[str, str]
    asks_for_keys: bool
    on_demand: bool = False
    memory_limit_bytes: int | None = None
    max_waiting: int = 128
    timeout_s: float = 600.0
    max_body_bytes: int = 20_000_000
    max_bodies_bytes: int = 256_000_000
    max_images: int = 16
    max_pixels: int = 1 << 26
    max_videos: int = 4
    max_answer_tokens: int | None = None
    origins: frozenset[str] = frozenset()
    image_hosts: frozenset[str] = frozenset()
    open_metrics: bool = True
    threads: int | None = None
    context: int | None = None
    batch: int = 16
    drain_s: float = 30.0
    log_format: Literal["text", "json"] = "text"
    log_prompts: bool = False


@dataclass(frozen=True, slots=True)
class Server:
    """Everything that serves."""

    order: ServeOrder
    app: Application
    hosting: Hosting
    keys: KeyStore | None
    log: AccessLog
    background: Background

    @property
    def names(self) -> tuple[str, ...]:
        """What clients may ask for, aliases last."""
        return tuple(card.id for card in self.hosting.cards())

    def run(self, on_ready: Callable[[], None]) -> None:
        """Serve until a signal. Raises NotRunnable and the like where a model cannot be loaded."""
        lifetime = Lifetime(
            load=self._load, on_ready=on_ready, close=self._close, tend=self._tend, drain_s=self.order.drain_s
        )
        run(self.app, self.order.address, lifetime)

    async def _load(self) -> None:
        from seatrial.server.video_files import remove_left_over

        await asyncio.to_thread(remove_left_over)
        if not self.order.on_demand:
            await self.hosting.load_all()

    async def _close(self) -> None:
        await self.background.close()
        await self.hosting.close()
        self.log.flush()

    def _tend(self) -> None:
        if self.keys is not None:
            self.keys.write_uses()


def open_keys(settings: Settings) -> KeyStore:
    """The API keys of this machine's servers."""
    return KeyStore(settings.home, now=now)


def open_server(settings: Settings, order: ServeOrder) -> Server:
    """Put a server together; nothing is loaded yet.

    Raises UnknownName and UsageError for models and aliases that cannot be served.
    """
    catalog = open_catalog(settings)
    candidates = parse_candidates(order.models, catalog)
    return server_of(
        [_opener(settings, catalog, candidate, order) for candidate in candidates],
        order,
        at_once=sum(order.batch if candidate.runs_here else _HOSTED_AT_ONCE for candidate in candidates),
        keys=open_keys(settings) if order.asks_for_keys else None,
    )


def server_of(openers: Iterable[Opener], order: ServeOrder, *, at_once: int, keys: KeyStore | None = None) -> Server:
    """A server of models that are opened in any way. `at_once` is how many answers they make together."""
    hosting = Hosting(openers, aliases=order.aliases, memory_limit_bytes=order.memory_limit_bytes, clock=time.monotonic)
    queue, bodies = Queue(at_once, order.max_waiting), BodyRoom(order.max_bodies_bytes)
    metrics = Metrics(
        hosting.states,
        num_generating=lambda: queue.num_inside,
        most_generating=queue.capacity + queue.max_waiting,
        num_body_bytes=lambda: bodies.num_bytes,
        most_body_bytes=bodies.most_bytes,
    )
    log = AccessLog(_write_log, now=now, form=order.log_format, with_prompts=order.log_prompts)
    readiness = Readiness()
    background = Background()
    routes = _routes(hosting, metrics, readiness, background, order)
    app = Application(
        routes,
        access=Access(keys, order.origins, _own_names(order)),
        bounds=Bounds(order.max_body_bytes, order.timeout_s),
        queue=queue,
        bodies=bodies,
        metrics=metrics,
        log=log,
        readiness=readiness,
    )
    return Server(order, app, hosting, keys, log, background)


def _routes(
    hosting: Hosting, metrics: Metrics, readiness: Readiness, background: Background, order: ServeOrder
) -> list[Route]:
    """Every endpoint's routes."""
    from seatrial.server.endpoints.chat import chat_routes
    from seatrial.server.endpoints.completions import completion_routes
    from seatrial.server.endpoints.documents import document_routes
    from seatrial.server.endpoints.embeddings import embedding_routes
    from seatrial.server.endpoints.models import model_routes
    from seatrial.server.endpoints.operation import operation_routes
    from seatrial.server.endpoints.responses import response_routes
    from seatrial.server.video_files import VideoFiles

    limits = WireLimits(
        max_answer_tokens=order.max_answer_tokens,
        max_images=order.max_images,
        max_image_pixels=order.max_pixels,
        image_hosts=order.image_hosts,
        max_videos=order.max_videos,
    )
    fingerprint, fetch, videos = f"seatrial-{__version__}", _picture_fetcher(limits), VideoFiles()
    return [
        *chat_routes(
            hosting,
            clock=time.time,
            new_id=_new_id,
            limits=limits,
            system_fingerprint=fingerprint,
            fetch_pictures=fetch,
            videos=videos,
        ),
        *completion_routes(hosting, clock=time.time, new_id=_new_id, limits=limits, system_fingerprint=fingerprint),
        *response_routes(
            hosting,
            clock=time.time,
            new_id=_new_id,
            limits=limits,
            fetch_pictures=fetch,
            background=background,
            videos=videos,
        ),
        *embedding_routes(hosting),
        *model_routes(hosting),
        *operation_routes(metrics, readiness, open_metrics=order.open_metrics),
        *document_routes(
            example_model=_EXAMPLE_MODEL if order.asks_for_keys else hosting.cards()[0].id,
            max_body_bytes=order.max_body_bytes,
        ),
    ]


def _picture_fetcher(limits: WireLimits) -> FetchPictures | None:
    if not limits.image_hosts:
        return None
    from seatrial.server.pictures import picture_fetcher

    return picture_fetcher(limits)


def _opener(settings: Settings, catalog: Catalog, candidate: Candidate, order: ServeOrder) -> Opener:
    answering = sorted(set(candidate.settings) - _LOADING_SETTINGS)
    if answering:
        raise UsageError(
            f"`{candidate.id}` sets `{answering[0]}`, which each request says for itself. Serve it without."
        )
    if candidate.kind == "baseline":
        raise UsageError(f"`{candidate.id}` answers from a workload's examples; there is nothing to serve.")
    given = {"threads": order.threads, "context": order.context}
    wanted = {name: value for name, value in given.items() if value is not None} if candidate.runs_here else {}
    name = _served_name(candidate)  # in messages too: clients need not read where a model lies
    opened = msgspec.structs.replace(candidate, id=name, settings={**wanted, **candidate.settings})

    def pool() -> ProviderPool:
        command = f"seatrial serve {candidate.id}"
        return ProviderPool(
            settings,
            catalog,
            command=command,
            concurrency=order.batch,
            seed=secrets.randbits(63),
            asks_again=False,
        )

    entry = catalog.find(candidate.model) if candidate.model else None
    released = entry.released[0].value if entry is not None and entry.released else None
    created = datetime(released.year, released.month, released.day, tzinfo=UTC) if released else now()
    return Opener(
        id=name,
        owned_by=entry.maker if entry is not None else _host_of(candidate),
        created=int(created.timestamp()),
        open=lambda: pool()(opened),
        size_bytes=lambda: pool().size_bytes(opened),
        sees=candidate.sees,
    )


def _served_name(candidate: Candidate) -> str:
    """What clients call the model: the catalog's id, or the name without what says where it is."""
    if candidate.kind == "catalog" and candidate.model is not None:
        return candidate.model
    if candidate.kind == "path":
        path = Path(candidate.target)
        return path.stem if path.is_file() else path.name
    return candidate.target


def _host_of(candidate: Candidate) -> str:
    return urlsplit(candidate.base_url).hostname or "upstream" if candidate.base_url else "local"


def _own_names(order: ServeOrder) -> frozenset[str] | None:
    """The names that a server without keys on this machine answers to; None where any will do."""
    if order.asks_for_keys or not order.address.is_loopback:
        return None
    return frozenset({"localhost", "127.0.0.1", "::1", order.address.host})


def _new_id(prefix: str) -> str:
    return prefix + secrets.token_hex(16)


def _write_log(lines: bytes) -> None:
    with contextlib.suppress(OSError, ValueError):  # nobody reads standard error any more: no reason to stop serving
        sys.stderr.buffer.write(lines)
        sys.stderr.buffer.flush()

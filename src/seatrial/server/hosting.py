"""Which models are served under which names, and when each of them is in memory.

In: for each model a way to open its provider, and what it takes. Out: `Models`, for the endpoints. A model is opened
once however many requests wait for it, stays while one of them uses it, and gives way to others, the least recently
used first, where memory is limited.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import TracebackType

from seatrial.errors import NotRunnable, SeatrialError, UsageError, nearest_names
from seatrial.providers.base import Provider, Sees
from seatrial.server.errors import Failure
from seatrial.server.metrics import LoadedModel
from seatrial.server.served import ModelCard, Served

_log = logging.getLogger(__name__)

# How long a load that failed is not tried again, and how long one waits for models in use to leave memory.
_FAILED_S = 10.0
_ROOM_S = 30.0


@dataclass(frozen=True, slots=True)
class Opener:
    """A model that can be served. `open` blocks, and is called in a thread of its own.

    `size_bytes` is what the model takes in memory, asked before it is opened; 0 for one that answers elsewhere. Both
    raise SeatrialError. `sees`: whether it takes pictures, None where that is not known before it is opened.
    """

    id: str
    owned_by: str
    created: int
    open: Callable[[], Provider]
    size_bytes: Callable[[], int] = lambda: 0
    sees: bool | None = None


@dataclass(slots=True, eq=False)
class _Hosted:
    """A model's place. `size_bytes` counts from before it is opened until it is closed."""

    opener: Opener
    provider: Provider | None = None
    loading: asyncio.Task[Provider] | None = None
    size_bytes: int = 0
    num_users: int = 0
    used_s: float = 0.0
    failure: NotRunnable | None = None
    failed_s: float = 0.0


class Hosting:
    """See `Models`. `aliases` are further names of models; `clock` is monotonic.

    Raises UsageError for a model that is named twice, or an alias that names none or another name.
    """

    def __init__(
        self,
        openers: Iterable[Opener],
        *,
        aliases: Mapping[str, str] | None = None,
        memory_limit_bytes: int | None = None,
        clock: Callable[[], float],
    ) -> None:
        self._hosted: dict[str, _Hosted] = {}
        self._cards: dict[str, ModelCard] = {}
        for opener in openers:
            if opener.id in self._hosted:
                raise UsageError(f"Two models would be served as `{opener.id}`. Leave one of them out.")
            self._hosted[opener.id] = _Hosted(opener)
            self._cards[opener.id] = ModelCard(opener.id, opener.created, opener.owned_by)
        for alias, name in (aliases or {}).items():
            self._add_alias(alias, name)
        self._limit_bytes, self._clock = memory_limit_bytes, clock
        self._making_room = asyncio.Lock()
        self._freed = asyncio.Event()
        self._is_closed = False

    def cards(self) -> tuple[ModelCard, ...]:
        """See `Models`."""
        return tuple(self._cards.values())

    def card(self, name: str) -> ModelCard:
        """See `Models`."""
        card = self._cards.get(name)
        if card is None:
            raise _unknown(name, list(self._cards))
        return card

    def sees(self, name: str) -> bool | None:
        """See `Models`."""
        hosted = self._hosted[self.card(name).alias_of or name]
        return hosted.provider.sees if isinstance(hosted.provider, Sees) else hosted.opener.sees

    def use(self, name: str) -> _Use:
        """See `Models`."""
        return _Use(self, name)

    def states(self) -> list[LoadedModel]:
        """Every model, whether it is loaded, and its engine's figures."""
        return [
            LoadedModel(name, hosted.provider is not None, _engine_figures(hosted.provider))
            for name, hosted in self._hosted.items()
        ]

    async def load_all(self) -> None:
        """Open every model, one after the other. Raises NotRunnable with the first that cannot be."""
        for name in self._hosted:
            async with self.use(name):
                pass

    async def close(self) -> None:
        """Close every provider; nothing can be used afterwards."""
        self._is_closed = True
        for hosted in self._hosted.values():
            if hosted.loading is not None:
                await asyncio.wait([hosted.loading])
            await self._close(hosted)

    async def take(self, name: str) -> Provider:
        """The provider, opened where it is not; it stays open until `leave` is called as often. Raises as `use`."""
        hosted = self._hosted[self.card(name).alias_of or name]
        hosted.num_users += 1
        if hosted.provider is not None:
            return hosted.provider
        try:
            return await self._loaded(hosted)
        except BaseException:
            self.leave(name)
            raise

    def leave(self, name: str) -> None:
        """One user less."""
        hosted = self._hosted[self._cards[name].alias_of or name]
        hosted.num_users -= 1
        if hosted.num_users == 0:
            hosted.used_s = self._clock()
            self._freed.set()

    async def _loaded(self, hosted: _Hosted) -> Provider:
        if self._is_closed:
            raise NotRunnable("The server is shutting down.", "")
        if hosted.failure is not None and self._clock() - hosted.failed_s < _FAILED_S:
            raise hosted.failure.with_traceback(None)
        if hosted.loading is None:
            hosted.loading = asyncio.create_task(self._load(hosted))
            hosted.loading.add_done_callback(lambda task: task.cancelled() or task.exception())
        return await asyncio.shield(hosted.loading)

    async def _load(self, hosted: _Hosted) -> Provider:
        opener = hosted.opener
        try:
            async with self._making_room:
                hosted.size_bytes = await asyncio.to_thread(opener.size_bytes)
                await self._make_room(hosted)
            began_s = self._clock()
            hosted.provider = await asyncio.to_thread(opener.open)
            _log.info("%s is loaded, in %.1f s", opener.id, self._clock() - began_s)
            hosted.failure = None
            return hosted.provider
        except Exception as error:
            hosted.size_bytes = 0
            hosted.failure, hosted.failed_s = _why_not(opener.id, error), self._clock()
            raise hosted.failure from error
        finally:
            hosted.loading = None

    async def _make_room(self, newcomer: _Hosted) -> None:
        """Close models until the newcomer fits. Raises NotRunnable where it never will, or not soon."""
        limit = self._limit_bytes
        if limit is None or newcomer.size_bytes == 0:
            return
        name = newcomer.opener.id
        if newcomer.size_bytes > limit:
            raise NotRunnable(
                f"`{name}` takes {_gigabytes(newcomer.size_bytes)}; models may take {_gigabytes(limit)} here.",
                "Start it with a larger `--memory-limit`.",
            )
        give_up_s = self._clock() + _ROOM_S
        while sum(hosted.size_bytes for hosted in self._hosted.values()) > limit:
            idle = [h for h in self._hosted.values() if h.provider is not None and h.size_bytes and not h.num_users]
            if idle:
                await self._close(min(idle, key=lambda hosted: hosted.used_s))
                continue
            self._freed.clear()
            try:
                async with asyncio.timeout(give_up_s - self._clock()):
                    await self._freed.wait()
            except TimeoutError:
                raise NotRunnable(
                    f"There is no room for `{name}`: every other model in memory is in use.", "Try again later."
                ) from None

    async def _close(self, hosted: _Hosted) -> None:
        provider, hosted.provider, hosted.size_bytes = hosted.provider, None, 0
        if provider is not None:
            _log.info("%s is closed", hosted.opener.id)
            await provider.close()

    def _add_alias(self, alias: str, name: str) -> None:
        if name not in self._hosted:
            raise UsageError(f"`--alias {alias}={name}`: `{name}` is not served. {_there_are(list(self._hosted))}")
        if alias in self._cards:
            raise UsageError(f"`--alias {alias}={name}`: `{alias}` is served already. Take another name.")
        card = self._cards[name]
        self._cards[alias] = ModelCard(alias, card.created, card.owned_by, alias_of=name)


class _Use:
    """One request's hold on a model."""

    __slots__ = ("_hosting", "_is_held", "_name")

    def __init__(self, hosting: Hosting, name: str) -> None:
        self._hosting, self._name, self._is_held = hosting, name, False

    async def __aenter__(self) -> Served:
        card = self._hosting.card(self._name)
        provider = await self._hosting.take(self._name)
        self._is_held = True
        return Served(card, provider)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._is_held:
            self._is_held = False
            self._hosting.leave(self._name)


def _unknown(name: str, known: list[str]) -> Failure:
    nearest = nearest_names(name, known, limit=1)
    offer = f" Did you mean `{nearest[0]}`?" if nearest else ""
    return Failure(
        404,
        f"The model `{name[:200]}` does not exist.{offer} {_there_are(known)}",
        param="model",
        code="model_not_found",
    )


def _there_are(names: list[str]) -> str:
    return f"There {'is' if len(names) == 1 else 'are'} {', '.join(f'`{name}`' for name in names)}."


def _why_not(name: str, error: Exception) -> NotRunnable:
    if isinstance(error, NotRunnable):
        return error
    if isinstance(error, SeatrialError):
        return NotRunnable(f"`{name}` could not be loaded: {error}", "")
    _log.error("%s could not be loaded", name, exc_info=error)
    return NotRunnable(f"`{name}` could not be loaded ({type(error).__name__}).", "The server's log says why.")


def _engine_figures(provider: Provider | None) -> Mapping[str, float]:
    figures = getattr(provider, "metrics", None)
    as_dict = getattr(figures, "_asdict", None)
    return as_dict() if as_dict is not None else {}


def _gigabytes(num_bytes: int) -> str:
    return f"{num_bytes / 1e9:.2f} GB"

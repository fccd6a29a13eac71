"""The models that a server has, as its endpoints see them. `hosting` is where they come from."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from seatrial.providers.base import Provider


@dataclass(frozen=True, slots=True)
class ModelCard:
    """A name that clients may ask for. `created` is a Unix time; an alias has the name of its model in `alias_of`."""

    id: str
    created: int
    owned_by: str
    alias_of: str | None = None


@dataclass(frozen=True, slots=True)
class Served:
    """A model ready to answer, under the name it was asked for."""

    card: ModelCard
    provider: Provider


class Models(Protocol):
    """What is served."""

    def cards(self) -> tuple[ModelCard, ...]:
        """Every name, aliases last."""
        ...

    def card(self, name: str) -> ModelCard:
        """Raises `Failure` 404 `model_not_found`, which names what there is."""
        ...

    def sees(self, name: str) -> bool | None:
        """Whether a model takes pictures, None where only loading it would tell. Raises as `card` does."""
        ...

    def use(self, name: str) -> AbstractAsyncContextManager[Served]:
        """A model for as long as one request needs it: loaded first where it is not, and kept until the end.

        Raises as `card` does on entering, and NotRunnable where it cannot be loaded.
        """
        ...

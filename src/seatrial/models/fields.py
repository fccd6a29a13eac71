"""Typed reading of what a file from outside says about its model.

In: an untrusted dictionary. Out: texts, flags and numbers of a possible size; every error names the file and the field.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, overload

from seatrial.errors import CheckpointError
from seatrial.models.quoting import quoted

LARGEST = {"vocab_size": 1 << 22, "layers": 1 << 10, "heads": 1 << 12, "width": 1 << 17, "context": 1 << 24}

Bounds = tuple[float, float]
_POSITIVE: Bounds = (1e-30, 1e30)


class Fields:
    """See the module. Every method raises CheckpointError for a value of another kind or out of range."""

    def __init__(self, raw: Mapping[str, Any], path: Path | str | None) -> None:
        self.raw, self.path = raw, path

    def text(self, key: str) -> str:
        """A text."""
        value = self.raw.get(key)
        if not isinstance(value, str):
            raise CheckpointError(f"expected text, found {quoted(value)}", path=self.path, field=key)
        return value

    def flag(self, key: str, default: bool) -> bool:
        """True or false."""
        value = self.raw.get(key)
        if value is None:
            return default
        if not isinstance(value, bool):
            raise CheckpointError(f"expected true or false, found {quoted(value)}", path=self.path, field=key)
        return value

    def count(self, key: str, kind: str, default: int | None = None) -> int:
        """A count of something in `LARGEST`, at least 1; without a default it is needed."""
        value = self.raw.get(key)
        value = default if value is None else value
        if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= LARGEST[kind]:
            raise CheckpointError(
                f"expected a whole number from 1 to {LARGEST[kind]:,}, found {quoted(value)}",
                path=self.path,
                field=key,
            )
        return value

    @overload
    def number(self, key: str, *, within: Bounds = ...) -> float: ...
    @overload
    def number(self, key: str, default: float, *, within: Bounds = ...) -> float: ...
    @overload
    def number(self, key: str, default: None, *, within: Bounds = ...) -> float | None: ...
    def number(self, key: str, default: float | None = -1.0, *, within: Bounds = _POSITIVE) -> float | None:
        """A number within bounds; `default` None makes it optional, no default makes it needed."""
        value = self.raw.get(key)
        value = default if value is None else value
        if value is None:
            return None
        low, high = within
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
            bounds = "positive number" if within == _POSITIVE else f"number from {low:g} to {high:g}"
            raise CheckpointError(f"expected a {bounds}, found {quoted(value)}", path=self.path, field=key)
        return float(value)


def token_ids(value: Any, field: str, path: Path | str | None) -> tuple[int, ...]:
    """One id, a list of ids or nothing, as a tuple. Raises CheckpointError for anything else."""
    ids = value if isinstance(value, list) else [] if value is None else [value]
    if not all(isinstance(i, int) and not isinstance(i, bool) and i >= 0 for i in ids):
        raise CheckpointError(f"{quoted(value)} is not a token id or a list of them", path=path, field=field)
    return tuple(ids)

"""How a scorer's settings are declared and checked: what a file gives goes in, a complete mapping comes out.

A reader takes the value from the file and returns its canonical form, or raises `ValueError` with a clause that says
what it should have been.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from seatrial.errors import WorkloadError, nearest_names


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting: how its value is read, and what it is if it is not given."""

    read: Callable[[Any], Any]
    default: Any = None
    required: bool = False


def read_settings(given: Mapping[str, Any], declared: Mapping[str, Setting], scorer: str) -> dict[str, Any]:
    """The settings of `scorer` in declared order, checked and complete.

    Raises:
        WorkloadError: an unknown setting (offers the nearest), a missing one, a value of the wrong kind.
    """
    for name in given:
        if name not in declared:
            near = nearest_names(name, declared)
            known = ", ".join(f"`{known}`" for known in declared) or "none"
            offer = f"Did you mean `{near[0]}`?" if near else f"It has: {known}."
            raise WorkloadError(f"scorer `{scorer}` has no such setting. {offer}", field=f"scorer.{name}")
    settings = {}
    for name, setting in declared.items():
        if given.get(name) is None:
            if setting.required:
                raise WorkloadError(f"scorer `{scorer}` needs this setting.", field=f"scorer.{name}")
            settings[name] = setting.default
            continue
        try:
            settings[name] = setting.read(given[name])
        except ValueError as error:
            raise WorkloadError(f"{error}.", field=f"scorer.{name}") from None
    return settings


def boolean(value: Any) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise ValueError(f"must be true or false, is {show(value)}")
    return value


def not_negative(value: Any) -> float:
    """A finite number, zero or more."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value < 0:
        raise ValueError(f"must be a number, 0 or more, is {show(value)}")
    return float(value)


def choice(*names: str) -> Callable[[Any], str]:
    """One of a few words."""

    def read(value: Any) -> str:
        if value not in names:
            raise ValueError(f"must be {' or '.join(repr(name) for name in names)}, is {show(value)}")
        return str(value)

    return read


def show(value: Any, limit: int = 60) -> str:
    """A value from a file, short enough for a message."""
    kinds = {dict: "an object", list: "a list", type(None): "null"}
    shown = kinds.get(type(value)) or repr(value)
    return shown if len(shown) <= limit else shown[: limit - 1] + "…"

"""What a file from outside says, as words of a message: short, on one line, and printable anywhere. Torch-free."""

from __future__ import annotations

from typing import Any

_MOST = 80


def quoted(value: Any) -> str:
    """A value of any kind: `'silu'`, `[1, 2]`, `a list of 49,152`."""
    if isinstance(value, (list, dict)) and len(value) > _MOST:
        return f"a {type(value).__name__} of {len(value):,}"
    text = ascii(value)
    return text if len(text) <= _MOST else f"{text[: _MOST - 3]}..."


def named(text: str, most: int = _MOST) -> str:
    """A name as it stands where it can be printed, else with what cannot escaped; at most `most` characters of it."""
    text = text[:most]
    return text if text.isprintable() else ascii(text)


def one_line(error: BaseException) -> str:
    """What a library says of a file, on one line."""
    return named(" ".join(str(error).split()), 200)

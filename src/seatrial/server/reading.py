"""Reading what a long body holds, beside the event loop: pictures in it are decoded from base64 and looked at.

In: how long the body is, and what to do with it. Out: what came of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

_Read = TypeVar("_Read")

# Of so many bytes base64 takes about a millisecond; a thread costs a tenth of that.
_LONG_BYTES = 1 << 18


async def read_beside(num_bytes: int, read: Callable[[], _Read]) -> _Read:
    """Call `read`, in a thread where it is about `num_bytes` that keep others waiting. Raises what `read` raises."""
    return await asyncio.to_thread(read) if num_bytes > _LONG_BYTES else read()

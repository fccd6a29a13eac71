"""Pictures and videos that a user names in the terminal: read, looked at, and told with what they cost.

In: paths, as typed. Out: `Attachment`s, whose parts stand in a message ahead of the question. Of a file no more is
read here than says what it is and how large; what a picture costs in tokens, the provider knows.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from seatrial.chat import ImagePart, Message, TextPart, VideoPart
from seatrial.errors import InputError, RequestRejected, UsageError
from seatrial.providers.base import CountsPictures, CountsTokens

if TYPE_CHECKING:
    from seatrial.cli.conversation import Partner

Detail = Literal["auto", "low", "high"]

_MOST_BYTES = 256 * 1024 * 1024
# How providers name a part of a request.
_PART = re.compile(r"messages\[(\d+)\]\.content\[(\d+)\]")


class Attachment(NamedTuple):
    """A part of a message, the file it came from, and what a reader wants to know of it (`1,536 × 1,152`)."""

    path: Path
    part: ImagePart | VideoPart
    facts: str


def picture_at(path: Path, detail: Detail = "auto") -> Attachment:
    """A picture, whatever its file's name ends in.

    Raises UsageError where there is no such file, InputError for what is no picture or too large.
    """
    from seatrial.models.pictures.opening import picture_head

    data = _bytes_at(path)
    try:
        head = picture_head(data)
    except InputError as error:
        raise InputError(error.reason, path=path) from error
    return Attachment(path, ImagePart(data, head.media_type, detail), f"{head.width:,} × {head.height:,}")


def video_at(path: Path) -> Attachment:
    """A video. Raises UsageError where there is no such file; what is in it is seen when it is asked about."""
    found = _file_at(path, "video")
    return Attachment(path, VideoPart(found.absolute()), _size(found.stat().st_size))


def message_of(attachments: Sequence[Attachment], text: str) -> Message:
    """What the user shows, then what is asked about it."""
    return Message("user", (*(attachment.part for attachment in attachments), TextPart(text)))


def tell_cost(partner: Partner, attachments: Sequence[Attachment]) -> None:
    """Say on standard error how many tokens each attachment will take, before they are spent.

    Raises RequestRejected where the model cannot see, or not this; UsageError for a video that would have to go over
    the OpenAI API, which has no place for it.
    """
    provider, name = partner.provider, partner.candidate.id
    sum_tokens = 0
    for attachment in attachments:
        if isinstance(provider, CountsPictures):
            num_tokens = provider.count_picture_tokens(attachment.part)
            sum_tokens += num_tokens
            cost = f"{num_tokens:,} tokens"
        elif isinstance(attachment.part, VideoPart):
            raise UsageError(
                f"`{name}` takes no video over the OpenAI API. Show it pictures, or ask `smolvlm2-256m` here."
            )
        else:
            cost = f"how many tokens, the server of `{name}` decides"
        print(f"{attachment.path.name}: {attachment.facts}, {cost}", file=sys.stderr)
    if sum_tokens and isinstance(provider, CountsTokens):
        print(f"That is {sum_tokens:,} of the {provider.context_length:,} that `{name}` takes.", file=sys.stderr)


@contextmanager
def naming(attachments: Sequence[Attachment], message: int) -> Iterator[None]:
    """What a provider refuses of the parts of message number `message`, told with the name of the file."""
    try:
        yield
    except RequestRejected as error:
        place = _PART.fullmatch(error.param or "")
        if place is None or int(place[1]) != message or int(place[2]) >= len(attachments):
            raise
        raise InputError(str(error), path=attachments[int(place[2])].path) from error


def _size(num_bytes: int) -> str:
    return f"{num_bytes / 1e6:,.1f} MB" if num_bytes >= 1e5 else f"{num_bytes / 1e3:,.0f} kB"


def _bytes_at(path: Path) -> bytes:
    found = _file_at(path, "picture")
    num_bytes = found.stat().st_size
    if num_bytes > _MOST_BYTES:
        raise InputError(f"The file has {num_bytes:,} bytes; a picture may have {_MOST_BYTES:,}.", path=path)
    try:
        return found.read_bytes()
    except OSError as error:
        raise InputError(f"The file cannot be read ({error.strerror}).", path=path) from error


def _file_at(path: Path, what: str) -> Path:
    found = Path(os.path.expanduser(path))
    if os.path.isdir(found):
        raise UsageError(f"`{path}` is a folder. Name one {what}; several go one after the other.")
    if not os.path.isfile(found):
        raise UsageError(f"There is no {what} at `{str(path)[:200]}`.")
    return found

"""Pictures and videos that a user names in the terminal: read, looked at, and told with what they cost.

In: paths, as typed, and `-`, standard input. Out: `Attachment`s, whose parts stand in a message ahead of the question.
Of a video no more is read here than how large it is; what either costs in tokens, the provider knows.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from seatrial.chat import ChatRequest, Detail, ImagePart, Message, TextPart, VideoPart
from seatrial.cli.question import STANDARD_INPUT
from seatrial.errors import ContextTooLong, InputError, NotRunnable, RequestRejected, UsageError
from seatrial.media.types import HEAD_BYTES, still_type
from seatrial.providers.base import CountsPictures, CountsTokens
from seatrial.trial.asking import with_settings

if TYPE_CHECKING:
    from seatrial.cli.conversation import Partner
    from seatrial.trial.record import Candidate

_MOST_BYTES = 256 * 1024 * 1024
_LOW_DETAIL = "`--detail low`"
_SEEING = "`smolvlm2-256m`"
# How providers name a part of a request.
_PART = re.compile(r"messages\[(\d+)\]\.content\[(\d+)\]")
_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]+://|data:", re.IGNORECASE)


class Attachment(NamedTuple):
    """A part of a message, the file it came from, and what a reader wants to know of it (`1,536 × 1,152`).

    What came over standard input has the path `standard input`.
    """

    path: Path
    part: ImagePart | VideoPart
    facts: str


def picture_at(typed: str, detail: Detail = "auto", *, stdin: BinaryIO | None = None) -> Attachment:
    """A picture, whatever its file's name ends in. `-` is `stdin`, a pipe is read to its end, both up to the bound.

    Raises UsageError where there is no such file, InputError for what is no picture or too large.
    """
    from seatrial.models.pictures.opening import picture_head

    path, data = _picture_bytes(typed, stdin)
    try:
        head = picture_head(data)
    except InputError as error:
        raise InputError(error.reason, path=path) from error
    return Attachment(path, ImagePart(data, head.media_type, detail), f"{head.width:,} × {head.height:,}")


def video_at(typed: str, *, for_pictures: str = "--image") -> Attachment:
    """A video; what is in it is seen when it is asked about.

    Raises UsageError where there is no such file, InputError for a picture, which `for_pictures` would show. An
    animated one, a GIF, is a video too.
    """
    found = Path(typed) if typed == STANDARD_INPUT else _file_at(typed, "video")
    if typed == STANDARD_INPUT or not found.is_file():
        raise UsageError(f"`{typed}` is no plain file, and frames are looked for all over one. Save the video first.")
    kind = still_type(_head_of(found, Path(typed)))
    if kind is not None:
        raise InputError(f"This is a picture ({kind}), not a video. Show it with `{for_pictures}`.", path=Path(typed))
    return Attachment(Path(typed), VideoPart(found.absolute()), _size(found.stat().st_size))


def message_of(attachments: Sequence[Attachment], text: str) -> Message:
    """What the user shows, then what is asked about it."""
    return Message("user", (*(attachment.part for attachment in attachments), TextPart(text)))


def check_sight(candidate: Candidate, attachments: Sequence[Attachment]) -> None:
    """Pass a candidate that sees, or of which it is not known: by what the catalog says, ahead of weights and keys.

    Raises NotRunnable where the model reads text only, UsageError for a video that would have to go over the OpenAI
    API, which has no place for it.
    """
    for path, part, _ in attachments:
        if candidate.sees is False:
            reason = f"`{candidate.id}` reads text only; it cannot look at `{path.name}`."
            raise NotRunnable(reason, f"Ask a model that sees, such as {_SEEING}.")
        if isinstance(part, VideoPart) and not candidate.runs_here and candidate.kind != "baseline":
            raise UsageError(
                f"`{candidate.id}` takes no video over the OpenAI API. Show it pictures, or ask {_SEEING} here."
            )


def tell_cost(partner: Partner, attachments: Sequence[Attachment], asked: ChatRequest | None = None) -> None:
    """Say on standard error how many tokens each attachment will take, before they are spent.

    With `asked`, a conversation that holds them, also how many that has by now. Raises RequestRejected where the model
    cannot see, InputError for what it cannot look at.
    """
    provider, name = partner.provider, partner.candidate.id
    sum_tokens = 0
    for attachment in attachments:
        cost = f"how many tokens, the server of `{name}` decides"
        if isinstance(provider, CountsPictures):
            num_tokens = _num_tokens(provider, attachment)
            sum_tokens += num_tokens
            cost = f"{num_tokens:,} tokens"
        print(f"{attachment.path.name}: {attachment.facts}, {cost}", file=sys.stderr)
    if sum_tokens and isinstance(provider, CountsTokens):
        said = f"That is {sum_tokens:,}"
        if asked is not None:
            num_tokens = provider.count_tokens(with_settings(asked, partner.candidate))
            said = f"With that, the conversation has {num_tokens:,}"
        print(f"{said} of the {provider.context_length:,} that `{name}` takes.", file=sys.stderr)


@contextmanager
def naming(attachments: Sequence[Attachment], message: int) -> Iterator[None]:
    """What a provider refuses of the parts of message number `message`, told with the name of the file.

    Raises InputError for that, with the attachment's own `path`; options are called as the command line calls them.
    """
    try:
        yield
    except ContextTooLong as error:
        raise error.calling(_LOW_DETAIL) from error
    except RequestRejected as error:
        place = _PART.fullmatch(error.param or "")
        if place is None or int(place[1]) != message or int(place[2]) >= len(attachments):
            raise
        raise InputError(str(error), path=attachments[int(place[2])].path) from error


def _num_tokens(provider: CountsPictures, attachment: Attachment) -> int:
    """What it costs. What is wrong with its file is told with its path, of which a provider tells the name alone."""
    try:
        return provider.count_picture_tokens(attachment.part)
    except RequestRejected as error:
        if isinstance(error.__cause__, InputError):
            raise InputError(error.__cause__.reason, path=attachment.path) from error
        raise


def _size(num_bytes: int) -> str:
    return f"{num_bytes / 1e6:,.1f} MB" if num_bytes >= 1e5 else f"{num_bytes / 1e3:,.0f} kB"


def _picture_bytes(typed: str, stdin: BinaryIO | None) -> tuple[Path, bytes]:
    """What to call a picture, and its bytes."""
    if typed == STANDARD_INPUT:
        if stdin is None:
            raise UsageError("Standard input is where you type. Name the picture's file.")
        if stdin.isatty():
            raise UsageError("Standard input is the keyboard. Name the picture's file, or pipe it in: `… < FILE`.")
        path = Path("standard input")
        with _reading(path):
            return path, _bounded(stdin, path)
    path, found = Path(typed), _file_at(typed, "picture")
    with _reading(path):
        num_bytes = found.stat().st_size
        if num_bytes > _MOST_BYTES:
            raise InputError(f"The file has {num_bytes:,} bytes; a picture may have {_MOST_BYTES:,}.", path=path)
        with found.open("rb") as file:
            return path, _bounded(file, path)


def _head_of(found: Path, path: Path) -> bytes:
    with _reading(path), found.open("rb") as file:
        return file.read(HEAD_BYTES)


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise InputError(f"The file cannot be read ({error.strerror or error}).", path=path) from error


def _bounded(file: BinaryIO, path: Path) -> bytes:
    """All that comes, up to the bound: of a pipe nobody knows before."""
    data = file.read(_MOST_BYTES + 1)
    if len(data) > _MOST_BYTES:
        raise InputError(f"More comes than the {_MOST_BYTES:,} bytes that a picture may have.", path=path)
    return data


def _file_at(typed: str, what: str) -> Path:
    """What lies there, be it a pipe; only folders are refused."""
    if not typed.strip():
        raise UsageError(f"The name of the {what} is empty. Name its file.")
    found = Path(os.path.expanduser(typed))
    if os.path.isdir(found):
        raise UsageError(f"`{typed}` is a folder. Name one {what}; several go one after the other.")
    if not os.path.exists(found):
        if _ADDRESS.match(typed.strip()):
            shown = f"`{typed[:200]}` is an address, from which nothing is fetched here."
            raise UsageError(f"{shown} Save the {what} as a file, and give the file's path.")
        raise UsageError(f"There is no {what} at `{typed[:200]}`.")
    return found

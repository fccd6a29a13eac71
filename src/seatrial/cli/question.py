"""What a user asks in the terminal, as text: from the command line, or from standard input.

In: a word of the command line, as typed, or the bytes of standard input. Out: text that UTF-8 can write.
"""

from __future__ import annotations

import os
import sys
from typing import BinaryIO

from seatrial.errors import InputError, UsageError
from seatrial.media.types import HEAD_BYTES, picture_type, video_type

STANDARD_INPUT = "-"


def standard_input() -> BinaryIO:
    """Standard input, as bytes. Raises UsageError where it is closed."""
    if sys.stdin is None:
        raise UsageError(
            "Standard input is closed, and `-` reads from it. Name a file, or pipe something in: `… < FILE`."
        )
    return sys.stdin.buffer


def question_at(typed: str, stdin: BinaryIO | None) -> str:
    """The question; `-` is all that comes over `stdin`.

    Raises UsageError for a word, InputError for an input, that is not UTF-8 text.
    """
    if typed != STANDARD_INPUT or stdin is None:
        return checked_text(typed, "The question")
    try:
        data = stdin.read()
    except OSError as error:
        reason = f"It cannot be read ({error.strerror or error}). Give the question as a word, or pipe it in."
        raise InputError(reason, path="standard input") from error
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise InputError(_why_no_text(error), path="standard input") from error


def checked_text(typed: str, called: str) -> str:
    """The same, where it is text. Raises UsageError for bytes of a terminal that are no UTF-8, `called` so."""
    try:
        typed.encode()
    except UnicodeEncodeError:
        try:
            return os.fsencode(typed).decode()
        except UnicodeDecodeError as error:
            raise UsageError(f"{called} {_place_of(error)}. Write it as UTF-8.") from error
    return typed


def _why_no_text(error: UnicodeDecodeError) -> str:
    head = error.object[:HEAD_BYTES]
    if picture := picture_type(head):
        return f"This is a picture ({picture}), not a question. To show it use `--image -`."
    if video := video_type(head):
        return f"This is a video ({video}), not a question. To show it, save it and use `--video FILE`."
    return f"This {_place_of(error)}. Save it as UTF-8; to show a picture use `--image -`."


def _place_of(error: UnicodeDecodeError) -> str:
    return f"is not UTF-8 text: byte 0x{error.object[error.start]:02x} at offset {error.start:,}"

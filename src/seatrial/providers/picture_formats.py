"""Pictures in formats that the OpenAI API does not take: BMP, TIFF, AVIF and PNM are encoded again, as PNG.

In: a request. Out: the same with pictures that any server of this API reads; what it takes already is left as it is.
They are decoded in the threads of a `PictureRoom`, one of a request at a time, and only their files stay in memory.
"""

from __future__ import annotations

import asyncio
import io
from dataclasses import replace

from seatrial.chat import ChatRequest, ImagePart, Message, Part
from seatrial.errors import InputError, RequestRejected
from seatrial.media.types import PICTURE_TYPES, picture_type
from seatrial.models.pictures import opening
from seatrial.providers.picture_room import PictureRoom

# Of a scanned page level 6 makes a file an eighth smaller, and takes nearly three times as long.
_COMPRESSION = 3


async def with_taken_formats(request: ChatRequest, room: PictureRoom) -> ChatRequest:
    """The request with every other picture as PNG: upright, on white, each pixel as it was.

    Raises RequestRejected, naming the part, for what is no picture that is read, is damaged or too large.
    """
    messages = [await _converted(message, at, room) for at, message in enumerate(request.messages)]
    return replace(request, messages=tuple(messages))


async def _converted(message: Message, at: int, room: PictureRoom) -> Message:
    parts: list[Part] = []
    for place, part in enumerate(message.parts):
        if isinstance(part, ImagePart) and part.media_type not in PICTURE_TYPES:
            parts.append(await _taken(part, f"messages[{at}].content[{place}]", room))
        else:
            parts.append(part)
    return replace(message, parts=tuple(parts))


async def _taken(part: ImagePart, param: str, room: PictureRoom) -> ImagePart:
    media_type = picture_type(part.data)
    if media_type is not None:
        return replace(part, media_type=media_type)
    try:
        head = await asyncio.to_thread(opening.picture_head, part.data)
        png, place = await room.prepare(head.width * head.height, lambda _: _as_png(part.data))
    except InputError as error:
        code = "image_too_large" if error.field == "pixels" else "invalid_image"
        raise RequestRejected(error.reason, param=param, code=code) from error
    place.leave()
    return replace(part, data=png, media_type="image/png")


def _as_png(data: bytes) -> bytes:
    stream = io.BytesIO()
    opening.open_picture(data).save(stream, "PNG", compress_level=_COMPRESSION)
    return stream.getvalue()

"""Videos in a request: data URLs become files here. An extension of other open servers; OpenAI's API has none.

In: the `url` of a video part. Out: a `VideoPart` of a file that holds its bytes, which begin as a video does, and are
no more than the operator allows. Nothing is fetched, and no frame is looked at.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from msgspec import Struct

from seatrial.chat import VideoPart
from seatrial.media.types import HEAD_BYTES, picture_type, video_type, what_it_is
from seatrial.server.errors import Failure, bad_request
from seatrial.server.wire import data_urls
from seatrial.server.wire.limits import WireLimits

# Keeps bytes as a file until the request ends, and says where.
KeepVideo = Callable[[bytes], Path]

_TAKEN = "MP4, MOV, WebM, MKV, AVI, MPEG and OGG are taken."


class VideoUrl(Struct, frozen=True, forbid_unknown_fields=True):
    """Where a video is: in the URL itself."""

    url: str


class VideoContent(Struct, frozen=True, tag_field="type", tag="video_url", forbid_unknown_fields=True):
    """A video. OpenAI's API has no such part."""

    video_url: VideoUrl


def video_part(video: VideoContent, limits: WireLimits, keep: KeepVideo, place: str) -> VideoPart:
    """The video of a part, as a file. `place` is where the part stands in the request.

    Raises Failure naming its URL: no data URL, too large, or no video by its first bytes; StorageError as `keep` does.
    """
    param = f"{place}.video_url.url"
    data = _data_of(video.video_url.url, limits, param)
    _check_type(data[:HEAD_BYTES], param)
    return VideoPart(keep(data))


def too_many_videos(limits: WireLimits, param: str) -> Failure:
    """The error for more videos than one request may have."""
    if limits.max_videos == 0:
        message = "This server takes no videos. Send frames of it as pictures."
    else:
        message = f"The request holds more videos than the {limits.max_videos} that one may have. Send fewer."
    return bad_request(message, param=param, code="too_many_videos")


def _data_of(url: str, limits: WireLimits, param: str) -> bytes:
    found = data_urls.parsed(url)
    if found is None:
        raise bad_request(
            f"'{param}' must be a data URL such as 'data:video/mp4;base64,…'; videos are not fetched here.",
            param=param,
            code="invalid_video_url",
        )
    if found.num_bytes > limits.max_video_bytes:
        raise bad_request(
            f"'{param}' holds {found.num_bytes:,} bytes; a video may have {limits.max_video_bytes:,}. "
            "Cut it shorter, or make its frames smaller.",
            param=param,
            code="video_too_large",
        )
    return data_urls.content_of(found, param=param, code="invalid_video_url")


def _check_type(head: bytes, param: str) -> None:
    if video_type(head) is not None:
        return
    way_out = "Send it as 'image_url'." if picture_type(head) else _TAKEN
    raise bad_request(
        f"'{param}' is no video: by its first bytes it is {what_it_is(head)}. {way_out}",
        param=param,
        code="invalid_video_format",
    )

"""Pictures in a request: data URLs become bytes here, web addresses are checked and fetched by someone else.

In: the `url` of an image part. Out: an `ImagePart` that is a picture as far as its head tells, and no larger than the
operator allows. Nothing is fetched here, and no pixel is decoded; `is_web_address` says what must be fetched.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from urllib.parse import urlsplit

from seatrial.chat import Detail, ImagePart
from seatrial.errors import InputError
from seatrial.media.types import HEAD_BYTES, PICTURE_TYPES, picture_type, video_type, what_it_is
from seatrial.server.errors import Failure, bad_request
from seatrial.server.wire import data_urls
from seatrial.server.wire.limits import WireLimits, host_and_port

_ALIASES = {"image/jpg": "image/jpeg"}
_WEB_PORTS = {"http": 80, "https": 443}

Fetched = Mapping[str, ImagePart]
# Addresses, each with its place in the request, which errors name; what is told how many bytes have come, of all.
FetchPictures = Callable[[Mapping[str, str], Callable[[int], None]], Awaitable[Fetched]]


def bytes_of(fetched: Fetched) -> int:
    """How many bytes the pictures have that were fetched."""
    return sum(len(part.data) for part in fetched.values())


def is_web_address(url: str) -> bool:
    """Whether a picture would have to be fetched."""
    return url[:8].lower().startswith(("http://", "https://"))


def image_part(url: str, detail: Detail | None, limits: WireLimits, fetched: Fetched, param: str) -> ImagePart:
    """The picture of a URL, of the type that its bytes have, whatever they were called.

    Raises Failure naming `param`: no picture, too large in bytes or pixels, or of a type that is not read.
    """
    if is_web_address(url):
        check_host(url, limits, param)
        if url not in fetched:
            raise bad_request(f"'{param}' could not be fetched.", param=param, code="invalid_image_url")
        claimed, data = fetched[url].media_type, fetched[url].data
    else:
        claimed, data = _data_of(url, limits, param)
    return ImagePart(data, _checked_type(data, claimed, limits, param), detail or "auto")


def check_host(url: str, limits: WireLimits, param: str) -> None:
    """Raises Failure where the operator did not allow the address's host by name, or not this port of it."""
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or "").removesuffix("."), parts.port
    except ValueError:
        raise bad_request(f"'{param}' is no address.", param=param, code="invalid_image_url") from None
    if not host:
        raise bad_request(f"'{param}' names no host.", param=param, code="invalid_image_url")
    asked = port if port is not None else _WEB_PORTS[parts.scheme]
    with_port = host_and_port(host, asked)
    if with_port in limits.image_hosts or (host in limits.image_hosts and asked in _WEB_PORTS.values()):
        return
    raise bad_request(
        f"This server fetches no pictures from '{(host if port is None else with_port)[:100]}'. "
        "Send the picture as a data URL, or ask the operator to allow it.",
        param=param,
        code="invalid_image_url",
    )


def check_media_type(media_type: str, param: str) -> None:
    """Raises Failure for a type of which no picture is taken."""
    if not _is_taken(media_type):
        raise bad_request(
            f"'{param}' is of type '{media_type[:60]}'; it must be PNG, JPEG, GIF or WebP.",
            param=param,
            code="invalid_image_format",
        )


def check_size(num_bytes: int, limits: WireLimits, param: str) -> None:
    """Raises Failure for a picture that is too large."""
    if num_bytes > limits.max_image_bytes:
        raise bad_request(
            f"'{param}' holds {num_bytes:,} bytes; a picture may have {limits.max_image_bytes:,}. Make it smaller.",
            param=param,
            code="image_too_large",
        )


def _is_taken(media_type: str) -> bool:
    return _ALIASES.get(media_type, media_type) in PICTURE_TYPES


def _data_of(url: str, limits: WireLimits, param: str) -> tuple[str, bytes]:
    """What the URL calls its bytes, and the bytes."""
    found = data_urls.parsed(url)
    if found is None:
        raise bad_request(
            f"'{param}' must be a data URL such as 'data:image/png;base64,…', or the http(s) address of a picture.",
            param=param,
            code="invalid_image_url",
        )
    check_size(found.num_bytes, limits, param)
    return found.media_type, data_urls.content_of(found, param=param, code="invalid_image_url")


def _checked_type(data: bytes, claimed: str, limits: WireLimits, param: str) -> str:
    """The type that the bytes show. Raises Failure for what is no picture that is taken, or has too many pixels."""
    from seatrial.models.pictures.opening import picture_head

    try:
        head = picture_head(data, most_pixels=limits.max_image_pixels)
    except InputError as error:
        if picture_type(data[:HEAD_BYTES]) is None and error.field != "pixels":
            raise _no_picture(data[:HEAD_BYTES], claimed, param) from None
        raise bad_request(
            f"'{param}' cannot be read as a picture. {error.reason}",
            param=param,
            code="image_too_large" if error.field == "pixels" else "invalid_image",
        ) from None
    check_media_type(head.media_type, param)
    return head.media_type


def _no_picture(head: bytes, claimed: str, param: str) -> Failure:
    """The error for bytes that begin as none of the types. `claimed` is what they were called."""
    way_out = "Send it as 'video_url'." if video_type(head) else "Send a PNG, JPEG, GIF or WebP."
    return bad_request(
        f"'{param}' is no picture: by its first bytes it is {what_it_is(head)}. {way_out}",
        param=param,
        code="invalid_image" if _is_taken(claimed) else "invalid_image_format",
    )

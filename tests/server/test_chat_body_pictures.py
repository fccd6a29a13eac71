"""Pictures in a chat body: which are taken, from where, and how the others are refused."""

from __future__ import annotations

import json
import re

import pytest
from chat_bodies import PNG, PNG_URL, asked, no_videos, picture, refused
from drawn_pictures import data_url, huge_png
from drawn_pictures import picture as drawn
from drawn_videos import BEGINNING

from seatrial.chat import ImagePart
from seatrial.server.errors import Failure
from seatrial.server.wire.chat import chat_request, decode_chat
from seatrial.server.wire.images import check_host
from seatrial.server.wire.limits import WireLimits
from seatrial.server.wire.messages import web_addresses

JPEG = drawn("JPEG")


def test_pictures_come_in_data_urls():
    (part,) = asked(messages=picture(PNG_URL, detail="low")).messages[0].parts
    assert part == ImagePart(PNG, "image/png", "low")
    (part,) = asked(messages=picture(data_url(JPEG, "IMAGE/JPG"))).messages[0].parts
    assert part == ImagePart(JPEG, "image/jpeg")


def test_a_picture_is_what_its_bytes_say():
    (part,) = asked(messages=picture(data_url(JPEG, "image/png"))).messages[0].parts
    assert part == ImagePart(JPEG, "image/jpeg")


@pytest.mark.parametrize("named", ["application/octet-stream", "", "image/bmp", "text/plain", "image/*"])
def test_a_picture_is_taken_whatever_its_url_calls_it(named: str):
    (part,) = asked(messages=picture(data_url(PNG, named))).messages[0].parts
    assert part == ImagePart(PNG, "image/png")


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"Buy milk.", "is no picture: by its first bytes it is text"),
        (b"%PDF-1.7", "is no picture: by its first bytes it is a PDF"),
        (BEGINNING, "it is video/mp4. Send it as 'video_url'"),
        (drawn("BMP"), "is of type 'image/bmp'"),
        (drawn("TIFF"), "is of type 'image/tiff'"),
        (b"BM" + bytes(40), "it is a BMP picture"),
        (PNG[:20], "cannot be read as a picture. The picture (20 bytes) is damaged or cut short"),
    ],
)
def test_only_formats_that_are_taken_are_named(data: bytes, says: str):
    for named in ("image/png", "application/octet-stream", "image/bmp"):
        message = refused(messages=picture(data_url(data, named))).message
        assert says in message
        assert not re.search("TIFF,|AVIF|PNM", message)


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("", "invalid_image_url"),
        ("photo.png", "invalid_image_url"),
        ("file:///etc/passwd", "invalid_image_url"),
        ("data:image/png;base64,", "invalid_image_url"),
        ("data:image/png;base64,@@@@", "invalid_image_url"),
        ("data:image/png;base64,AAA", "invalid_image_url"),
        ("data:image/png,AAAA", "invalid_image_url"),
        ("data:image/svg+xml;base64,AAAA", "invalid_image_format"),
        ("data:text/html;base64,AAAA", "invalid_image_format"),
        (data_url(b"neither"), "invalid_image"),
        (data_url(PNG[:20]), "invalid_image"),
        (data_url(b"%PDF-1.7"), "invalid_image"),
        (data_url(drawn("BMP")), "invalid_image_format"),
        (data_url(huge_png(60_000, 60_000)), "image_too_large"),
        ("http://", "invalid_image_url"),
        ("http://[::1", "invalid_image_url"),
        ("https://example.com/a.png", "invalid_image_url"),
        ("HTTPS://EXAMPLE.COM/a.png", "invalid_image_url"),
    ],
)
def test_what_is_no_picture_is_refused_by_its_place(url: str, code: str):
    failure = refused(messages=picture(url))
    assert (failure.param, failure.code) == ("messages[0].content[0].image_url.url", code)


def test_pictures_are_bounded_in_size_and_number():
    assert refused(WireLimits(max_image_bytes=len(PNG) - 1), messages=picture(PNG_URL)).code == "image_too_large"
    assert asked(WireLimits(max_image_bytes=len(PNG)), messages=picture(PNG_URL))
    assert refused(WireLimits(max_images=1), messages=picture(PNG_URL) * 2).code == "too_many_images"
    failure = refused(WireLimits(max_image_pixels=47), messages=picture(PNG_URL))
    assert failure.code == "image_too_large"
    assert "8 × 6" in failure.message
    assert asked(WireLimits(max_image_pixels=48), messages=picture(PNG_URL))


def test_web_addresses_are_given_to_be_fetched_where_their_host_is_allowed():
    url = "https://img.example.com/a.png"
    body = decode_chat(json.dumps({"model": "m", "messages": picture(url, detail="high") * 2}).encode())
    limits = WireLimits(image_hosts=frozenset({"img.example.com"}))
    assert web_addresses(body.messages, limits) == {url: "messages[0].content[0].image_url.url"}
    request = chat_request(body, limits, {url: ImagePart(PNG, "image/png")}, no_videos)
    assert request.messages[1].parts == (ImagePart(PNG, "image/png", "high"),)
    for other in ("https://example.com/a", "https://img.example.com.evil.org/a", "https://img.example.com@evil.org/a"):
        assert refused(limits, messages=picture(other)).code == "invalid_image_url"


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("https://plain.test/x", ""),
        ("http://plain.test./x", ""),
        ("https://plain.test:443/x", ""),
        ("http://plain.test:443/x", ""),
        ("https://PLAIN.test:80/x", ""),
        ("https://plain.test:22/x", "fetches no pictures from 'plain.test:22'"),
        ("https://plain.test:0/x", "fetches no pictures from 'plain.test:0'"),
        ("https://plain.test:99999/x", "is no address"),
        ("https://plain.test:x/x", "is no address"),
        ("http://[::1/x", "is no address"),
        ("http:///x", "names no host"),
        ("http://odd.test:8080/x", ""),
        ("https://odd.test:8080/x", ""),
        ("http://odd.test/x", "fetches no pictures from 'odd.test'"),
        ("http://odd.test:80/x", "fetches no pictures from 'odd.test:80'"),
        ("http://[2606:4700::1]:8080/x", ""),
        ("http://[2606:4700::2]/x", ""),
        ("http://[2606:4700::2]:8080/x", r"fetches no pictures from '\[2606:4700::2\]:8080'"),
    ],
)
def test_ports_are_those_of_the_web_or_the_one_that_is_allowed(url: str, says: str):
    hosts = frozenset({"plain.test", "odd.test:8080", "[2606:4700::1]:8080", "2606:4700::2"})
    if not says:
        check_host(url, WireLimits(image_hosts=hosts), "here")
        return
    with pytest.raises(Failure, match=says) as caught:
        check_host(url, WireLimits(image_hosts=hosts), "here")
    assert (caught.value.status, caught.value.param, caught.value.code) == (400, "here", "invalid_image_url")

"""Pictures that are fetched: which addresses are called, and what an answer must be."""

from __future__ import annotations

import asyncio
import gzip
import socket
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from seatrial.chat import ImagePart
from seatrial.server.errors import Failure
from seatrial.server.pictures import is_public, picture_fetcher
from seatrial.server.wire.limits import WireLimits


def let(num_bytes: int) -> None:
    """There is room for any number of bytes."""


LIMITS = WireLimits(max_image_bytes=1000, image_hosts=frozenset({"localhost"}))


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.0.0.1",
        "172.16.5.5",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "255.255.255.255",
        "::1",
        "::",
        "fe80::1%eth0",
        "fc00::1",
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
        "64:ff9b::7f00:1",
        "2002:7f00:1::",
        "ff02::1",
        "::127.0.0.1",
        "::ffff:0:7f00:1",
        "64:ff9b:1::7f00:1",
        "fec0::1",
    ],
)
def test_addresses_inside_networks_are_not_public(address: str):
    assert not is_public(address)


@pytest.mark.parametrize("address", ["1.1.1.1", "93.184.216.34", "2606:4700:4700::1111", "::ffff:1.1.1.1"])
def test_addresses_of_the_internet_are_public(address: str):
    assert is_public(address)


@pytest.fixture
async def site() -> AsyncIterator[str]:
    """A web site on this machine."""

    async def picture(_: web.Request) -> web.Response:
        return web.Response(body=b"P" * 900, content_type="image/png")

    async def large(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"content-type": "image/png"})
        await response.prepare(request)
        for _ in range(100):
            await response.write(b"P" * 900)
        return response

    async def page(_: web.Request) -> web.Response:
        return web.Response(text="<html>", content_type="text/html")

    async def packed(_: web.Request) -> web.Response:
        body = gzip.compress(bytes(50_000_000), 9)[:900]
        return web.Response(body=body, content_type="image/png", headers={"content-encoding": "gzip"})

    async def redirect(_: web.Request) -> web.Response:
        raise web.HTTPFound("/picture")

    app = web.Application()
    app.add_routes(
        [web.get("/picture", picture), web.get("/large", large), web.get("/page", page), web.get("/redirect", redirect)]
    )
    app.add_routes([web.get("/packed", packed)])
    runner = web.AppRunner(app)
    await runner.setup()
    server = web.TCPSite(runner, "localhost", 0)
    await server.start()
    port = runner.addresses[0][1]
    try:
        yield f"http://localhost:{port}"
    finally:
        await runner.cleanup()


async def test_pictures_are_fetched_each_by_its_address(site: str):
    fetch = picture_fetcher(LIMITS, is_allowed=lambda _: True)
    assert await fetch({f"{site}/picture": "a", f"{site}/picture?2": "b"}, let) == {
        f"{site}/picture": ImagePart(b"P" * 900, "image/png"),
        f"{site}/picture?2": ImagePart(b"P" * 900, "image/png"),
    }


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/large", "image_too_large"),
        ("/page", "invalid_image_format"),
        ("/redirect", "invalid_image_url"),
        ("/missing", "invalid_image_url"),
    ],
)
async def test_what_is_no_picture_within_the_limits_is_refused(site: str, path: str, code: str):
    fetch = picture_fetcher(LIMITS, is_allowed=lambda _: True)
    with pytest.raises(Failure) as caught:
        await fetch({f"{site}/picture": "a", site + path: "b"}, let)
    assert (caught.value.status, caught.value.param, caught.value.code) == (400, "b", code)


async def test_bytes_are_counted_together_as_they_come(site: str):
    fetch, told = picture_fetcher(LIMITS, is_allowed=lambda _: True), []
    await fetch({f"{site}/picture": "a", f"{site}/picture?2": "b"}, told.append)
    assert told == sorted(told)
    assert told[-1] == 1800

    def hold(num_bytes: int) -> None:
        if num_bytes > 900:
            raise Failure(429, "There is no room.")

    with pytest.raises(Failure, match="There is no room"):
        await fetch({f"{site}/picture": "a", f"{site}/picture?2": "b"}, hold)


async def test_an_answer_is_never_unpacked(site: str, monkeypatch: pytest.MonkeyPatch):
    """Nine hundred bytes may unpack to a million times as many before anybody could count them."""
    monkeypatch.setattr(zlib, "decompressobj", lambda *a, **how: pytest.fail("it was unpacked"))
    fetch = picture_fetcher(LIMITS, is_allowed=lambda _: True)
    with pytest.raises(Failure, match="the answer was packed \\(gzip\\)") as caught:
        await fetch({f"{site}/packed": "a"}, let)
    assert (caught.value.param, caught.value.code) == ("a", "invalid_image_url")


async def test_no_name_leads_inside_the_network(site: str):
    fetch = picture_fetcher(LIMITS)
    for host in ("localhost", "127.0.0.1", "１２７.0.0.1", "①②⑦.0.0.1", "[::ffff:127.0.0.1]"):
        url = f"{site}/picture".replace("localhost", host)
        with pytest.raises(Failure, match="could not be fetched: its address is not public") as caught:
            await fetch({url: "messages[0]"}, let)
        assert (caught.value.status, caught.value.param) == (400, "messages[0]")


@asynccontextmanager
async def speaking(said: bytes) -> AsyncIterator[str]:
    """A server that says the same to everybody, and hangs up."""

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(said)
        writer.close()

    server = await asyncio.start_server(speak, "localhost", 0, family=socket.AF_INET)
    async with server:
        yield f"localhost:{server.sockets[0].getsockname()[1]}"


HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: image/png\r\ncontent-length: 900\r\n\r\n"


@pytest.mark.parametrize(
    ("url", "said", "why"),
    [
        ("http://localhost:1/x", b"", "nothing answers there"),
        ("http://no-such-host.invalid/x", b"", "no such host can be found"),
        ("http://localhost:99999/x", b"", "the address is not valid"),
        ("http://{at}/x", b"", "the connection broke"),
        ("http://{at}/x", b"SSH-2.0-OpenSSH\r\n", "the answer was no HTTP"),
        ("https://{at}/x", b"\r\n" * 9, "no secure connection could be made"),
        ("http://{at}/x", HEAD + b"P" * 80, "the answer was cut short"),
    ],
)
async def test_why_nothing_came_is_told_in_words(url: str, said: bytes, why: str):
    fetch = picture_fetcher(LIMITS, is_allowed=lambda _: True)
    async with speaking(said) as at:
        with pytest.raises(Failure, match=f"could not be fetched: {why}\\.$") as caught:
            await fetch({url.format(at=at): "a"}, let)
    assert (caught.value.status, caught.value.param, caught.value.code) == (400, "a", "invalid_image_url")

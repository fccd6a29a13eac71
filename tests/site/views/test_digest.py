"""Signing up for the digest and leaving it, as readers and as mail programs do it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from seatrial.site.digest.subscriptions import unsubscribe_token
from seatrial.site.mail.carriers import Unavailable


@pytest.fixture(params=["sqlite", "postgresql"])
def site(request: pytest.FixtureRequest, open_site: Callable[..., Any]) -> Any:
    return open_site(request.param)


async def subscribed(site: Any, reader: Any, email: str = "reader@example.org") -> str:
    """The path that ends the subscription."""
    await reader.send((await reader.get("/digest")).form("/digest/subscribe"), email=email)
    link = site.mailbox.link("/digest/confirm/")
    await reader.send((await reader.get(link)).form(link))
    return f"/digest/unsubscribe/{unsubscribe_token(site.parts.tokens, 1)}"


async def test_a_reader_signs_up_by_mail_and_leaves(site: Any, reader: Any) -> None:
    counts = site.parts.subscriptions.counts
    leave = await subscribed(site, reader)
    assert (counts().active, counts().left) == (1, 0)
    page = await reader.get(leave)
    assert "r…@example.org" in page.text
    assert counts().active == 1  # a GET only asks
    gone = await reader.send(page.form(leave))
    assert "unsubscribed" in gone.text
    assert (counts().active, counts().left) == (0, 1)


async def test_a_link_in_a_mail_only_asks(site: Any, reader: Any) -> None:
    await reader.post("/digest/subscribe", {"email": "reader@example.org"})
    link = site.mailbox.link("/digest/confirm/")
    for _ in range(3):
        assert (await reader.get(link)).status == 200
    assert site.parts.subscriptions.counts().active == 0


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("application/x-www-form-urlencoded", b"List-Unsubscribe=One-Click"),
        (
            "multipart/form-data; boundary=b",
            b'--b\r\ncontent-disposition: form-data; name="List-Unsubscribe"\r\n\r\nOne-Click\r\n--b--\r\n',
        ),
    ],
)
async def test_a_mail_programs_button_works(site: Any, reader: Any, kind: str, body: bytes) -> None:
    leave = await subscribed(site, reader)
    program = site.visitor("198.51.100.1")
    answer = await program.post(leave, body, content_type=kind, sec_fetch_site="")  # no cookie, no origin: RFC 8058
    assert answer.status == 200
    assert site.parts.subscriptions.counts().active == 0


async def test_every_address_gets_the_same_answer(site: Any, reader: Any) -> None:
    await subscribed(site, reader)
    known = await reader.post("/digest/subscribe", {"email": "reader@example.org"})
    unknown = await reader.post("/digest/subscribe", {"email": "stranger@example.org"})
    assert known.body == unknown.body
    assert len(site.mailbox.messages) == 2


@pytest.mark.parametrize("email", ["", "reader", "a@b", "a@b.example\r\nBcc: x@y.example", "a@b.example, c@d.example"])
async def test_what_is_no_address_is_refused(site: Any, reader: Any, email: str) -> None:
    answer = await reader.post("/digest/subscribe", {"email": email})
    assert answer.status == 400
    assert not site.mailbox.messages


async def test_another_site_cannot_sign_its_readers_up(site: Any, reader: Any) -> None:
    refused = await reader.post("/digest/subscribe", {"email": "a@b.example"}, sec_fetch_site="cross-site")
    assert refused.status == 403
    assert not site.mailbox.messages


async def test_one_network_cannot_have_the_site_write_without_end(open_site: Callable[..., Any]) -> None:
    site = open_site(num_mails=3)
    reader = site.visitor()
    statuses = [
        (await reader.post("/digest/subscribe", {"email": f"victim{number}@example.org"})).status for number in range(5)
    ]
    assert statuses == [200, 200, 200, 429, 429]
    assert len(site.mailbox.messages) == 3
    assert (await site.visitor("198.51.100.1").post("/digest/subscribe", {"email": "other@example.org"})).status == 200


async def test_a_mail_server_that_is_down_is_said(site: Any, reader: Any) -> None:
    site.mailbox.fault = Unavailable("smtp.internal:25 refuses connections")
    refused = await reader.post("/digest/subscribe", {"email": "reader@example.org"})
    assert refused.status == 503
    assert "smtp.internal" not in refused.text


@pytest.mark.parametrize("what", ["confirm", "unsubscribe"])
@pytest.mark.parametrize("token", ["x", "a.b.c", "%00", "0"])
async def test_forged_tokens_do_nothing(site: Any, reader: Any, what: str, token: str) -> None:
    await subscribed(site, reader)
    path = f"/digest/{what}/{token}"
    assert (await reader.get(path)).status == 400
    assert (await reader.post(path, {})).status == 400
    assert site.parts.subscriptions.counts().active == 1


async def test_a_token_of_one_kind_is_no_other(site: Any, reader: Any) -> None:
    leave = await subscribed(site, reader)
    token = leave.rpartition("/")[2]
    assert (await reader.post(f"/digest/confirm/{token}", {})).status == 400
    assert (await reader.post(f"/voter/confirm/{token}", {})).status == 400

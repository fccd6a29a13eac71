"""Voting with a browser: with and without JavaScript, changed, taken back, confirmed; and what is refused."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from site_samples import run_document

from seatrial.errors import StorageError
from seatrial.site.votes.chain import verify
from seatrial.site.votes.proof_of_work import solve
from seatrial.site.votes.subject import blind_subject, model_subject, pair_subject
from seatrial.site.votes.throttle import Limits

PAIR = "/compare/gpt-5-mini-vs-smollm3-3b"
MODEL = model_subject("smollm3-3b").key
BOTH = pair_subject("gpt-5-mini", "smollm3-3b").key


@pytest.fixture(params=["sqlite", "postgresql"])
def site(request: pytest.FixtureRequest, open_site: Callable[..., Any]) -> Any:
    return open_site(request.param)


def vote(subject: str = MODEL, choice: str = "ship", **more: str) -> dict[str, str]:
    return {"subject": subject, "choice": choice, "back": PAIR} | more


async def test_a_reader_votes_changes_it_and_takes_it_back(site: Any, reader: Any) -> None:
    page = await reader.get(PAIR)
    assert not reader.cookies
    for choice, says in (("ship", "ship"), ("skip", "skip")):
        sent = await reader.send(page.form("/votes", subject=MODEL), choice=choice)
        assert sent.status == 303
        done = await reader.follow(sent)
        assert f"You said: {says}" in done.text
        assert f'href="{PAIR}' in done.text
    assert list(reader.cookies) == ["__Host-voter"]
    await reader.send(page.form("/votes", subject=BOTH), choice="gpt-5-mini")
    mine = await reader.get("/votes/mine")
    assert mine.headers["cache-control"] == "no-store"
    assert (await reader.get("/votes/mine.json")).json["votes"] == [
        {"subject": MODEL, "choice": "skip"},
        {"subject": BOTH, "choice": "gpt-5-mini"},
    ]
    back = await reader.send(mine.form("/votes", subject=MODEL), choice="")
    assert back.location == "/votes/mine"
    assert [each["subject"] for each in (await reader.get("/votes/mine.json")).json["votes"]] == [BOTH]
    assert verify(site.parts.database).fault is None


async def test_the_page_shows_percentages_from_twenty_voters_on(site: Any, reader: Any) -> None:
    for number in range(20):
        page = (await reader.get(f"{PAIR}.json")).json["community"]["models"]["smollm3-3b"]
        assert (page["num_voters"], page["shares"]) == (number, None)
        await site.visitor(f"10.0.{number}.1").post("/votes", vote(choice="ship" if number % 4 else "skip"))
        site.wait(1.1)
    page = (await reader.get(f"{PAIR}.json")).json["community"]["models"]["smollm3-3b"]
    assert page["num_voters"] == 20
    assert page["shares"]["ship"]["value"] == pytest.approx(0.75)
    assert "75%" in (await reader.get(PAIR)).text


async def test_pages_are_the_same_for_who_has_voted(site: Any, reader: Any) -> None:
    await reader.post("/votes", vote())
    site.wait(1.1)
    assert (await reader.get(PAIR)).body == (await site.visitor("198.51.100.1").get(PAIR)).body


async def test_programs_may_vote(site: Any, reader: Any) -> None:
    answer = await reader.post("/votes", vote(), accept="application/json")
    assert answer.json == {"subject": MODEL, "choice": "ship", "weight": 0.1}
    assert "set-cookie" in answer.headers


async def test_a_browser_that_says_nothing_is_asked_once_more(site: Any, reader: Any) -> None:
    asked = await reader.post("/votes", vote(), sec_fetch_site="")
    assert asked.status == 200
    assert (await reader.get("/votes/mine.json")).json["votes"] == []
    form = asked.form("/votes")
    stranger = site.visitor("198.51.100.1")
    again = await stranger.post(form.action, form.fields, sec_fetch_site="")
    assert again.status == 200  # the token is of another cookie
    done = await reader.post(form.action, form.fields, sec_fetch_site="")
    assert done.status == 303
    assert (await reader.get("/votes/mine.json")).json["votes"] == [{"subject": MODEL, "choice": "ship"}]


async def test_a_token_is_good_for_an_hour_and_one_kind_of_form(site: Any, reader: Any) -> None:
    token = (await reader.post("/votes", vote(), sec_fetch_site="")).form("/votes").fields["form_token"]
    elsewhere = await reader.post("/digest/subscribe", {"email": "a@b.example", "form_token": token}, sec_fetch_site="")
    assert "Look into your mailbox" not in elsewhere.text
    site.wait(3_700)
    late = await reader.post("/votes", vote(form_token=token), sec_fetch_site="")
    assert late.status == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"sec_fetch_site": "cross-site"},
        {"sec_fetch_site": "same-site"},
        {"sec_fetch_site": "", "origin": "https://evil.example"},
        {"sec_fetch_site": "", "origin": "null"},
    ],
)
async def test_another_site_cannot_vote_for_its_readers(site: Any, reader: Any, headers: dict[str, str]) -> None:
    await reader.post("/votes", vote())
    refused = await reader.post("/votes", vote(choice="skip"), **headers)
    assert refused.status == 403
    assert (await reader.get("/votes/mine.json")).json["votes"] == [{"subject": MODEL, "choice": "ship"}]


async def test_own_origin_is_enough_where_there_is_no_fetch_metadata(reader: Any) -> None:
    taken = await reader.post("/votes", vote(), sec_fetch_site="", origin="https://seatrial.example")
    assert taken.status == 303


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({}, 400),
        ({"subject": MODEL}, 400),
        (vote(choice="maybe"), 400),
        (vote(choice="ship' OR 1=1 --"), 400),
        (vote(subject="model:no-such-model"), 404),
        (vote(subject=pair_subject("gpt-5-mini", "nobody").key, choice="nobody"), 404),
        (vote(subject="model:smollm3-3b:x"), 400),
        (vote(subject="model:"), 404),
        (vote(subject="x" * 5000), 400),
        (vote(subject="'; DROP TABLE votes; --"), 400),
        (vote(subject=blind_subject("r", "w", "i", "a", "b").key, choice="a"), 400),
        (vote(subject="pair:a:a", choice="a"), 400),
        (vote(subject="model:%00"), 404),
        (b"subject=%ff&choice=ship", 400),
        (b"subject=\xff", 400),
        (b"&&&", 400),
        (b"=".join([b"a"] * 200), 400),
        (b"&".join([b"a=1"] * 200), 400),
        (b"subject=" + b"a" * 70_000, 413),
    ],
)
async def test_what_is_no_vote_is_refused(site: Any, reader: Any, fields: Any, status: int) -> None:
    answer = await reader.post("/votes", fields)
    assert answer.status == status, answer.text
    assert (await reader.get("/votes/mine.json")).json["votes"] == []


@pytest.mark.parametrize("kind", ["application/json", "multipart/form-data; boundary=x", "text/plain", ""])
async def test_only_forms_as_pages_send_them_are_read(reader: Any, kind: str) -> None:
    assert (await reader.post("/votes", b"subject=x", content_type=kind)).status == 415


async def test_a_body_that_says_it_is_small_and_is_not_is_refused(reader: Any) -> None:
    answer = await reader.post("/votes", b"a=" + b"b" * 100_000, content_length="10")
    assert answer.status == 413


@pytest.mark.parametrize(
    "back", ["https://evil.example", "//evil.example", "/\\evil.example", "javascript:alert(1)", ""]
)
async def test_back_leads_nowhere_else(reader: Any, back: str) -> None:
    done = await reader.follow(await reader.post("/votes", vote(back=back)))
    assert "evil" not in done.text
    assert "javascript:" not in done.text
    assert (await reader.get(f"/votes/done?subject={MODEL}&back={back}")).status == 200


async def test_a_forged_cookie_is_a_new_voter(site: Any, reader: Any) -> None:
    await reader.post("/votes", vote())
    thief = site.visitor("198.51.100.1")
    value = reader.cookies["__Host-voter"]
    for forged in (value[:-2] + "xx", value.replace(".", "", 1), "a.b.c"):
        thief.cookies = {"__Host-voter": forged}
        assert (await thief.get("/votes/mine.json")).json["votes"] == []
    thief.cookies = {"voter": value}
    assert (await thief.get("/votes/mine.json")).json["votes"] == []


async def test_candidates_of_published_runs_can_be_voted_on(site: Any, reader: Any) -> None:
    candidate = next(card for card in run_document().candidates if site.library.catalog.find(card.id) is None)
    subject = model_subject(candidate.id).key
    assert (await reader.post("/votes", vote(subject=subject))).status == 404
    site.library.publish(run_document())
    site.wait(10)
    assert (await reader.post("/votes", vote(subject=subject))).status == 303


async def test_whoever_votes_too_often_is_told_when_to_come_back(open_site: Callable[..., Any]) -> None:
    site = open_site(limits=Limits(voter_burst=3, voter_per_hour=60))
    reader = site.visitor()
    statuses = [(await reader.post("/votes", vote(choice=("ship", "skip")[n % 2]))).status for n in range(5)]
    assert statuses == [303, 303, 303, 429, 429]
    refused = await reader.post("/votes", vote())
    assert 0 < int(refused.headers["retry-after"]) <= 60


async def test_trusted_proxies_tell_networks_apart(open_site: Callable[..., Any]) -> None:
    limits = Limits(network_burst=2, network_per_hour=1)
    for trusted, expected in ((("192.0.2.1",), [303] * 5), ((), [303, 303, 429, 429, 429])):
        site = open_site(limits=limits, trusted=trusted)
        statuses = [
            (await site.visitor("192.0.2.1").post("/votes", vote(), x_forwarded_for=f"6.6.6.6, 10.{n}.0.1")).status
            for n in range(5)
        ]
        assert statuses == expected


async def test_under_attack_a_vote_costs_work_or_waiting(open_site: Callable[..., Any]) -> None:
    site = open_site(limits=Limits(attack_per_s=0.1, network_burst=10_000, voter_burst=10_000))
    for number in range(30):
        await site.visitor(f"10.{number}.0.1").post("/votes", vote())
    assert site.booth.mode == "attacked"
    reader = site.visitor("203.0.113.1")
    asked = await reader.post("/votes", vote())
    assert asked.status == 429
    form = asked.form("/votes")
    challenge = form.fields["proof"].removesuffix(":")
    assert (await reader.post("/votes", vote(proof=f"{challenge}:1"))).status == 429
    assert (await site.visitor("203.0.113.9").post("/votes", vote(proof=solve(challenge, 16)))).status == 429
    taken = await reader.post("/votes", form.fields | {"proof": solve(challenge, 16)})
    assert taken.status == 303
    slow = site.visitor("203.0.113.2")
    form = (await slow.post("/votes", vote())).form("/votes")
    assert (await slow.send(form)).status == 429
    site.wait(31)
    assert (await slow.send(form)).status == 303


async def test_a_database_that_cannot_take_it_is_not_acknowledged(
    site: Any, reader: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from seatrial.site.votes.booth import Booth

    async def full(*_: object, **__: object) -> None:
        raise StorageError("The database /var/lib/site.db is on a full disk.")

    monkeypatch.setattr(Booth, "cast", full)
    refused = await reader.post("/votes", vote())
    assert refused.status == 503
    assert "/var/lib" not in refused.text


async def test_many_readers_at_once_are_all_counted(site: Any) -> None:
    visitors = [site.visitor(f"10.{number // 250}.{number % 250}.1") for number in range(200)]
    sent = await asyncio.gather(
        *(each.post("/votes", vote(choice=("ship", "skip")[n % 2])) for n, each in enumerate(visitors))
    )
    assert {answer.status for answer in sent} == {303}
    site.wait(1.1)
    assert site.booth.opinions.of(MODEL).num_voters == 200
    assert verify(site.parts.database).fault is None


async def test_an_address_makes_votes_count_in_full_and_has_one_voter(site: Any, reader: Any) -> None:
    assert (await reader.post("/voter/email", {"email": "reader@example.org"})).status == 400
    assert not site.mailbox.messages
    await reader.post("/votes", vote())
    asked = await reader.send((await reader.get("/votes/mine")).form("/voter/email"), email="Reader@Example.org")
    assert "Look into your mailbox" in asked.text
    link = site.mailbox.link("/voter/confirm/")
    phone = site.visitor("198.51.100.1")
    page = await phone.get(link)
    assert page.status == 200
    assert (await reader.get("/votes/mine.json")).json["is_confirmed"] is False
    assert "reader@example.org" not in page.text.lower()
    assert (await phone.send(page.form(link))).status == 200
    mine = (await reader.get("/votes/mine.json")).json
    assert (mine["is_confirmed"], mine["weight"]) == (True, 1.0)

    other = site.visitor("203.0.113.1")
    await other.post("/votes", vote(choice="skip"))
    await other.post("/voter/email", {"email": "reader@EXAMPLE.org"})
    link = site.mailbox.link("/voter/confirm/")
    await other.send((await other.get(link)).form(link))
    assert (await reader.get("/votes/mine.json")).json["votes"] == []
    assert (await other.get("/votes/mine.json")).json["weight"] == 1.0
    assert verify(site.parts.database).fault is None


@pytest.mark.parametrize("token", ["x", "a.b.c", "%2e%2e", "<script>"])
async def test_forged_and_old_confirmations_are_refused(site: Any, reader: Any, token: str) -> None:
    for answer in (await reader.get(f"/voter/confirm/{token}"), await reader.post(f"/voter/confirm/{token}", {})):
        assert answer.status == 400
        assert "<script>" not in answer.text.replace("<script src", "")


async def test_a_confirmation_ends_after_three_days(site: Any, reader: Any) -> None:
    await reader.post("/votes", vote())
    await reader.post("/voter/email", {"email": "reader@example.org"})
    link = site.mailbox.link("/voter/confirm/")
    site.wait(3 * 86400 + 10)
    assert (await reader.post(link, {})).status == 400


async def test_an_address_gets_three_mails_a_day_whoever_asks(site: Any) -> None:
    for number in range(6):
        reader = site.visitor(f"10.0.{number}.1")
        await reader.post("/votes", vote())
        answer = await reader.post("/voter/email", {"email": "victim@example.org"})
        assert "Look into your mailbox" in answer.text
    assert len(site.mailbox.messages) == 3

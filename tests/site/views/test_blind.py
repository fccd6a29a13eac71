"""Judging blind: names are nowhere before the vote, and what was revealed is not voted on again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from site_samples import run_document

from seatrial.site.votes.blind import num_pairs
from seatrial.site.votes.chain import verify


@pytest.fixture(params=["sqlite", "postgresql"])
def site(request: pytest.FixtureRequest, open_site: Callable[..., Any]) -> Any:
    return open_site(request.param)


@pytest.fixture
def path(site: Any) -> str:
    return f"/blind/{site.library.publish(run_document()).slug}"


async def test_names_stand_nowhere_before_the_vote_and_here_after_it(site: Any, reader: Any, path: str) -> None:
    page = await reader.get(path)
    assert page.headers["cache-control"] == "no-store"
    (form,) = [form for form in page.forms() if form.action == path]
    hidden = page.text.partition('<div class="blind">')[2].partition("</form>")[0]
    for card in run_document().candidates:
        assert card.id not in hidden
        assert card.name not in hidden
    shown = await reader.send(form, side="left")
    assert shown.status == 200
    assert "your choice" in shown.text
    names = [card.name for card in run_document().candidates]
    assert sum(name in shown.text for name in names) >= 2
    (vote,) = (await reader.get("/votes/mine.json")).json["votes"]
    assert vote["subject"].startswith("blind:")


async def test_every_pair_is_shown_once_then_there_is_none(site: Any, reader: Any, path: str) -> None:
    total = num_pairs(run_document())
    for number in range(total):
        asked = (await reader.get(f"{path}.json")).json
        assert (asked["num_done"], asked["num_pairs"]) == (number, total)
        side = ("left", "right", "tie")[number % 3]
        assert (await reader.post(path, {"token": asked["question"]["token"], "side": side})).status == 200
    assert (await reader.get(f"{path}.json")).json["question"] is None
    assert "judged every pair" in (await reader.get(path)).text
    assert len((await reader.get("/votes/mine.json")).json["votes"]) == total
    assert verify(site.parts.database).fault is None


async def test_who_has_seen_the_names_votes_no_more(reader: Any, path: str) -> None:
    form = (await reader.get(path)).form(path)
    await reader.send(form, side="left")
    before = (await reader.get("/votes/mine.json")).json["votes"]
    again = await reader.send(form, side="right")
    assert again.status == 200
    assert (await reader.get("/votes/mine.json")).json["votes"] == before
    by_hand = await reader.post("/votes", {"subject": before[0]["subject"], "choice": "", "back": "/"})
    assert by_hand.status == 400


async def test_readers_see_other_sides(site: Any, path: str) -> None:
    seen = {(await site.visitor(f"10.0.{n}.1").get(f"{path}.json")).json["question"]["left"] for n in range(30)}
    assert len(seen) > 1


@pytest.mark.parametrize("fields", [{}, {"side": "left"}, {"token": "a.b.c", "side": "left"}])
async def test_forged_tokens_are_refused(site: Any, reader: Any, path: str, fields: dict[str, str]) -> None:
    assert (await reader.post(path, fields)).status == 400


async def test_what_is_no_side_is_refused(reader: Any, path: str) -> None:
    form = (await reader.get(path)).form(path)
    assert (await reader.send(form, side="both")).status == 400
    assert (await reader.get("/votes/mine.json")).json["votes"] == []


async def test_another_site_cannot_judge_for_its_readers(reader: Any, path: str) -> None:
    form = (await reader.get(path)).form(path)
    refused = await reader.post(path, form.fields | {"side": "left"}, sec_fetch_site="cross-site")
    assert refused.status == 403

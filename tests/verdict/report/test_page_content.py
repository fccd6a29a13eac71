"""The page says what the verdict says: figures with intervals, unknowns as unknown, nothing hidden that matters."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import msgspec
import pytest
import sample
from hypothesis import given, settings
from hypothesis import strategies as st
from page_tree import Element, parse

from seatrial.verdict.document import Document, PanelCount, Verdict
from seatrial.verdict.report import render_report
from seatrial.verdict.report.footnotes import safe_url

replaced = msgspec.structs.replace


def shown(document: Document) -> Element:
    return parse(render_report(document))


@pytest.fixture(scope="module")
def page() -> Element:
    return shown(sample.measured_document())


def test_the_headline_asks_names_all_and_answers(page: Element) -> None:
    top = page.all("header")[0]
    (title,) = top.all("h1")
    assert "Which one should you ship?" in title.text
    for name in ("SmolLM2-135M", "Nearest example", "Majority answer", "SmolLM3-3B", "GPT-5 mini"):
        assert name in title.text
    assert top.all("p", "badge")[0].text == "Ship"
    assert "Ship Nearest example: it answers 75.6% of triage" in top.all("p", "sentence")[0].text
    assert len(top.all("ul", "reasons")[0].all("li")) == 3


def test_retirement_stands_before_everything_else_and_on_the_card(page: Element) -> None:
    notices = page.all("header")[0].all("p", "notice")
    assert "GPT-5 mini" in notices[0].text
    assert "Retires on 2026-12-11" in notices[0].text
    card = next(card for card in page.all("article", "card") if "GPT-5 mini" in card.text)
    assert "Retires on 2026-12-11" in card.text


def test_a_card_has_what_a_reader_asks_first(page: Element) -> None:
    card = next(card for card in page.all("article", "card") if "GPT-5 mini" in card.text)
    for words in ("Text", "by OpenAI", "Paid", "Proprietary (OpenAI terms)", "0 of 4 ballots", "— no votes yet"):
        assert words in card.text
    assert "Not measured here." in card.text
    assert card.all("pre")[0].text.startswith("OPENAI_API_KEY=… seatrial compare gpt-5-mini")
    assert "hidden" in card.all("button", "copy")[0].attributes, (
        "without JavaScript there is no button that does nothing"
    )


def test_no_ballots_reads_as_a_dash_and_not_as_zero() -> None:
    document = sample.single_document()
    empty = PanelCount(ship_pct=None, ships=0, cast=0)
    page = shown(replaced(document, panel={"smollm2-135m": empty}, ballots=[]))
    card = page.all("article", "card")[0]
    assert card.all("p", "big")[0].text == "—"
    assert "no ballots cast" in card.text
    assert "scorecard" not in {element.attributes.get("id") for element in page.walk()}


def test_figures_come_with_their_intervals(page: Element) -> None:
    measured = page.by_id("measured").text
    for words in ("39.4%", "31.8–47.0%", "0.62 s", "0.60–0.65 s", "$0.017", "$0.016–$0.018", "1.1 ms", "5,810/h"):
        assert words in measured
    assert "clustered mean, Student t" in measured
    assert "160 items in 23 clusters" in measured


def test_too_little_data_says_so_and_says_what_would_be_enough(page: Element) -> None:
    rows = [row for row in page.by_id("measured").all("tr") if row.text.startswith("Whole answer, p99")]
    assert len(rows) == 3
    for row in rows:
        cells = row.all("td")
        assert all("not enough data" in cell.text and "at least 299 items" in cell.text for cell in cells)
        assert not any(char.isdigit() and char == "0" for cell in cells for char in cell.text.replace("299", "9"))


def test_a_metric_that_does_not_apply_is_a_dash(page: Element) -> None:
    row = next(row for row in page.by_id("measured").all("tr") if row.text.startswith("First token"))
    assert [cell.text for cell in row.all("td")][1:] == ["—", "—"]


def test_every_ballot_is_there_with_its_criteria(page: Element) -> None:
    voices = page.by_id("scorecard").all("article", "voice")
    assert len(voices) == 20
    skeptic = next(voice for voice in voices if "a lookup table beats it by" in voice.text)
    assert "Skip" in skeptic.all("h4")[0].text
    assert "3 criteria: 1 pass, 2 fail" in skeptic.text
    assert "Does nothing cheaper beat it?" in skeptic.text
    assert len(skeptic.all("sup", "fn")) >= 2


def test_the_split_names_both_sides_and_their_grounds(page: Element) -> None:
    split = page.by_id("split").all("div", "split")[0]
    assert "SmolLM2-135M 2 to 2" in split.text
    assert "Builder and Futurist ship" in split.text
    assert "Skeptic and Founder skip" in split.text
    assert "A lookup table beats it on triage" in split.text


def test_a_panel_that_agrees_says_so() -> None:
    assert "They do not." in shown(sample.catalog_document()).by_id("split").text


def test_nothing_measured_is_said_and_leaves_no_empty_sections() -> None:
    page = shown(sample.catalog_document())
    ids = {element.attributes.get("id") for element in page.walk()}
    assert "Nothing was measured here" in page.by_id("measured").text
    assert not ids & {"plots", "items"}
    assert {"pricing", "marketing", "scores", "facts", "evidence", "repeat"} <= ids
    assert "From published evidence alone" in page.all("header")[0].text


def test_undecided_says_how_many_items_would_settle_it() -> None:
    figures = shown(sample.catalog_document()).all("header")[0].all("dl", "figures")[0].text
    assert figures == "more items would settle it200"


def test_a_mix_shows_its_shares_with_quality_and_cost() -> None:
    top = shown(sample.mixed_document()).all("header")[0].text
    for words in ("Ship a mix", "Nearest example 72.0%", "SmolLM2-135M 28.0%", "78.1%", "$0.0048"):
        assert words in top


def test_one_candidate_alone_gets_its_own_question() -> None:
    page = shown(sample.single_document())
    assert "Should you ship it?" in page.all("h1")[0].text
    assert page.all("header")[0].all("p", "badge")[0].text == "Skip all"


def test_published_scores_never_share_a_row_across_settings(page: Element) -> None:
    rows = [row.text for row in page.by_id("scores").all("tr")[1:]]
    assert len(rows) == 4
    assert not any("35.7" in row and "82.3" in row for row in rows)
    assert any("70.13" in row and "69.9" in row for row in rows), "both sources of one score"


def test_facts_on_which_sources_differ_stand_side_by_side(page: Element) -> None:
    row = next(row for row in page.by_id("facts").all("tr") if row.text.startswith("Released"))
    assert "2025-08-07" in row.text
    assert "2025-11-13" in row.text
    assert "sources differ" in row.text


def test_claims_are_checked_contradicted_first(page: Element) -> None:
    statuses = [element.text for element in page.by_id("marketing").all("p", "status")]
    assert statuses == ["Contradicted", "Contradicted", "Unsupported", "Supported"]


def test_pricing_has_costs_break_even_and_dated_prices(page: Element) -> None:
    pricing = page.by_id("pricing").text
    for words in (
        "$0.017",
        "211 in, 31 out",
        "746,000 tasks a month",
        "no break-even",
        "2026-03-16",
        "$0.15",
        "assumed",
    ):
        assert words in pricing
    assert "not enough data" in pricing, "a cost that is not known"


def test_how_to_repeat_it(page: Element) -> None:
    repeat = page.by_id("repeat")
    assert repeat.all("pre")[0].text == sample.measured_document().run.repeat
    for words in ("Seed 0", "3 points", "commercial", "Intel Xeon (Sapphire Rapids)", "16.8 GB", "torch 2.13.0"):
        assert words in repeat.text.replace("Seed0", "Seed 0")


def test_footnotes_are_numbered_as_a_reader_meets_them(page: Element) -> None:
    first_seen = dict.fromkeys(
        link.attributes["href"] for sup in page.all("header")[0].all("sup", "fn") for link in sup.all("a")
    )
    assert list(first_seen) == [f"#e{number}" for number in range(1, len(first_seen) + 1)]
    entry = page.by_id("e1")
    assert "160 observations of Nearest example on triage" in entry.text
    assert "measured" in entry.text


def test_many_pieces_of_evidence_share_a_link() -> None:
    document = sample.single_document()
    ids = [entry.id for entry in document.evidence]
    span = replaced(document.verdict.spans[0], text="All of it", evidence=ids)
    page = shown(replaced(document, verdict=replaced(document.verdict, spans=[span])))
    (link,) = page.all("p", "sentence")[0].all("a")
    assert link.text == f"1–{len(ids)}"
    assert link.attributes["aria-label"] == f"Evidence 1 to {len(ids)}"


def test_evidence_that_is_cited_but_absent_is_listed_as_missing() -> None:
    document = replaced(sample.single_document(), evidence=[])
    page = shown(document)
    assert "does not hold it" in page.by_id("e1").text
    assert "run:triage/smollm2-135m" in page.by_id("e1").text


def test_the_items_shown_are_capped_and_the_rest_counted() -> None:
    page = shown(sample.large_document())
    groups = page.by_id("items").all("section", "item-group")
    num_shown = [len(group.all("details", "item")) for group in groups]
    assert all(0 < num <= 60 for num in num_shown)
    assert max(num_shown) - min(num_shown) <= 1, "no workload crowds out another"
    for group, num, num_items in zip(groups, num_shown, (160, 80, 100), strict=True):
        assert f"{num_items - num} more in verdict.json" in group.text
    assert "more characters" in groups[0].text


def test_an_item_shows_input_expectation_answers_and_failures(page: Element) -> None:
    items = page.by_id("g1").all("details", "item")
    assert len(items) == 14
    assert "Reference 00003." in items[3].text
    assert "ProviderTimeout: no answer within 60 s." in items[3].text
    assert "failed" in items[3].all("summary")[0].text
    extract = page.by_id("g2").all("details", "item")[0]
    assert '"sku": "' in extract.text


def test_two_candidates_of_one_name_are_told_apart() -> None:
    document = sample.mixed_document()
    cards = [replaced(card, name="Same") for card in document.candidates]
    text = shown(replaced(document, candidates=cards)).all("h1")[0].text
    assert "Same (smollm2-135m)" in text
    assert "Same (baseline:nearest)" in text


def test_a_candidate_id_in_backticks_reads_as_its_name() -> None:
    document = sample.single_document()
    spans = sample.spans("Skip `smollm2-135m`, says `seatrial compare smollm2-135m`.")
    sentence = shown(replaced(document, verdict=replaced(document.verdict, spans=spans))).all("p", "sentence")[0]
    assert sentence.text == "Skip SmolLM2-135M, says seatrial compare smollm2-135m."
    assert [code.text for code in sentence.all("code")] == ["seatrial compare smollm2-135m"]


HOSTILE = (
    "x\"'`><script>alert(1)</script><img src=x onerror=alert(1)>"
    "\" onerror=\"alert(1)' onload='y</style></title></svg>]]>{{7*7}}{% raw %}"
)
WORDS_OF_THE_SCHEMA = {"kind", "vote", "outcome", "decision", "entry", "runs", "status", "purpose", "schema"}
KEYED_BY_TEXT = {"panel", "price_history", "mix", "scores", "versions"}


def planted(value: Any, kept: set[str], key: str = "") -> Any:
    """The value with hostile text behind every string; equal strings stay equal, so that references still hold."""
    if isinstance(value, str):
        return value if key in kept else value + HOSTILE
    if isinstance(value, dict):
        return {
            name + HOSTILE if key in KEYED_BY_TEXT else name: planted(inner, kept, name)
            for name, inner in value.items()
        }
    return [planted(inner, kept, key) for inner in value] if isinstance(value, list) else value


@pytest.mark.parametrize("also_kept", [set(), {"key", "unit"}], ids=["every text", "figures drawn"])
@pytest.mark.parametrize("name", ["measured", "mixed", "catalog", "single"])
def test_no_text_of_a_document_becomes_markup(name: str, also_kept: set[str]) -> None:
    clean = getattr(sample, f"{name}_document")()
    builtins = msgspec.to_builtins(clean, builtin_types=(datetime, date))
    page = shown(msgspec.convert(planted(builtins, WORDS_OF_THE_SCHEMA | also_kept), Document))

    ours = {(element.tag, name) for element in shown(clean).walk() for name in element.attributes}
    found = {(element.tag, name) for element in page.walk() for name in element.attributes}
    assert found <= ours | {("p", "class"), ("span", "class"), ("span", "aria-hidden")}
    assert not any(name.startswith("on") for _, name in found)
    assert len(page.all("script")) == 1
    assert not page.all("img")
    assert not [link for link in page.all("a") if (link.attributes["href"] or "").startswith("http")]
    assert page.text.count("<script>alert(1)</script>") > 50, "the texts are there, as text"
    assert "{{7*7}}{% raw %}" in page.text


@pytest.mark.parametrize(
    ("url", "is_safe"),
    [
        ("https://example.org/a?b=c#d", True),
        ("http://example.org", True),
        ("HTTPS://example.org", True),
        ("javascript:alert(1)", False),
        (" javascript:alert(1)", False),
        ("java\nscript:alert(1)", False),
        ("data:text/html,<script>", False),
        ("//example.org", False),
        ("https:", False),
        ("https://[", False),
        ('https://example.org/"onmouseover="x', False),
        ("https://example.org/\u202e", False),
        ("ftp://example.org", False),
        ("", False),
        (None, False),
    ],
)
def test_only_plain_web_addresses_become_links(url: str | None, is_safe: bool) -> None:
    assert safe_url(url) == (url if is_safe else None)


@settings(max_examples=40, deadline=None)
@given(text=st.text(max_size=300), name=st.text(min_size=1, max_size=80), number=st.floats())
def test_any_text_and_any_number_render(text: str, name: str, number: float) -> None:
    document = sample.single_document()
    card = replaced(document.candidates[0], name=name, tagline=text, description=text)
    claims = [replaced(claim, value=number, low=number, high=number, note=text) for claim in document.claims]
    verdict = Verdict(decision="undecided", candidate=None, text=text, spans=[], reasons=[], more_items=3)
    page = shown(replaced(document, candidates=[card], claims=claims, verdict=verdict))
    assert page.all("p", "sentence")[0].text == " ".join(text.split())


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_what_is_no_number_reads_as_not_enough_data(number: float) -> None:
    document = sample.single_document()
    claims = [replaced(claim, value=number, low=number, high=number) for claim in document.claims]
    cells = shown(replaced(document, claims=claims)).by_id("measured").all("table")[0].all("td")
    assert cells
    assert all("not enough data" in cell.text for cell in cells)

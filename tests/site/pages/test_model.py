"""A model's page: every fact with its source, conflicts side by side, what cannot be missed at the top."""

from __future__ import annotations

import dataclasses
import json
from datetime import date
from typing import Any

import page_rules
import pytest
from site_samples import MadeUpOpinions, replaced, run_document

from seatrial.catalog.entry import Fact, Licence, Retirement, Source
from seatrial.catalog.loading import Catalog
from seatrial.errors import UnknownName
from seatrial.site.library import Library
from seatrial.site.pages.model import model_page
from seatrial.site.votes.subject import model_subject

HOSTILE_SOURCE = Source("x", page_rules.HOSTILE, "javascript:alert(1)", date(2026, 11, 1), "claimed")


def test_every_model_of_the_catalog_has_a_sound_page(library: Any, opinions: Any, shown: Any) -> None:
    for model in library.catalog.entries:
        page = model_page(library, model, opinions)
        tree = shown(page)
        assert page.frame.path == f"/models/{model}"
        assert library.catalog.get(model).name in tree.all("h1")[0].text


def test_an_unknown_model_has_none(library: Any, opinions: Any) -> None:
    with pytest.raises(UnknownName, match="Unknown model `gpt-5-mimi`"):
        model_page(library, "gpt-5-mimi", opinions)


def test_every_fact_has_its_source_with_link_and_date(library: Any, opinions: Any, shown: Any) -> None:
    page = model_page(library, "gpt-5-mini", opinions)
    for fact in page.view.facts:
        for value in fact.values:
            assert value.sources, fact.label
            assert all(source.url and source.as_of for source in value.sources)
    facts = shown(page).by_id("facts")
    assert "400,000 tokens (272,000 in and 128,000 out)OpenAI, GPT-5 mini model page, 2026-11-22" in facts.text
    assert "https://developers.openai.com/api/docs/models/gpt-5-mini" in page_rules.links(facts)


def test_sources_that_disagree_stand_side_by_side(library: Any, opinions: Any, shown: Any) -> None:
    page = model_page(library, "gpt-5-mini", opinions)
    by_label = {fact.label: fact for fact in page.view.facts}
    speed = by_label["Time to first token"]
    assert speed.differs
    assert [value.text.split(" (")[0] for value in speed.values] == ["780 ms", "75 s"]
    assert not by_label["Notes"].differs
    assert not by_label["Context"].differs
    (row,) = [row for row in shown(page).all("tr") if row.text.startswith("Time to first token")]
    assert "sources differ" in row.text
    assert len(row.all("ul", "beside")[0].all("li")) == 2


def test_retirement_stands_at_the_top_with_a_way_on(library: Any, opinions: Any, shown: Any) -> None:
    page = model_page(library, "gpt-5-mini", opinions)
    tree = shown(page)
    (notices,) = [each for each in tree.all("section") if each.attributes.get("aria-label") == "Notices"]
    assert "Shuts down on 11 December 2026, in 25 days" in notices.text
    assert "/compare/gpt-5-mini-vs-gpt-6.1-terra" in page_rules.links(notices)
    html = [element for element in tree.walk() if element.tag in ("h2", "section")]
    assert html.index(notices) < next(i for i, e in enumerate(html) if e.tag == "h2")
    assert "shuts down on 11 December 2026" in page.frame.description


def test_terms_that_are_no_open_licence_stand_at_the_top(library: Any, opinions: Any) -> None:
    (notice,) = model_page(library, "gemma-3-4b", opinions).view.notices
    assert "not an open-source one" in notice.text
    assert "Gemma Terms of Use" in notice.text
    assert not model_page(library, "smollm3-3b", opinions).view.notices


def test_no_commercial_use_cannot_be_missed(library: Any, clock: Any, opinions: Any, shown: Any) -> None:
    entry = library.catalog.get("smollm3-3b")
    licence = dataclasses.replace(entry.licence[0], value=Licence("CC BY-NC 4.0", "CC-BY-NC-4.0", False))
    page = model_page(with_entry(library, clock, dataclasses.replace(entry, licence=(licence,))), entry.id, opinions)
    assert page.view.notices[0].text == "No commercial use: its licence is CC BY-NC 4.0."
    assert "No commercial use" in shown(page).all("section")[0].text


def test_prices_are_drawn_and_tabled(library: Any, opinions: Any, shown: Any) -> None:
    tree = shown(model_page(library, "gpt-5-mini", opinions))
    (plot,) = tree.by_id("prices").all("svg", "plot")
    assert plot.attributes["role"] == "img"
    assert "output: $2 since release" in plot.all("desc")[0].text
    (row,) = tree.by_id("prices").all("tbody")[0].all("tr")
    cells = [cell.text for cell in row.all("td")]
    assert cells[:5] == ["since release", "of any length", "$0.25", "$0.025", "$2"]
    assert cells[5].startswith("genai-prices")


def test_what_costs_nothing_per_token_says_so(library: Any, opinions: Any, shown: Any) -> None:
    assert "costs nothing per token" in shown(model_page(library, "smollm3-3b", opinions)).by_id("prices").text


def test_scores_stand_by_exact_variant(library: Any, opinions: Any, shown: Any) -> None:
    page = model_page(library, "smollm3-3b", opinions)
    rows = {(line.benchmark, line.variant, line.setting): line for line in page.scores}
    assert rows["AIME 2025", "", "no_think"].values[0].text == "9.3"
    assert rows["AIME 2025", "", "think"].values[0].text == "36.7"
    rivals = {rival.name: rival for rival in rows["AIME 2025", "", "no_think"].rivals}
    assert rivals["Qwen2.5-3B"].values[0].text == "2.9"
    assert rivals["Qwen2.5-3B"].path == "/models/qwen2.5-3b"
    hosted = model_page(library, "gpt-5-mini", opinions)
    assert "setting not stated" in shown(hosted).by_id("scores").text


def test_no_score_reads_not_enough_data(library: Any, opinions: Any, shown: Any) -> None:
    assert "Not enough data" in shown(model_page(library, "mobilevlm", opinions)).by_id("scores").text


def test_claims_are_checked_with_their_sources(library: Any, opinions: Any, shown: Any) -> None:
    page = model_page(library, "gpt-5-mini", opinions)
    by_line = {claim.line: claim for claim in page.view.claims}
    cheaper = by_line["60% cheaper than GPT-5"]
    assert cheaper.status == "contradicted"
    assert "80 % below those of GPT-5" in cheaper.finding
    assert {source.kind for source in cheaper.sources} == {"published", "claimed"}
    assert "Contradicted" in shown(page).by_id("claims").text


def test_a_run_shows_its_measurements_its_verdicts_and_where_it_differs(
    own_library: Any, clock: Any, opinions: Any, shown: Any
) -> None:
    own_library.publish(run_document("run-1"))
    clock.advance(days=3)
    own_library.publish(run_document("run-2", decision="skip"))
    page = model_page(own_library, "smollm2-135m", opinions)
    measured = {line.workload: line for line in page.measured}
    assert measured["Support triage"].value == "39.4%"
    assert measured["Support triage"].n == "160"
    assert [change.kind for change in page.history] == ["flipped", "new"]
    assert page.published[0].path == measured["Support triage"].path
    tree = shown(page)
    assert "39.4%" in tree.by_id("scores").text
    assert "Ship SmolLM2-135M, now Skip all" in tree.by_id("history").text
    assert model_page(own_library, "gpt-6-luna", opinions).history == ()


def test_what_a_run_found_otherwise_stands_beside_the_catalogs_finding(own_library: Any, opinions: Any) -> None:
    document = run_document("run-1")
    entry = own_library.catalog.get("gpt-5-mini")
    finding = replaced(document.marketing[0], model=entry.id, line=entry.marketing[0].line, status="supported")
    own_library.publish(replaced(document, marketing=[finding]))
    claims = model_page(own_library, entry.id, opinions).view.claims
    assert [(run.status, run.path) for run in claims[0].by_runs] == [("supported", own_library.latest(1)[0].path)]
    assert claims[1].by_runs == ()


def test_it_says_what_visitors_think_from_twenty_on(library: Any, opinions: Any, shown: Any) -> None:
    key = model_subject("smollm3-3b").key
    assert "no votes yet" in shown(model_page(library, "smollm3-3b", opinions)).by_id("vote").text
    few = model_page(library, "smollm3-3b", MadeUpOpinions({key: {"ship": 19}}))
    assert "%" not in shown(few).by_id("vote").text.replace("19 voters", "")
    assert few.data()["community"] == {"num_voters": 19, "ship": None}
    many = model_page(library, "smollm3-3b", MadeUpOpinions({key: {"ship": 15, "skip": 5}}))
    assert "75%" in shown(many).by_id("vote").text
    assert round(many.data()["community"]["ship"]["low"], 3) == 0.531


def test_the_form_comes_back_to_this_page_and_holds_nothing_of_the_reader(
    library: Any, opinions: Any, shown: Any
) -> None:
    (form,) = shown(model_page(library, "smollm3-3b", opinions)).all("form", "vote-form")
    fields = {str(field.attributes["name"]): field.attributes["value"] for field in form.all("input")}
    assert fields == {"subject": "model:smollm3-3b", "back": "/models/smollm3-3b#vote"}
    assert [button.attributes["value"] for button in form.all("button")] == ["ship", "skip"]


def test_its_twin_is_the_entry_with_every_source(library: Any, opinions: Any) -> None:
    data = model_page(library, "gpt-5-mini", opinions).data()
    text = json.dumps(data)
    assert data["model"]["context_tokens"][0]["value"] == 400_000
    assert data["model"]["context_tokens"][0]["source"]["as_of"] == "2026-11-22"
    assert "https://developers.openai.com/api/docs/deprecations" in text


def test_it_is_software_to_search_engines(library: Any, opinions: Any, shown: Any) -> None:
    told = page_rules.json_ld(shown(model_page(library, "smollm3-3b", opinions)))
    assert told["mainEntity"]["@type"] == "SoftwareApplication"
    assert told["mainEntity"]["author"]["name"] == "Hugging Face"
    assert told["breadcrumb"]["itemListElement"][-1]["item"] == "https://example.org/models/smollm3-3b"


def test_a_static_copy_has_no_form(library: Any, opinions: Any, shown: Any) -> None:
    shown(model_page(library, "gpt-5-mini", opinions), is_static=True)


def test_hostile_texts_of_an_entry_stay_texts(library: Any, clock: Any, opinions: Any, shown: Any) -> None:
    hostile = page_rules.HOSTILE
    entry = library.catalog.get("gpt-5-mini")
    changed = dataclasses.replace(
        entry,
        name=hostile,
        maker=hostile,
        tagline=hostile,
        description=hostile,
        notes=(Fact("gpt-5-mini/notes", hostile, HOSTILE_SOURCE, hostile),),
        licence=(Fact("gpt-5-mini/licence", Licence(hostile, None, False), HOSTILE_SOURCE, hostile),),
        retirement=(Fact("gpt-5-mini/retirement", Retirement(date(2026, 12, 1), hostile), HOSTILE_SOURCE, hostile),),
        scores=tuple(
            dataclasses.replace(
                fact,
                note=hostile,
                source=HOSTILE_SOURCE,
                value=dataclasses.replace(
                    fact.value, benchmark=hostile, variant=hostile, setting=hostile, unit=hostile
                ),
            )
            for fact in entry.scores
        ),
        prices=tuple(dataclasses.replace(fact, source=HOSTILE_SOURCE, note=hostile) for fact in entry.prices),
        marketing=tuple(
            dataclasses.replace(c, line=hostile, note=hostile, source=HOSTILE_SOURCE) for c in entry.marketing
        ),
    )
    tree = shown(model_page(with_entry(library, clock, changed), entry.id, opinions))
    assert not tree.all("img")
    assert all(script.attributes.get("src") or script.attributes.get("type") for script in tree.all("script"))
    assert not any(link.startswith("javascript") for link in page_rules.links(tree))
    assert "49" not in tree.all("h1")[0].text


def with_entry(library: Any, clock: Any, entry: Any) -> Library:
    from site_samples import TERMS

    catalog = Catalog({**library.catalog.entries, entry.id: entry})
    return Library(catalog, library._database, clock=clock, judge_terms=TERMS)

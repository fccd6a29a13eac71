"""The comparison page: everything a reader decides by is there, true to its document, whoever wrote the texts in it."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest
from site_samples import MadeUpOpinions, make_library, page_tree, replaced, run_document, sample

from seatrial.site.db.opening import open_database
from seatrial.site.library import Comparison, Library
from seatrial.site.pages.comparison import ComparisonPage, comparison_page
from seatrial.site.rendering import Renderer
from seatrial.site.votes.subject import model_subject, pair_subject
from seatrial.verdict.document import Document

Element, parse = page_tree.Element, page_tree.parse

CATALOG = ("gpt-5-mini-vs-smollm3-3b", "gpt-5-mini-vs-smolvlm2-2.2b")
VOTES = {
    model_subject("gpt-5-mini").key: {"ship": 9, "skip": 31},
    model_subject("smollm3-3b").key: {"ship": 4},
    pair_subject("gpt-5-mini", "smollm3-3b").key: {"gpt-5-mini": 10, "smollm3-3b": 30},
}


@pytest.fixture
def library(new_url: Callable[..., str], clock: Any) -> Iterator[Library]:
    """One of the test's own: most of these tests publish."""
    database = open_database(new_url("sqlite"))
    yield make_library(database, clock)
    database.close()


@pytest.fixture(scope="module")
def renderer() -> Renderer:
    return Renderer("https://example.org")


def page_of(library: Library, slug: str, votes: Any = VOTES) -> ComparisonPage:
    comparison = library.find(slug)
    assert comparison is not None
    return comparison_page(comparison, MadeUpOpinions(votes), library)


def shown(library: Library, renderer: Renderer, document: Document) -> Element:
    """The page of a published document."""
    comparison = library.publish(document)
    return parse(renderer.html(comparison_page(comparison, MadeUpOpinions(), library)).decode())


@pytest.mark.parametrize("slug", CATALOG)
def test_a_comparison_out_of_the_catalog_has_every_part(library: Library, renderer: Renderer, slug: str) -> None:
    page = page_of(library, slug)
    root = parse(renderer.html(page).decode())
    assert "Which one should you ship?" in root.all("h1")[0].text
    sentence = root.all("p", "sentence")[0]
    assert re.sub(r"[\d–·]", "", page.comparison.document.verdict.text.split(":")[0]) in re.sub(
        r"[\d–·]", "", sentence.text
    )
    ids = {element.attributes.get("id") for element in root.walk()}
    assert {
        "cards",
        "vote",
        "scorecard",
        "split",
        "pricing",
        "volume",
        "measured",
        "facts",
        "evidence",
        "repeat",
    } <= ids
    assert {"marketing", "scores"} & ids
    notices = root.all("section", "notices")[0].text
    assert "11 December 2026" in notices, "GPT-5 mini's retirement cannot be missed"
    assert f"seatrial compare {' '.join(slug.split('-vs-'))}" in root.by_id("repeat").text


def test_a_card_holds_both_shares_and_leads_to_its_model(library: Library, renderer: Renderer) -> None:
    root = parse(renderer.html(page_of(library, CATALOG[0])).decode())
    gpt, smol = root.all("article", "card")
    assert "Community would ship 22% 12–38%, 40 voters" in gpt.text
    assert "Community would ship — 4 voters; shown from 20" in smol.text
    assert "EntryPaid" in gpt.text
    assert "EntryFree" in smol.text
    assert gpt.all("h3")[0].all("a")[0].attributes["href"] == "/models/gpt-5-mini"


def test_both_vote_forms_work_without_a_script_and_hold_nothing_of_the_reader(
    library: Library, renderer: Renderer
) -> None:
    root = parse(renderer.html(page_of(library, CATALOG[0])).decode())
    forms = root.all("form", "vote-form")
    assert len(forms) == 3
    for form in forms:
        assert (form.attributes["method"], form.attributes["action"]) == ("post", "/votes")
        fields = {each.attributes["name"]: each.attributes["value"] for each in form.all("input")}
        assert set(fields) == {"subject", "back"}
        assert fields["back"] == f"/compare/{CATALOG[0]}#vote"
        assert all(button.attributes["name"] == "choice" for button in form.all("button"))
        assert form.all("legend")[0].text
    subjects = [form.all("input")[0].attributes["value"] for form in forms]
    assert subjects == list(VOTES)
    values = [button.attributes["value"] for form in forms for button in form.all("button")]
    assert values == ["ship", "skip", "ship", "skip", "gpt-5-mini", "smollm3-3b"]


def test_shares_of_a_pair_stand_with_their_intervals(library: Library, renderer: Renderer) -> None:
    vote = parse(renderer.html(page_of(library, CATALOG[0])).decode()).by_id("vote")
    assert "25% 14–40%" in vote.text
    assert "75% 60–86%" in vote.text


def test_a_run_has_its_items_its_blind_mode_and_its_figures(library: Library, renderer: Renderer) -> None:
    comparison = library.publish(run_document())
    page = comparison_page(comparison, MadeUpOpinions(), library)
    root = parse(renderer.html(page).decode())
    ids = {element.attributes.get("id") for element in root.walk()}
    assert {"items", "plots", "measured"} <= ids
    links = {link.attributes["href"] for link in root.all("a")}
    assert f"/blind/{comparison.slug}" in links
    assert f"/compare/{comparison.slug}.json" in links
    assert "39.4%" in root.by_id("measured").text


def test_without_items_that_differ_there_is_no_blind_mode(library: Library, renderer: Renderer) -> None:
    root = shown(library, renderer, replaced(run_document(), item_differences=[]))
    assert not any("/blind/" in (link.attributes["href"] or "") for link in root.all("a"))
    catalog = parse(renderer.html(page_of(library, CATALOG[0])).decode())
    assert not any("/blind/" in (link.attributes["href"] or "") for link in catalog.all("a"))


def test_a_verdict_that_changed_shows_what_stood_before(library: Library, renderer: Renderer, clock: Any) -> None:
    library.publish(run_document("run-1", decision="ship"))
    clock.advance(days=7)
    comparison = library.publish(run_document("run-2", decision="skip"))
    page = comparison_page(comparison, MadeUpOpinions(), library)
    history = parse(renderer.html(page).decode()).by_id("history")
    assert history.text.index("Skip, says run-2.") < history.text.index("Ship, says run-1.")
    assert history.text.count("another verdict than before") == 1
    assert [past["run_id"] for past in page.data()["history"]] == ["run-2", "run-1"]


@pytest.mark.parametrize(
    "make",
    [
        sample.measured_document,
        sample.catalog_document,
        sample.single_document,
        sample.mixed_document,
        sample.bare_document,
        sample.large_document,
    ],
)
def test_the_page_is_well_formed_accessible_and_within_the_policy(
    library: Library, renderer: Renderer, make: Any
) -> None:
    root = shown(library, renderer, make())
    levels = [int(element.tag[1]) for element in root.walk() if re.fullmatch(r"h[1-6]", element.tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
    ids = [element.attributes["id"] for element in root.walk() if "id" in element.attributes]
    assert len(ids) == len(set(ids))
    for element in root.walk():
        assert "style" not in element.attributes
        assert not any(name.startswith("on") for name in element.attributes)
        href = element.attributes.get("href") or ""
        assert not href.startswith("#") or href[1:] in ids
        for name in ("aria-labelledby", "aria-describedby", "for"):
            assert element.attributes.get(name) in (None, *ids)
    for header in root.all("th"):
        assert header.attributes.get("scope") in ("col", "row", "rowgroup")
    for control in root.all("button") + root.all("summary") + root.all("a"):
        assert control.text or control.attributes.get("aria-label")
    labels = {label.attributes["for"] for label in root.all("label")}
    inputs = [each for each in root.all("input") if each.attributes.get("type") != "hidden"]
    assert {each.attributes["id"] for each in inputs} == labels
    assert len(root.all("main")) == 1


def test_a_static_copy_has_no_forms_and_only_relative_links(library: Library) -> None:
    html = Renderer("https://example.org", is_static=True).html(
        comparison_page(library.publish(run_document()), MadeUpOpinions(VOTES), library)
    )
    root = parse(html.decode())
    assert root.all("form") == []
    assert "votes are cast where the site runs" in root.by_id("vote").text
    for element in root.walk():
        for name in ("href", "src"):
            assert not (element.attributes.get(name) or "").startswith("/")


def test_the_page_is_the_same_for_every_reader(library: Library, renderer: Renderer) -> None:
    assert renderer.html(page_of(library, CATALOG[0])) == renderer.html(page_of(library, CATALOG[0]))


def test_a_page_with_its_style_and_scripts_is_small(library: Library, renderer: Renderer) -> None:
    import gzip

    page = comparison_page(library.publish(sample.large_document()), MadeUpOpinions(), library)
    assets = sum(len(asset.gzipped) for asset in renderer.assets())
    assert len(gzip.compress(renderer.html(page), 6)) + assets < 150_000


def test_the_twin_is_the_whole_document_with_what_the_site_adds(library: Library, renderer: Renderer) -> None:
    document = run_document()
    comparison = library.publish(document)
    page = comparison_page(comparison, MadeUpOpinions(VOTES), library)
    twin = json.loads(renderer.twin(page))
    assert msgspec.convert(twin["verdict"], Document) == document
    assert twin["community"]["models"]["gpt-5-mini"]["shares"]["ship"]["value"] == 9 / 40
    assert twin["community"]["models"]["smollm3-3b"] == {"num_voters": 4, "shares": None}
    assert twin["run_id"] == "run-1"
    assert twin["volume"]


HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(1)>\"'`{{7*7}}{% raw %}</title></textarea>javascript:x"


def poisoned(value: Any, keep: frozenset[str], key: str = "") -> Any:
    """The value with every text in it hostile, but for those that are keys or of a fixed set."""
    if isinstance(value, str):
        return value if key in keep else HOSTILE
    if isinstance(value, list):
        return [poisoned(each, keep, key) for each in value]
    if isinstance(value, dict):
        return {name: poisoned(each, keep, name) for name, each in value.items()}
    return value


def test_no_text_of_a_document_becomes_markup(library: Library, renderer: Renderer) -> None:
    fixed = {"schema", "kind", "entry", "runs", "vote", "outcome", "decision", "status", "purpose", "key", "unit"}
    instants = {"created_at", "decided_on", "as_of", "valid_from", "id", "candidate", "local", "paid", "model"}
    references = {"workload", "against", "evidence"}
    raw = poisoned(msgspec.to_builtins(run_document()), frozenset(fixed | instants | references))
    document = msgspec.convert(raw, Document)
    cards = [replaced(card, id=f"{HOSTILE}{place}") for place, card in enumerate(document.candidates)]
    for each in (document, replaced(document, candidates=cards, verdict=replaced(document.verdict, candidate=None))):
        html = renderer.html(comparison_page(Comparison("a", each, None, None), MadeUpOpinions(), library)).decode()
        root = parse(html)
        assert {script.attributes.get("type") for script in root.all("script") if script.children} == {
            "application/ld+json"
        }
        assert root.all("img") == []
        assert "{{7*7}}" in html, "nothing in a document is a template"
        for element in root.walk():
            assert not any(name.startswith("on") for name in element.attributes)
            assert not (element.attributes.get("href") or "").strip().lower().startswith("javascript")


def test_unknown_models_are_named_but_not_linked(library: Library, renderer: Renderer) -> None:
    document = run_document()
    cards = [replaced(card, model="gone-1") for card in document.candidates]
    root = shown(library, renderer, replaced(document, candidates=cards))
    assert not any("/models/gone-1" in (link.attributes["href"] or "") for link in root.all("a"))


def test_the_frame_is_what_search_engines_and_chats_show(library: Library) -> None:
    frame = page_of(library, CATALOG[0]).frame
    assert frame.title.endswith(": which one should you ship?")
    assert frame.path == f"/compare/{CATALOG[0]}"
    assert frame.picture == f"/pictures/{CATALOG[0]}.png"
    assert len(frame.description) <= 300

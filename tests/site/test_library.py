"""What the site can show: catalog comparisons judged when asked for, published runs in their place, their history."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from site_samples import make_library, replaced, run_document

from seatrial.errors import InputError, UnknownName, UsageError
from seatrial.site.library import Library
from seatrial.site.slugs import slug_of

PAIR = ("smollm2-135m", "smollm3-3b")
SLUG = "smollm2-135m-vs-smollm3-3b"


@pytest.fixture
def library(database: Any, clock: Any) -> Library:
    return make_library(database, clock)


@pytest.fixture
def on_sqlite(new_url: Any, clock: Any) -> Any:
    from seatrial.site.db.opening import open_database

    database = open_database(new_url("sqlite"))
    yield make_library(database, clock)
    database.close()


@pytest.mark.parametrize("slug", ["gpt-5-mini-vs-smollm3-3b", "gpt-5-mini-vs-smolvlm2-2.2b"])
def test_any_two_models_of_the_catalog_have_a_comparison(on_sqlite: Library, slug: str) -> None:
    comparison = on_sqlite.find(slug)
    assert comparison is not None
    assert comparison.slug == slug
    assert comparison.path == f"/compare/{slug}"
    assert (comparison.added_at, comparison.run_id) == (None, None)
    assert [card.id for card in comparison.document.candidates] == slug.split("-vs-")
    assert comparison.document.verdict.text
    assert comparison.document.run.decided_on == on_sqlite.today()


def test_three_models_have_one_too_and_seven_have_not(on_sqlite: Library) -> None:
    assert on_sqlite.find("gpt-5-mini-vs-smollm2-135m-vs-smollm3-3b") is not None
    seven = sorted(on_sqlite.catalog.entries)[:7]
    assert on_sqlite.find(slug_of(seven)) is None
    with pytest.raises(UsageError, match="7 models were named; a comparison takes 2 to 6"):
        on_sqlite.of_models(seven)


@pytest.mark.parametrize(
    "slug",
    [
        "smollm3-3b",
        "smollm3-3b-vs-smollm3-3b",
        "smollm3-3b-vs-nobody",
        "smollm3-3b-vs-gpt-5-mini",
        "",
        "../../etc/passwd",
        "a" * 5000,
        "gpt-5-mini-vs-smollm3-3b\x00",
        "gpt-5-mini-vs-smollm3-3b' OR 1=1 --",
    ],
)
def test_what_is_no_comparison_is_not_found(on_sqlite: Library, slug: str) -> None:
    assert on_sqlite.find(slug) is None


@given(slug=st.text(max_size=40))
def test_no_slug_whatever_breaks_it(slug: str) -> None:
    from seatrial.site.slugs import in_order, is_slug

    assert not is_slug(slug) or is_slug(in_order(slug))


def test_another_order_leads_to_the_canonical_one(on_sqlite: Library) -> None:
    assert on_sqlite.canonical("smollm3-3b-vs-gpt-5-mini") == "gpt-5-mini-vs-smollm3-3b"
    assert on_sqlite.canonical("gpt-5-mini-vs-smollm3-3b") == "gpt-5-mini-vs-smollm3-3b"
    assert on_sqlite.canonical("smollm3-3b-vs-nobody") is None
    assert on_sqlite.canonical("..%2f") is None


def test_of_models_names_what_is_wrong(on_sqlite: Library) -> None:
    with pytest.raises(UnknownName, match="Did you mean `smollm3-3b`"):
        on_sqlite.of_models(["smollm3-3", "gpt-5-mini"])
    with pytest.raises(UsageError, match="1 models were named"):
        on_sqlite.of_models(["gpt-5-mini"])
    with pytest.raises(UsageError, match="given twice"):
        on_sqlite.of_models(["gpt-5-mini", "gpt-5-mini"])


def test_a_published_run_takes_the_place_of_the_catalogs_page(library: Library, clock: Any) -> None:
    before = library.find(SLUG)
    assert before is not None
    assert before.run_id is None
    published = library.publish(run_document(candidates=PAIR))
    assert published.slug == SLUG
    assert published.added_at == clock()
    found = library.find(SLUG)
    assert found == published
    assert found.run_id == "run-1"
    assert found.document == run_document(candidates=PAIR)


def test_publishing_changes_the_revision_and_again_the_same_does_not(library: Library) -> None:
    first = library.revision()
    library.publish(run_document())
    second = library.revision()
    assert second > first
    assert library.publish(run_document()).run_id == "run-1"
    assert library.revision() == second
    assert len(library.changes()) == 1


def test_a_new_day_changes_the_revision_and_judges_anew(on_sqlite: Library, clock: Any) -> None:
    before = on_sqlite.revision()
    first = on_sqlite.find("gpt-5-mini-vs-smollm3-3b")
    clock.advance(days=40)
    assert on_sqlite.revision() != before
    later = on_sqlite.find("gpt-5-mini-vs-smollm3-3b")
    assert first is not None
    assert later is not None
    assert later.document.run.decided_on > first.document.run.decided_on


def test_a_run_judged_anew_is_kept_beside_the_old_verdict(library: Library, clock: Any) -> None:
    library.publish(run_document("run-1", decision="ship"))
    clock.advance(hours=1)
    again = library.publish(run_document("run-1", decision="skip"))
    assert again.run_id == "run-1~2"
    clock.advance(hours=1)
    library.publish(run_document("run-2", decision="skip"))
    last, flip, new = library.changes(again.slug)
    assert (new.is_new, new.is_flip, new.now.decision) == (True, False, "ship")
    assert (flip.is_new, flip.is_flip, flip.now.decision) == (False, True, "skip")
    assert flip.before == new.now
    assert (last.is_new, last.is_flip, last.now.run_id) == (False, False, "run-2")
    current = library.find(again.slug)
    assert current is not None
    assert current.run_id == "run-2"


def test_changes_can_be_asked_for_by_time_and_number(library: Library, clock: Any) -> None:
    start = clock()
    for number in range(4):
        library.publish(run_document(f"run-{number}", decision=("ship", "skip")[number % 2]))
        clock.advance(days=1)
    changes = library.changes()
    assert [change.now.run_id for change in changes] == ["run-3", "run-2", "run-1", "run-0"]
    from datetime import timedelta

    middle = library.changes(since=start + timedelta(days=1), until=start + timedelta(days=3))
    assert [change.now.run_id for change in middle] == ["run-2", "run-1"]
    assert middle[-1].before is not None, "what stood before is known though it is older than what was asked for"
    assert middle[-1].before.run_id == "run-0"
    assert [change.now.run_id for change in library.changes(limit=1)] == ["run-3"]
    assert library.changes("no-such-slug") == []


def test_lists_hold_published_runs_first_and_then_the_catalogs_pairs(library: Library, clock: Any) -> None:
    featured = library.listings()
    assert all(listing.added_at is None for listing in featured)
    assert {"gpt-5-mini-vs-smollm3-3b", "gpt-5-mini-vs-smolvlm2-2.2b"} <= {listing.slug for listing in featured}
    library.publish(run_document("a", candidates=("gpt-5-mini", "smollm3-3b")))
    clock.advance(minutes=1)
    library.publish(run_document("b"))
    first, second, third = library.latest(3)
    assert (first.run_id, second.run_id, third.run_id) == ("b", "a", None)
    assert second.slug == "gpt-5-mini-vs-smollm3-3b"
    assert first.num_items == 340
    assert first.title.startswith("SmolLM2-135M, Nearest example, Majority answer, SmolLM3-3B or GPT-5 mini")
    slugs = {listing.slug for listing in library.listings()}
    assert len(slugs) == len(featured) + 1


def test_the_comparisons_of_a_model(library: Library) -> None:
    library.publish(run_document())
    of_model = library.of_model("gpt-5-mini")
    assert of_model[0].run_id == "run-1"
    assert all(listing.has_model("gpt-5-mini") for listing in of_model)
    assert "gpt-5-mini-vs-smollm3-3b" in {listing.slug for listing in of_model}
    assert library.of_model("nobody") == []


def test_what_is_removed_gives_the_place_back(library: Library) -> None:
    library.publish(run_document("a", candidates=PAIR))
    library.publish(run_document("b", candidates=PAIR))
    before = library.revision()
    assert library.remove(SLUG) == 2
    assert library.revision() > before
    found = library.find(SLUG)
    assert found is not None
    assert found.run_id is None
    assert library.remove(SLUG) == 0
    again = library.publish(run_document("c", decision="skip", candidates=PAIR))
    assert again.run_id == "c"
    assert again.document.verdict.decision == "skip", "a row's number may come back, its document must not"


def test_a_run_that_comes_back_judged_otherwise_is_read_anew(library: Library, clock: Any) -> None:
    library.publish(run_document("a", candidates=PAIR))
    assert [listing.decision for listing in library.published()] == ["ship"]
    library.remove(SLUG)
    clock.advance(minutes=1)
    library.publish(run_document("a", decision="skip", candidates=PAIR))
    assert [listing.decision for listing in library.published()] == ["skip"]
    found = library.find(SLUG)
    assert found is not None
    assert found.document.verdict.decision == "skip"


def test_another_server_sees_what_was_published(library: Library, database_url: str, clock: Any) -> None:
    from seatrial.site.db.opening import open_database

    other_database = open_database(database_url)
    other = make_library(other_database, clock)
    assert other.listings()
    library.publish(run_document())
    found = other.find(library.latest(1)[0].slug)
    assert found is not None
    assert found.run_id == "run-1"
    assert other.latest(1)[0].run_id == "run-1"
    other_database.close()


def test_many_threads_may_publish_and_read(library: Library) -> None:
    faults: list[BaseException] = []

    def publish(number: int) -> None:
        try:
            library.publish(run_document(f"run-{number}"))
            assert library.latest(1)[0].run_id is not None
        except BaseException as error:
            faults.append(error)

    threads = [threading.Thread(target=publish, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
    assert len(library.changes()) == 8


def test_a_document_that_cannot_be_shown_is_refused(on_sqlite: Library) -> None:
    document = run_document()
    with pytest.raises(InputError, match="schema"):
        on_sqlite.publish(replaced(document, schema="other/1"))
    with pytest.raises(InputError, match="no candidates"):
        on_sqlite.publish(replaced(document, candidates=[]))
    for run_id in ("", "x" * 181, "a\x00b", "a\nb"):
        with pytest.raises(InputError, match=r"run\.id"):
            on_sqlite.publish(replaced(document, run=replaced(document.run, id=run_id)))
    bad_card = replaced(document.candidates[0], id="x" * 301)
    with pytest.raises(InputError, match="candidates"):
        on_sqlite.publish(replaced(document, candidates=[bad_card]))
    with pytest.raises(InputError, match="no candidate"):
        on_sqlite.publish(replaced(document, verdict=replaced(document.verdict, candidate="someone")))
    assert on_sqlite.changes() == []


def test_hostile_texts_are_kept_as_they_are(library: Library) -> None:
    hostile = "'; DROP TABLE runs; -- <script>alert(1)</script> \x00 \u202e"
    document = run_document()
    document = replaced(document, verdict=replaced(document.verdict, text=hostile))
    published = library.publish(document)
    assert published.document.verdict.text == hostile
    assert library.changes()[0].now.sentence == hostile.replace("\x00", "")

"""The page is one well-formed, self-contained, accessible document, whatever the verdict holds."""

from __future__ import annotations

import base64
import hashlib
import itertools
import re
from collections.abc import Callable

import pytest
import sample
from page_tree import Element, parse

from seatrial.verdict.document import Document
from seatrial.verdict.report import render_report

DOCUMENTS = {
    "measured": sample.measured_document,
    "catalog": sample.catalog_document,
    "single": sample.single_document,
    "mixed": sample.mixed_document,
    "large": sample.large_document,
    "bare": sample.bare_document,
}


@pytest.fixture(scope="module", params=DOCUMENTS.values(), ids=DOCUMENTS.keys())
def page(request: pytest.FixtureRequest) -> Element:
    make: Callable[[], Document] = request.param
    return parse(render_report(make()))


def test_headings_start_at_one_and_skip_no_level(page: Element) -> None:
    levels = [int(element.tag[1]) for element in page.walk() if re.fullmatch(r"h[1-6]", element.tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))


def test_ids_are_unique_and_every_fragment_resolves(page: Element) -> None:
    ids = [element.attributes["id"] for element in page.walk() if "id" in element.attributes]
    assert len(ids) == len(set(ids))
    fragments = [
        (element.attributes.get("href") or "")[1:]
        for element in page.walk()
        if (element.attributes.get("href") or "").startswith("#")
    ]
    assert fragments
    assert set(fragments) <= set(ids)
    for name in ("aria-labelledby", "aria-describedby"):
        references = [element.attributes[name] for element in page.walk() if name in element.attributes]
        assert set(references) <= set(ids)


def test_nothing_is_requested_from_anywhere(page: Element) -> None:
    for element in page.walk():
        assert "src" not in element.attributes
        assert "srcset" not in element.attributes
        href = element.attributes.get("href") or "#"
        if element.tag == "a" and href.startswith("http"):
            assert {"noopener", "noreferrer"} <= set((element.attributes["rel"] or "").split())
        else:
            assert href.startswith(("#", "data:image/svg+xml,")), href
    style = page.all("style")[0].children[0]
    assert "url(" not in style
    assert "@import" not in style


def test_only_its_own_script_may_run(page: Element) -> None:
    (script,) = page.all("script")
    digest = base64.b64encode(hashlib.sha256(str(script.children[0]).encode()).digest()).decode()
    policy = next(
        meta.attributes["content"] or ""
        for meta in page.all("meta")
        if meta.attributes.get("http-equiv") == "Content-Security-Policy"
    )
    assert "default-src 'none'" in policy
    assert f"script-src 'sha256-{digest}'" in policy


def test_every_figure_is_an_image_with_words_and_its_data_beneath(page: Element) -> None:
    for figure in page.all("figure"):
        drawings = figure.all("svg", "plot")
        assert drawings
        for drawing in drawings:
            assert drawing.attributes["role"] == "img"
            assert drawing.all("title")[0].text
            assert drawing.all("desc")[0].text
        (table,) = figure.all("details")[0].all("table")
        assert len(table.all("tr")) > 1


def test_tables_have_scoped_headers_and_every_control_a_name(page: Element) -> None:
    for header in page.all("th"):
        assert header.attributes.get("scope") in ("col", "row", "rowgroup")
    for control in page.all("button") + page.all("summary") + page.all("a"):
        assert control.text or control.attributes.get("aria-label")
    for region in page.walk():
        if region.attributes.get("role") == "region":
            assert region.attributes.get("aria-label")


def test_the_largest_page_stays_under_its_size() -> None:
    assert len(render_report(sample.large_document()).encode()) < 600_000


def test_language_viewport_and_schemes_are_declared(page: Element) -> None:
    assert page.all("html")[0].attributes["lang"] == "en"
    metas = {meta.attributes.get("name"): meta.attributes.get("content") for meta in page.all("meta")}
    assert metas["viewport"] == "width=device-width, initial-scale=1"
    assert metas["color-scheme"] == "light dark"

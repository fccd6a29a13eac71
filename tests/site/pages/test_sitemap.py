"""What search engines may find: every page that is worth it, and only pages that are there."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from typing import Any

from site_samples import run_document

from seatrial.site.pages.sitemap import SitemapEntry, sitemap_entries, sitemap_xml

NAMESPACE = "{http://www.sitemaps.org/schemas/sitemap/0.9}"


def test_it_has_every_model_category_and_comparison(library: Any) -> None:
    paths = [entry.path for entry in sitemap_entries(library)]
    assert len(paths) == len(set(paths))
    assert {"/", "/models", "/methodology", "/categories/text", "/models/gpt-5-mini"} <= set(paths)
    assert {f"/compare/{listing.slug}" for listing in library.listings()} <= set(paths)
    assert not any(path.startswith(("/votes", "/search", "/blind", "/voter")) for path in paths)


def test_a_published_run_has_its_day_and_makes_the_first_page_new(own_library: Any, clock: Any) -> None:
    assert sitemap_entries(own_library)[0] == SitemapEntry("/", None)
    own_library.publish(run_document("run-1", candidates=("smollm2-135m", "baseline:nearest")))
    entries = {entry.path: entry.changed_on for entry in sitemap_entries(own_library)}
    assert entries["/"] == entries["/compare/baseline-nearest-vs-smollm2-135m"] == clock().date()
    assert entries["/models/gpt-5-mini"] is None


def test_the_xml_has_whole_addresses(own_library: Any) -> None:
    own_library.publish(run_document("run-1", candidates=("smollm2-135m", "baseline:nearest")))
    root = ET.fromstring(sitemap_xml(sitemap_entries(own_library), "https://example.org".__add__))
    places = [url.findtext(f"{NAMESPACE}loc") for url in root]
    assert places[0] == "https://example.org/"
    assert all(str(place).startswith("https://example.org/") for place in places)
    assert next(url.findtext(f"{NAMESPACE}lastmod") for url in root) == "2026-11-16"


def test_an_odd_path_cannot_break_the_xml() -> None:
    root = ET.fromstring(sitemap_xml([SitemapEntry("/compare/a&b<c>]]>")], "https://example.org".__add__))
    assert root[0].findtext(f"{NAMESPACE}loc") == "https://example.org/compare/a&b<c>]]>"

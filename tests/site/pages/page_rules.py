"""A page as its reader gets it, held to what every page owes: sound markup, the site's CSP, names for everything."""

from __future__ import annotations

import functools
import itertools
import json
from typing import Any

import site_samples  # makes the report's helpers importable
from page_tree import Element, parse

from seatrial.site.pages.frame import Page
from seatrial.site.rendering import Renderer

assert site_samples

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>{{ 7 * 7 }}\u202e\x00`"
"""A text that breaks out of a page wherever it is not escaped."""

_HEADINGS = ("h1", "h2", "h3", "h4", "h5", "h6")


@functools.cache
def _renderer(is_static: bool) -> Renderer:
    """One for all tests: it compiles its templates once."""
    return Renderer("https://example.org", is_static=is_static)


def shown(page: Page, *, is_static: bool = False) -> Element:
    """The page's tree. Fails where a rule is broken."""
    renderer = _renderer(is_static)
    html = renderer.html(page).decode()
    tree = parse(html.replace("<!doctype html>", "", 1))
    _keeps_csp(tree)
    _names_everything(tree)
    _links_within(tree, is_static=is_static)
    if is_static:
        assert not tree.all("form"), "a static page has a form that nobody answers"
    _twin_is_json(renderer, page)
    return tree


def json_ld(tree: Element) -> dict[str, Any]:
    """What the page tells search engines."""
    (script,) = [each for each in tree.all("script") if each.attributes.get("type") == "application/ld+json"]
    told: dict[str, Any] = json.loads("".join(str(child) for child in script.children))
    return told


def links(tree: Element) -> list[str]:
    """Where the page leads."""
    return [str(link.attributes["href"]) for link in tree.all("a") if "href" in link.attributes]


def _keeps_csp(tree: Element) -> None:
    for element in tree.walk():
        assert "style" not in element.attributes, element.attributes
        assert element.tag != "style"
        assert not any(name.startswith("on") for name in element.attributes), element.attributes
        if element.tag == "script":
            assert element.attributes.get("src") or element.attributes.get("type") == "application/ld+json"


def _names_everything(tree: Element) -> None:
    ids = [element.attributes["id"] for element in tree.walk() if element.attributes.get("id")]
    assert len(ids) == len(set(ids)), sorted(each for each in ids if ids.count(each) > 1)
    known = set(ids)
    for element in tree.walk():
        for name in ("aria-labelledby", "aria-describedby", "for"):
            for target in (element.attributes.get(name) or "").split():
                assert target in known, (element.tag, name, target)
        if element.tag in ("input", "select", "textarea") and element.attributes.get("type") != "hidden":
            assert element.attributes.get("id") in {label.attributes.get("for") for label in tree.all("label")}
        if element.tag == "button":
            assert element.text or element.attributes.get("aria-label")
    levels = [int(element.tag[1]) for element in tree.walk() if element.tag in _HEADINGS]
    assert levels.count(1) == 1, levels
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels)), levels


def _links_within(tree: Element, *, is_static: bool) -> None:
    known = {element.attributes.get("id") for element in tree.walk()}
    for href in links(tree):
        if href.startswith("#"):
            assert href[1:] in known, href
        elif not is_static:
            is_own = href.startswith("/") and not href.startswith("//")
            assert is_own or href.startswith(("https://", "http://")), href
        else:
            assert not href.startswith("/"), href


def _twin_is_json(renderer: Renderer, page: Page) -> None:
    twin = renderer.twin(page)
    assert twin.endswith(b"\n")
    json.loads(twin)

"""Pages become bytes: addresses, static files, JSON-LD and twins, on a server and in a static export."""

from __future__ import annotations

import gzip
import json
import posixpath
import re
from dataclasses import dataclass
from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from site_samples import page_tree

from seatrial.errors import UsageError
from seatrial.site.pages.frame import Frame
from seatrial.site.rendering import Renderer

parse = page_tree.parse


@dataclass(frozen=True, slots=True)
class PlainPage:
    TEMPLATE: ClassVar[str] = "base.html.jinja"

    frame: Frame

    def data(self) -> Any:
        return {"figure": 0.1 + 0.2, "text": "</script>"}


def page(**changes: Any) -> PlainPage:
    return PlainPage(Frame(**({"title": "A title", "description": "What it is", "path": "/models/a"} | changes)))


@pytest.fixture(scope="module")
def renderer() -> Renderer:
    return Renderer("https://example.org/")


@pytest.fixture(scope="module")
def static() -> Renderer:
    return Renderer("https://example.org/trials", is_static=True)


def test_the_head_says_where_the_page_stands(renderer: Renderer) -> None:
    html = renderer.html(page(picture="/pictures/a.png")).decode()
    head = parse(html).all("head")[0]
    links = {link.attributes["rel"]: link.attributes["href"] for link in head.all("link")}
    assert links["canonical"] == "https://example.org/models/a"
    metas = {meta.attributes.get("property") or meta.attributes.get("name"): meta for meta in head.all("meta")}
    assert metas["og:image"].attributes["content"] == "https://example.org/pictures/a.png"
    assert metas["description"].attributes["content"] == "What it is"
    assert "robots" not in metas
    assert head.all("title")[0].text == "A title · Seatrial"
    alternates = [link.attributes["href"] for link in head.all("link") if link.attributes["rel"] == "alternate"]
    assert alternates == ["/models/a.json", "/feed.atom"]


def test_a_page_kept_out_of_search_engines_says_so(renderer: Renderer) -> None:
    html = renderer.html(page(is_indexed=False)).decode()
    assert '<meta name="robots" content="noindex">' in html
    assert "canonical" not in html


def test_nothing_that_the_policy_forbids_is_on_the_page(renderer: Renderer, static: Renderer) -> None:
    for each in (renderer, static):
        root = parse(each.html(page(json_ld={"@type": "Thing"})).decode())
        for element in root.walk():
            assert "style" not in element.attributes
            assert not any(name.startswith("on") for name in element.attributes)
            if element.tag == "script" and element.children:
                assert element.attributes["type"] == "application/ld+json"
        assert root.all("style") == []


def test_hostile_texts_leave_neither_attribute_nor_script(renderer: Renderer) -> None:
    hostile = "\"><script>alert(1)</script>' onload=x </script><!--"
    html = renderer.html(
        page(title=hostile, description=hostile, path='/models/"><script>', json_ld={"name": hostile})
    ).decode()
    root = parse(html)
    assert root.all("title")[0].text.startswith('"><script>')
    scripts = root.all("script")
    assert [script.attributes.get("src", "data") for script in scripts][1:] == ["data"]
    assert json.loads(str(scripts[1].children[0]))["name"] == hostile


def test_json_ld_has_addresses_where_pages_have_paths(renderer: Renderer) -> None:
    json_ld = {
        "@type": "Article",
        "image": "/pictures/a.png",
        "about": [{"url": "/models/b", "name": "/models/b"}],
        "text": "/not/an/address",
    }
    html = renderer.html(page(json_ld=json_ld)).decode()
    (script,) = (script for script in parse(html).all("script") if script.children)
    assert json.loads(str(script.children[0])) == {
        "@context": "https://schema.org",
        "@type": "Article",
        "url": "https://example.org/models/a",
        "image": "https://example.org/pictures/a.png",
        "about": [{"url": "https://example.org/models/b", "name": "/models/b"}],
        "text": "/not/an/address",
    }


def test_the_twin_is_the_data_unrounded(renderer: Renderer) -> None:
    assert json.loads(renderer.twin(page())) == {"figure": 0.1 + 0.2, "text": "</script>"}


def test_static_files_are_named_by_their_content(renderer: Renderer) -> None:
    assets = {asset.name: asset for asset in renderer.assets()}
    for name in ("site.css", "site.js", "work.js", "icon.svg"):
        path = renderer.asset(name)
        stem, suffix = posixpath.splitext(name)
        assert re.fullmatch(rf"/static/{stem}\.[0-9a-f]{{10}}\{suffix}", path)
        asset = assets[path.removeprefix("/static/")]
        assert gzip.decompress(asset.gzipped) == asset.body
    assert {asset.media_type.partition(";")[0] for asset in renderer.assets()} == {
        "text/css",
        "text/javascript",
        "image/svg+xml",
    }


def test_style_and_scripts_fetch_nothing(renderer: Renderer) -> None:
    for asset in renderer.assets():
        text = asset.body.decode()
        assert "@import" not in text
        assert "url(" not in text
        assert not re.search(r"https?://(?!www\.w3\.org)", text)


def test_style_and_scripts_are_small(renderer: Renderer) -> None:
    assert sum(len(asset.gzipped) for asset in renderer.assets()) < 25_000


def test_a_static_page_links_relatively_and_has_no_forms(static: Renderer) -> None:
    root = parse(static.html(page()).decode())
    assert root.all("form") == []
    hrefs = [link.attributes["href"] or "" for link in root.all("a") + root.all("link")]
    inside = [href for href in hrefs if not href.startswith("https://example.org/trials/")]
    assert inside
    assert all(not href.startswith("/") for href in inside)
    assert "../" in inside, "from /models/a to /models"
    assert "../a.json" in inside


@pytest.mark.parametrize(
    ("path", "here", "link"),
    [
        ("/", "/", "./"),
        ("/", "/compare/x", "../../"),
        ("/compare/x", "/", "compare/x/"),
        ("/models/b#facts", "/compare/a", "../../models/b/#facts"),
        ("/compare/a#vote", "/compare/a", "#vote"),
        ("/static/site.1.css", "/models/b", "../../static/site.1.css"),
        ("/models/gemini-2.5", "/models", "gemini-2.5/"),
        ("/compare/a.json", "/compare/a", "../a.json"),
        ("/index.json", "/", "index.json"),
    ],
)
def test_relative_links(static: Renderer, path: str, here: str, link: str) -> None:
    assert static.link(path, here) == link


names = st.lists(st.sampled_from(["a", "b", "models", "x.y"]), max_size=3).map(lambda parts: "/" + "/".join(parts))


@given(path=names, here=names)
def test_a_relative_link_leads_where_the_path_does(path: str, here: str) -> None:
    link = Renderer("https://example.org", is_static=True).link(path, here)
    folder = here if here.endswith("/") else f"{here}/"
    arrived = posixpath.normpath(posixpath.join(folder, link))
    assert arrived == posixpath.normpath(path)


def test_on_a_server_links_stand_as_they_are(renderer: Renderer) -> None:
    assert renderer.link("/models/b#facts", "/compare/a") == "/models/b#facts"


@pytest.mark.parametrize(
    "base_url",
    ["", "example.org", "ftp://example.org", "https://", "https://a b", "https://x/y", "https://[", "javascript:x"],
)
def test_an_address_that_is_none_is_refused(base_url: str) -> None:
    with pytest.raises(UsageError):
        Renderer(base_url)

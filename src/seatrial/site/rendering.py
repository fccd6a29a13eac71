"""From a page's dataclass to bytes: its HTML, its JSON twin, and the static files that pages refer to.

A `Page` comes in; UTF-8 bytes go out. The stylesheet and script are the report's own with the site's added, under names
that carry a hash of their content, so that they may be kept for ever. Templates link by `link(path)` and `asset(name)`:
addresses as they stand on a server, relative ones in a static export, which then works in any folder.
"""

from __future__ import annotations

import gzip
import hashlib
import posixpath
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import jinja2
import msgspec
from jinja2.runtime import Context
from markupsafe import Markup

import seatrial
from seatrial.errors import UsageError
from seatrial.site.pages.frame import Frame, Page
from seatrial.verdict.report.templating import ASSETS, TEMPLATES, make_environment

STATIC = "/static/"

_HERE = Path(__file__).parent
_MEDIA_TYPES = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}
_MADE_OF = {
    "site.css": (ASSETS / "report.css", _HERE / "static" / "site.css", _HERE / "static" / "pages.css"),
    "site.js": (ASSETS / "report.js", _HERE / "static" / "site.js"),
    "work.js": (_HERE / "static" / "work.js",),
    "icon.svg": (_HERE / "static" / "icon.svg",),
}
_ADDRESSES = frozenset({"url", "@id", "image", "item", "contentUrl"})
_NOT_IN_HOST = re.compile(r"[\s<>\"'`\\?#]")


@dataclass(frozen=True, slots=True)
class Asset:
    """A static file. `name` is unique to its content; `gzipped` is the same, compressed."""

    name: str
    media_type: str
    body: bytes
    gzipped: bytes


@dataclass(frozen=True, slots=True)
class Site:
    """What templates know of the site. `base_url` has no slash at its end."""

    name: str
    base_url: str
    is_static: bool
    version: str


class Renderer:
    """Fills templates. `base_url` is where readers find the site (`https://example.org`), for canonical addresses."""

    def __init__(self, base_url: str, *, is_static: bool = False, name: str = "Seatrial") -> None:
        """Raise `UsageError` unless `base_url` is an http or https address; with a path only where `is_static`."""
        self.site = Site(name, _checked(base_url, is_static=is_static), is_static, seatrial.__version__)
        self._environment = _environment()
        self._environment.globals.update(
            site=self.site,
            absolute=self.absolute,
            json_ld=self._json_ld,
            link=_for_template(self.link),
            asset=_for_template(lambda name, here: self.link(self.asset(name), here)),
        )

    def html(self, page: Page) -> bytes:
        """The page as HTML."""
        template = self._environment.get_template(page.TEMPLATE)
        return template.render(page=page, here=page.frame.path).encode("utf-8", "replace")

    def twin(self, page: Page) -> bytes:
        """The page as JSON, with a line feed at its end."""
        return msgspec.json.encode(page.data()) + b"\n"

    def asset(self, name: str) -> str:
        """The path of a static file: that of `site.css` is `/static/site.0123456789.css`."""
        return STATIC + _assets()[name].name

    def assets(self) -> list[Asset]:
        """Every static file."""
        return list(_assets().values())

    def absolute(self, path: str) -> str:
        """The whole address of a path on this site; a file server has a page as a folder, with a slash at its end."""
        is_folder = self.site.is_static and not _is_file(path) and not path.endswith("/")
        return f"{self.site.base_url}{path}{'/' if is_folder else ''}"

    def link(self, path: str, here: str) -> str:
        """How the page at `here` refers to `path`: as it stands, or relative in a static export."""
        return _relative(path, here) if self.site.is_static else path

    def _json_ld(self, frame: Frame) -> Any:
        """What the frame says, with the page's address; paths on this site become addresses."""
        return _with_addresses({"@context": "https://schema.org", "url": frame.path, **(frame.json_ld or {})}, self)


def _checked(base_url: str, *, is_static: bool) -> str:
    try:
        parts = urlsplit(base_url)
        is_sound = parts.scheme in ("http", "https") and bool(parts.hostname) and not _NOT_IN_HOST.search(base_url)
    except ValueError:
        is_sound = False
    if not is_sound:
        raise UsageError(f"`{base_url[:200]}` is not where a site can be found. Write https://host.", field="site_url")
    if parts.path.strip("/") and not is_static:
        raise UsageError(
            f"`{base_url[:200]}` has a path, and the site answers at the root of its host. Write "
            f"{parts.scheme}://{parts.netloc}, or build static files, which work in any folder.",
            field="site_url",
        )
    return base_url.rstrip("/")


def _environment() -> jinja2.Environment:
    own = jinja2.FileSystemLoader(_HERE / "templates")
    sections = jinja2.PrefixLoader({"report": jinja2.FileSystemLoader(TEMPLATES)})
    environment = make_environment(jinja2.ChoiceLoader([sections, own]), _HERE / "templates" / "__pycache__")
    environment.globals["icon"] = _icon
    return environment


def _icon(name: str) -> Markup:
    return Markup('<svg class="icon" aria-hidden="true"><use href="#i-{}"/></svg>').format(name)


def _for_template(function: Callable[[str, str], str]) -> Callable[[Context, str], str]:
    """The function with the page's own path as its second argument, taken from the template's context."""

    @jinja2.pass_context
    def called(context: Context, first: str) -> str:
        return function(first, context["here"])

    return called


def _relative(path: str, here: str) -> str:
    """From the folder of page `here` to `path`; pages are folders, files are files.

    From `/compare/a`, `/models/b#facts` is `../../models/b/#facts`, and `/static/site.css` `../../static/site.css`.
    """
    place = re.split(r"[?#]", path, maxsplit=1)[0]
    rest = path[len(place) :]
    if not place or place == here:
        return rest or "./"
    relative = posixpath.relpath(place, "/" if _is_file(here) else here)
    return relative + ("" if _is_file(place) else "/") + rest


def _is_file(path: str) -> bool:
    return path.startswith(STATIC) or path.endswith((".json", ".atom", ".xml", ".png", ".webp", ".txt", ".html"))


def _with_addresses(value: Any, renderer: Renderer, key: str = "") -> Any:
    if isinstance(value, dict):
        return {name: _with_addresses(each, renderer, name) for name, each in value.items()}
    if isinstance(value, list):
        return [_with_addresses(each, renderer, key) for each in value]
    if isinstance(value, str) and key in _ADDRESSES and value.startswith("/"):
        return renderer.absolute(value)
    return value


@cache
def _assets() -> dict[str, Asset]:
    return {name: _asset(name, parts) for name, parts in _MADE_OF.items()}


def _asset(name: str, parts: tuple[Path, ...]) -> Asset:
    body = b"\n".join(part.read_bytes() for part in parts)
    stem, suffix = posixpath.splitext(name)
    digest = hashlib.sha256(body).hexdigest()[:10]
    return Asset(f"{stem}.{digest}{suffix}", _MEDIA_TYPES[suffix], body, gzip.compress(body, 9, mtime=0))

"""A document to one self-contained HTML page: templates filled, style and script inlined, nothing fetched."""

from __future__ import annotations

import base64
import hashlib
from functools import cache

import jinja2
from markupsafe import Markup

from seatrial.verdict.document import Document
from seatrial.verdict.report.page import build_page
from seatrial.verdict.report.templating import ASSETS, TEMPLATES, make_environment


def render_report(document: Document) -> str:
    """The whole page. It makes no request, runs no script but its own, and reads without it."""
    script = _asset("report.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return (
        _environment()
        .get_template("report.html.jinja")
        .render(
            page=build_page(document),
            style=Markup(_asset("report.css")),
            script=Markup(script),
            script_digest=digest,
        )
    )


@cache
def _environment() -> jinja2.Environment:
    return make_environment(jinja2.FileSystemLoader(TEMPLATES), TEMPLATES / "__pycache__")


@cache
def _asset(name: str) -> str:
    return (ASSETS / name).read_text(encoding="utf-8")

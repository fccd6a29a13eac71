"""A document to one self-contained HTML page: templates filled, style and script inlined, nothing fetched."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from pathlib import Path

import jinja2
from markupsafe import Markup, escape

from seatrial.verdict.document import Document
from seatrial.verdict.report.compiled import TemplateBytecode
from seatrial.verdict.report.page import build_page
from seatrial.verdict.report.panel import reviewer_title
from seatrial.verdict.report.plots import glyph, glyph_symbols

HERE = Path(__file__).parent
UNBROKEN_CHARS = 32


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
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE / "templates"),
        bytecode_cache=TemplateBytecode(HERE / "templates" / "__pycache__"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["glyph"] = glyph
    environment.globals["glyph_symbols"] = glyph_symbols
    environment.filters["unbroken"] = _unbroken
    environment.filters["reviewer_title"] = reviewer_title
    return environment


def _unbroken(command: str) -> Markup:
    """A command whose short words do not break at their hyphens."""
    words = (
        Markup('<span class="word-whole">{}</span>').format(word) if len(word) <= UNBROKEN_CHARS else escape(word)
        for word in command.split(" ")
    )
    return Markup(" ").join(words)


@cache
def _asset(name: str) -> str:
    return (HERE / "assets" / name).read_text(encoding="utf-8")

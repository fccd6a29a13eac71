"""The environment in which the page's sections are filled: what they may call, and how they are escaped.

The report fills them as one self-contained file, the site between its own head and foot.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import jinja2
from markupsafe import Markup, escape

from seatrial.verdict.report.compiled import TemplateBytecode
from seatrial.verdict.report.panel import reviewer_title
from seatrial.verdict.report.plots import glyph, glyph_symbols

TEMPLATES = Path(__file__).parent / "templates"
ASSETS = Path(__file__).parent / "assets"
UNBROKEN_CHARS = 32


@dataclass(frozen=True, slots=True)
class Around:
    """What stands around the sections: for a report, nothing.

    `anchors` are further sections, as id and words; `linked_models` have a page at `/models/ID`; `blind` is where the
    answers can be judged blind, `twin` where the whole document is, both paths on the site. Links are by `link(path)`.
    `pictures` is the path of the folder with the items' pictures; None where the page carries them itself.
    """

    is_site: bool = False
    anchors: tuple[tuple[str, str], ...] = ()
    linked_models: frozenset[str] = frozenset()
    blind: str | None = None
    twin: str | None = None
    pictures: str | None = None


def make_environment(loader: jinja2.BaseLoader, bytecode: Path) -> jinja2.Environment:
    """An environment for templates from `loader`, compiled ones kept in the folder `bytecode`."""
    environment = jinja2.Environment(
        loader=loader,
        bytecode_cache=TemplateBytecode(bytecode),
        autoescape=True,
        auto_reload=False,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(glyph=glyph, glyph_symbols=glyph_symbols, around=Around())
    environment.filters.update(unbroken=_unbroken, reviewer_title=reviewer_title)
    return environment


def _unbroken(command: str) -> Markup:
    """A command whose short words do not break at their hyphens."""
    words = (
        Markup('<span class="word-whole">{}</span>').format(word) if len(word) <= UNBROKEN_CHARS else escape(word)
        for word in command.split(" ")
    )
    return Markup(" ").join(words)

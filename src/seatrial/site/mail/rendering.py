"""The texts of our mail, from `templates/mail/`: a template's name and what it sees come in, text or HTML comes out.

What goes into HTML is escaped there; in plain text there is nothing to escape.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import jinja2

from seatrial.site.mail.message import one_line

TEMPLATES = Path(__file__).parents[1] / "templates" / "mail"


def render(template: str, /, **context: Any) -> str:
    """The template's text. `template` is a file's name without `.jinja`: `issue.html`, `issue.txt`."""
    return _environment().get_template(f"{template}.jinja").render(context)


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=lambda name: name is None or ".html" in name,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["one_line"] = one_line
    return environment

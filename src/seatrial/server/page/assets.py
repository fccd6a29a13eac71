"""The files that a page asks for, each under a name that changes with its content: a browser may keep it for good.

In: this folder. Out: `Assets`: every file by its served name, and `linked`, which writes those names into markup.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

HERE = Path(__file__).parent
MEDIA_TYPES = {".css": b"text/css; charset=utf-8", ".js": b"text/javascript; charset=utf-8"}
# A file comes after those that it imports, for their names are part of its content.
FILES = (
    "base.css",
    "chat.css",
    "docs.css",
    "copy.js",
    "api.js",
    "markdown.js",
    "still.js",
    "attachments.js",
    "tray.js",
    "snippets.js",
    "code_dialog.js",
    "kept.js",
    "turn.js",
    "chat.js",
)
ICON = (
    "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E%3Crect width='16' "
    "height='16' rx='3' fill='%230e2a43'/%3E%3Cpath d='M3 10h10l-2 3H5zM8 2v6h4z' fill='%23fff'/%3E%3C/svg%3E"
)


@dataclass(frozen=True, slots=True)
class Asset:
    """A file as it is served."""

    content: bytes
    media_type: bytes


@dataclass(frozen=True, slots=True)
class Assets:
    """All files. `served` goes by names such as `chat.1f3c29ab.js`, `names` from `chat.js` to them."""

    served: Mapping[str, Asset]
    names: Mapping[str, str]

    def linked(self, markup: str) -> str:
        """Markup whose `assets/…` point to the served names."""
        for plain, name in self.names.items():
            markup = markup.replace(f'"assets/{plain}"', f'"assets/{name}"')
        return markup.replace("{{icon}}", ICON)


@cache
def read_assets() -> Assets:
    """Read and name them, once in a process."""
    served: dict[str, Asset] = {}
    names: dict[str, str] = {}
    for plain in FILES:
        text = (HERE / plain).read_text(encoding="utf-8")
        for imported, name in names.items():
            text = text.replace(f'"./{imported}"', f'"./{name}"')
        content = text.encode()
        stem, suffix = plain.split(".")
        names[plain] = f"{stem}.{hashlib.sha256(content).hexdigest()[:10]}.{suffix}"
        served[names[plain]] = Asset(content, MEDIA_TYPES[f".{suffix}"])
    return Assets(served, names)


@cache
def chat_page(max_body_bytes: int) -> bytes:
    """The chat page of a server whose requests may have so many bytes."""
    page = read_assets().linked((HERE / "chat.html").read_text(encoding="utf-8"))
    return page.replace("{{max_body_bytes}}", str(max_body_bytes)).encode()

"""What every page has around its matter: title, description, addresses, and what programs read of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Protocol


@dataclass(frozen=True, slots=True)
class Frame:
    """`path` is the page's canonical path (`/models/gpt-5-mini`); `picture` the path of its Open Graph picture, `files`
    those of other pictures that it shows.

    `json_ld` is the page as schema.org has it. `is_indexed` False keeps it out of search engines and the sitemap.
    """

    title: str
    description: str
    path: str
    picture: str | None = None
    files: tuple[str, ...] = ()
    json_ld: dict[str, Any] | None = None
    is_indexed: bool = True

    @property
    def twin(self) -> str:
        """The path of the page's JSON."""
        return "/index.json" if self.path == "/" else f"{self.path}.json"


class Page(Protocol):
    """A page: `TEMPLATE` names the file in `templates/` that shows it, and sees it as `page`."""

    TEMPLATE: ClassVar[str]

    @property
    def frame(self) -> Frame:
        """What stands around it."""
        ...

    def data(self) -> Any:
        """What its JSON twin says: plain values, the same figures that the page shows, unrounded."""
        ...

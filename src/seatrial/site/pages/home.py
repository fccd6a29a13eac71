"""The first page: latest comparisons, verdicts that changed, models about to be shut down, and where to look on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from seatrial.site.library import Library
from seatrial.site.pages.category import CategoryLink, category_links
from seatrial.site.pages.changes import VerdictChange, retiring, verdict_changes
from seatrial.site.pages.frame import Frame
from seatrial.site.pages.json_ld import site_ld
from seatrial.site.pages.lines import ComparisonLine, ModelLine, comparison_line
from seatrial.site.pages.pairs import Choice, model_choices
from seatrial.site.pages.suggesting import suggested

NUM_LATEST = 9
NUM_CHANGES = 6

_DESCRIPTION = (
    "Which model should you ship? Language and vision models compared by what was measured and what is published, "
    "every number with its source, its sample size and its interval."
)


@dataclass(frozen=True, slots=True)
class HomePage:
    """`changes` are verdicts that flipped or are new; `choices` fill the form that makes any pair."""

    TEMPLATE: ClassVar[str] = "home.html.jinja"

    frame: Frame
    latest: tuple[ComparisonLine, ...]
    changes: tuple[VerdictChange, ...]
    retiring: tuple[ModelLine, ...]
    categories: tuple[CategoryLink, ...]
    choices: tuple[tuple[str, tuple[Choice, ...]], ...]
    num_models: int
    num_comparisons: int

    def data(self) -> dict[str, Any]:
        """The page's twin."""
        return {
            "latest": [line.data() for line in self.latest],
            "changes": [change.data() for change in self.changes],
            "retiring": [model.data() for model in self.retiring],
            "categories": [
                {"name": link.name, "path": link.path, "num_models": link.num_models} for link in self.categories
            ],
            "num_models": self.num_models,
            "num_comparisons": self.num_comparisons,
        }


def home_page(library: Library) -> HomePage:
    """The home page as it stands now."""
    changed = [change for change in library.changes(limit=8 * NUM_CHANGES) if change.is_flip or change.is_new]
    return HomePage(
        frame=Frame(
            title="Which model should you ship?", description=_DESCRIPTION, path="/", json_ld=site_ld(_DESCRIPTION)
        ),
        latest=tuple(comparison_line(listing) for listing in suggested(library, NUM_LATEST)),
        changes=verdict_changes(library, changed)[:NUM_CHANGES],
        retiring=retiring(library.catalog.entries, library.today()),
        categories=category_links(library),
        choices=model_choices(library),
        num_models=len(library.catalog.entries),
        num_comparisons=len(library.listings()),
    )

"""Every model of the catalog on one page, and each category's models on a page of its own."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from seatrial.catalog.entry import Entry
from seatrial.errors import UnknownName
from seatrial.site.library import Library
from seatrial.site.listings import Listing
from seatrial.site.pages.frame import Frame
from seatrial.site.pages.json_ld import collection_ld
from seatrial.site.pages.lines import (
    CATEGORIES,
    ComparisonLine,
    ModelLine,
    by_name,
    category_path,
    comparison_line,
    model_line,
)

MOST_COMPARISONS = 30


@dataclass(frozen=True, slots=True)
class CategoryLink:
    """A category, as pages link to it."""

    name: str
    title: str
    path: str
    num_models: int


@dataclass(frozen=True, slots=True)
class ModelGroup:
    """Models under one heading."""

    title: str
    path: str
    models: tuple[ModelLine, ...]


@dataclass(frozen=True, slots=True)
class CategoryPage:
    """Models in groups, and comparisons of models that are all of this kind. `name` None: all models."""

    TEMPLATE: ClassVar[str] = "category.html.jinja"

    frame: Frame
    name: str | None
    groups: tuple[ModelGroup, ...]
    comparisons: tuple[ComparisonLine, ...]
    num_comparisons: int
    others: tuple[CategoryLink, ...]

    def data(self) -> dict[str, Any]:
        """The page's twin."""
        return {
            "category": self.name,
            "models": [model.data() for group in self.groups for model in group.models],
            "comparisons": [line.data() for line in self.comparisons],
            "num_comparisons": self.num_comparisons,
        }


def category_page(library: Library, name: str) -> CategoryPage:
    """One category. Raises `UnknownName` where there is none of this name."""
    if name not in CATEGORIES:
        raise UnknownName("category", name[:80], CATEGORIES, "`/models` lists every model there is.")
    entries = [entry for entry in library.catalog.entries.values() if entry.category == name]
    listings = [listing for listing in library.listings() if _categories(library, listing) == {name}]
    title = f"{CATEGORIES[name]} models"
    groups = _groups(library, entries, one=name)
    return CategoryPage(
        frame=Frame(
            title=title,
            description=f"{len(entries)} models of this kind with licence, context, list price and retirement date, "
            f"and how they compare.",
            path=category_path(name),
            json_ld=collection_ld(title, [model for group in groups for model in group.models]),
        ),
        name=name,
        groups=groups,
        comparisons=tuple(comparison_line(listing) for listing in listings[:MOST_COMPARISONS]),
        num_comparisons=len(listings),
        others=tuple(link for link in category_links(library) if link.name != name),
    )


def models_page(library: Library) -> CategoryPage:
    """Every model of the catalog, by category."""
    entries = list(library.catalog.entries.values())
    groups = _groups(library, entries, one=None)
    return CategoryPage(
        frame=Frame(
            title="Models",
            description=f"{len(entries)} models with licence, context, list price and retirement date, each with the "
            "sources of every fact.",
            path="/models",
            json_ld=collection_ld("Models", [model for group in groups for model in group.models]),
        ),
        name=None,
        groups=groups,
        comparisons=(),
        num_comparisons=len(library.listings()),
        others=category_links(library),
    )


def category_links(library: Library) -> tuple[CategoryLink, ...]:
    """The categories that have models."""
    present = [entry.category for entry in library.catalog.entries.values()]
    return tuple(
        CategoryLink(name, title, category_path(name), present.count(name))
        for name, title in CATEGORIES.items()
        if name in present
    )


def _groups(library: Library, entries: Sequence[Entry], one: str | None) -> tuple[ModelGroup, ...]:
    """By category; within one, models that run on the reader's machine apart from hosted ones."""
    if one is None:
        return tuple(
            ModelGroup(title, category_path(name), _lines(library, (e for e in entries if e.category == name)))
            for name, title in CATEGORIES.items()
            if any(entry.category == name for entry in entries)
        )
    kinds = (("local", "On your machine"), ("hosted", "Hosted, by API"))
    return tuple(
        ModelGroup(title, "", _lines(library, (entry for entry in entries if entry.runs == runs)))
        for runs, title in kinds
        if any(entry.runs == runs for entry in entries)
    )


def _lines(library: Library, entries: Iterable[Entry]) -> tuple[ModelLine, ...]:
    return tuple(model_line(entry, library.today()) for entry in by_name(entries))


def _categories(library: Library, listing: Listing) -> set[str]:
    """The categories of its candidates that are models of the catalog."""
    known = (library.catalog.find(candidate.model) for candidate in listing.candidates if candidate.model is not None)
    return {entry.category for entry in known if entry is not None}

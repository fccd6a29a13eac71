"""Pages as schema.org has them: plain values, to be printed as JSON-LD by the renderer.

Addresses are paths on this site (`/models/gpt-5-mini`); the renderer makes whole addresses of what stands under `url`,
`@id`, `image` and `item`. There are no ratings or reviews in here: a panel of rubrics is neither.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from seatrial.catalog.entry import Entry
from seatrial.site.library import Comparison
from seatrial.site.pages.lines import CATEGORIES, ModelLine, category_path, model_path
from seatrial.verdict.report.footnotes import safe_url

_PUBLISHER = {"@type": "Organization", "name": "Seatrial", "url": "/"}
_NO_TOOL = "Weights to be run on one's own machine"


def site_ld(description: str) -> dict[str, Any]:
    """The home page."""
    return {"@type": "WebSite", "name": "Seatrial", "url": "/", "description": description}


def comparison_ld(comparison: Comparison, title: str, description: str) -> dict[str, Any]:
    """A comparison: an article about its candidates, with the data behind it where something was measured."""
    document = comparison.document
    published_at = comparison.added_at or document.run.created_at
    article: dict[str, Any] = {
        "@type": "Article",
        "headline": title[:110],
        "description": description,
        "url": comparison.path,
        "image": f"/pictures/{comparison.slug}.png",
        "datePublished": published_at.isoformat(),
        "dateModified": document.run.decided_on.isoformat(),
        "author": _PUBLISHER,
        "publisher": _PUBLISHER,
        "about": [_candidate(card.name or card.id, card.maker, card.model) for card in document.candidates],
        "breadcrumb": breadcrumb_ld([("Home", "/"), ("Compare", "/compare"), (title, comparison.path)]),
    }
    if document.claims:
        article["mainEntity"] = {
            "@type": "Dataset",
            "name": f"Measurements of run {document.run.id}",
            "description": f"Quality, latency and cost of {len(document.candidates)} candidates on "
            f"{len(document.workloads)} workloads, each figure with its interval and number of items.",
            "url": f"{comparison.path}.json",
            "creator": _PUBLISHER,
            "variableMeasured": list(dict.fromkeys(claim.key for claim in document.claims)),
        }
    return article


def model_ld(entry: Entry) -> dict[str, Any]:
    """A model: software with its maker, licence and, where it is sold, the address of its terms."""
    told: dict[str, Any] = {
        "@type": "SoftwareApplication",
        "name": entry.name,
        "description": entry.tagline,
        "url": model_path(entry.id),
        "applicationCategory": f"{CATEGORIES[entry.category]} model",
        "operatingSystem": _NO_TOOL if entry.runs == "local" else "Any, by API",
        "author": {"@type": "Organization", "name": entry.maker},
        "isAccessibleForFree": entry.entry == "free",
    }
    if entry.released:
        told["datePublished"] = entry.released[0].value.isoformat()
    if entry.licence:
        told["license"] = safe_url(entry.licence[0].source.url) or entry.licence[0].value.name
    crumbs = [("Models", "/models"), (CATEGORIES[entry.category], category_path(entry.category))]
    return {
        "@type": "ItemPage",
        "mainEntity": told,
        "breadcrumb": breadcrumb_ld([*crumbs, (entry.name, model_path(entry.id))]),
    }


def collection_ld(title: str, models: Sequence[ModelLine]) -> dict[str, Any]:
    """A list of models."""
    return {
        "@type": "CollectionPage",
        "name": title,
        "mainEntity": {
            "@type": "ItemList",
            "numberOfItems": len(models),
            "itemListElement": [
                {"@type": "ListItem", "position": place, "name": model.name, "url": model.path}
                for place, model in enumerate(models, 1)
            ],
        },
    }


def terms_ld(title: str, terms: Sequence[tuple[str, str, str]]) -> dict[str, Any]:
    """Explained terms: name, explanation and the place of each on the page (`#wilson`)."""
    return {
        "@type": "DefinedTermSet",
        "name": title,
        "hasDefinedTerm": [
            {"@type": "DefinedTerm", "name": name, "description": text, "url": f"/methodology#{anchor}"}
            for name, text, anchor in terms
        ],
    }


def breadcrumb_ld(crumbs: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """Where a page stands: names and paths from the top down."""
    return {
        "@type": "BreadcrumbList",
        "itemListElement": [
            {"@type": "ListItem", "position": place, "name": name, "item": path}
            for place, (name, path) in enumerate(crumbs, 1)
        ],
    }


def _candidate(name: str, maker: str, model: str | None) -> dict[str, Any]:
    told: dict[str, Any] = {"@type": "SoftwareApplication", "name": name}
    if maker:
        told["author"] = {"@type": "Organization", "name": maker}
    if model is not None:
        told["url"] = model_path(model)
    return told

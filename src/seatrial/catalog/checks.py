"""What types alone cannot say about an entry: dates in order, figures in range, names that exist, checkable claims.

Rows or a whole `Entry` come in with their place in the file; nothing comes out but a `CatalogError`.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any
from urllib.parse import urlsplit

from seatrial.catalog.claims import RULES, BestScoreAmong, CheaperThan, read_terms
from seatrial.catalog.entry import Entry, Fact, Price, Source, Weights
from seatrial.catalog.rows import Place, listed, read_row
from seatrial.catalog.schema import Header, MarketingRow, SourceRow
from seatrial.errors import nearest_names

LONGEST_TAGLINE = 110

_ID = re.compile(r"[a-z0-9][a-z0-9.\-]{0,63}")
_WEIGHTS_FORMS = {
    "package": (re.compile(r"[A-Za-z0-9][\w.\-]*"), "the name of a package"),
    "version": (re.compile(r"[A-Za-z0-9][\w.+!\-]*"), "a version such as 0.1.2"),
    "file": (re.compile(r"(?!.*\.\.)[\w][\w./ \-]*"), "the name of a file inside the wheel, such as folder/name.gguf"),
    "sha256": (re.compile(r"[0-9a-f]{64}"), "64 hexadecimal digits in lower case, as `sha256sum FILE` prints"),
    "repository": (re.compile(r"[A-Za-z0-9][\w.\-]*/[A-Za-z0-9][\w.\-]*"), "of the form owner/name"),
    "revision": (re.compile(r"(?!.*\.\.)[A-Za-z0-9][\w./\-]*"), "a branch, tag or commit"),
}


def check_header(header: Header, top: Place) -> None:
    """Raise `CatalogError` unless id, names and texts can be shown and found."""
    if not _ID.fullmatch(header.id):
        raise top.inside("id").error(
            f"`{header.id[:80]}` is not an id: lower-case letters, digits, dots and dashes, at most 64."
        )
    if header.id != top.path.stem:
        raise top.inside("id").error(
            f"is `{header.id}`, but the file is called `{top.path.name}`. Call it `{header.id}.toml`."
        )
    for name in ("name", "maker", "tagline", "description"):
        if not getattr(header, name).strip():
            raise top.inside(name).error("is blank. Write it.")
    if "\n" in header.tagline or len(header.tagline) > LONGEST_TAGLINE:
        raise top.inside("tagline").error(
            f"has {len(header.tagline)} characters; write one line of at most {LONGEST_TAGLINE}."
        )
    if not header.modalities:
        raise top.inside("modalities").error('is empty. What does the model take in? For example ["text"].')
    if header.runs == "hosted" and not header.api_name:
        raise top.inside("api_name").error("is missing: a hosted model needs the name its API knows it by.")


def check_source(row: SourceRow, place: Place) -> None:
    """Raise `CatalogError` unless the source has a title and an https address."""
    if not row.title.strip():
        raise place.inside("title").error("is blank. Say what the source is.")
    try:
        url = urlsplit(row.url)
        sound = url.scheme == "https" and "." in (url.hostname or "") and not re.search(r"\s", row.url)
    except ValueError:
        sound = False
    if not sound:
        raise place.inside("url").error(f"`{row.url[:200]}` is not an https address. Write https://host/path.")


def check_weights(row: Weights, place: Place) -> None:
    """Raise `CatalogError` unless the weights can be fetched and verified."""
    needed = ("repository",) if row.kind == "hub" else ("package", "version", "file", "sha256", "size_bytes")
    for name in needed:
        if not getattr(row, name):
            raise place.inside(name).error(f"is missing: weights of kind `{row.kind}` need {listed(needed)}.")
    for name, (form, words) in _WEIGHTS_FORMS.items():
        value = getattr(row, name)
        if value and not form.fullmatch(value):
            raise place.inside(name).error(f"`{value[:200]}` is not {words}.")
    if row.size_bytes is not None and row.size_bytes <= 0:
        raise place.inside("size_bytes").error(f"{row.size_bytes} is not above 0.")


def check_claim(row: MarketingRow, source: Source, place: Place) -> None:
    """Raise `CatalogError` unless the line stands as a claim, and names a known rule with its terms."""
    if source.kind != "claimed":
        raise place.inside("source").error(
            f'`{row.source}` is of kind "{source.kind}"; a marketing line needs a source of kind "claimed".'
        )
    if not row.line.strip():
        raise place.inside("line").error("is blank. Quote the claim.")
    if row.check not in RULES:
        nearest = nearest_names(row.check, RULES)
        offer = f"Did you mean {listed(nearest)}?" if nearest else f"Rules are {listed(RULES)}."
        raise place.inside("check").error(f"no rule is called `{row.check[:80]}`. {offer}")
    at = place.inside("terms")
    terms = read_row(row.terms, RULES[row.check], at)
    for key in terms.__struct_fields__:
        value = getattr(terms, key)
        if isinstance(value, float) and value <= 0:
            raise at.inside(key).error(f"{value:g} is not above 0.")
        if isinstance(value, str | list) and not value:
            raise at.inside(key).error("is empty. Fill it in.")


def check_entry(entry: Entry, known: Collection[str], top: Place) -> None:
    """Raise `CatalogError` if facts contradict each other in a way that no two sources can disagree about."""
    for name in ("parameters", "context_tokens", "max_output_tokens", "memory_bytes", "ttft_s", "output_tokens_per_s"):
        for index, fact in enumerate(getattr(entry, name)):
            if fact.value <= 0:
                raise top.inside(name).item(index).inside("value").error(f"{fact.value} is not above 0.")
    for name in ("unsupported_parameters", "notes"):
        for index, fact in enumerate(getattr(entry, name)):
            if not fact.value.strip():
                raise top.inside(name).item(index).inside("value").error("is blank. Write it or leave the row out.")
    for index, licence in enumerate(entry.licence):
        if not licence.value.name.strip():
            raise top.inside("licence").item(index).inside("name").error("is blank. Name the terms.")
    if entry.runs == "local" and entry.weights is None:
        raise top.inside("weights").error("is missing: a local model needs weights of kind `hub` or `wheel`.")
    _check_dates(entry, top)
    _check_prices(entry.prices, top.inside("prices"))
    _check_scores(entry, top)
    _check_names(entry, known, top)


def _check_dates(entry: Entry, top: Place) -> None:
    if not entry.released:
        return
    released = entry.released[0].value
    for index, retirement in enumerate(entry.retirement):
        day = retirement.value.on
        if day <= released:
            at = top.inside("retirement").item(index).inside("on")
            raise at.error(f"{day} is not after the release on {released}. Correct one of them.")
    for index, price in enumerate(entry.prices):
        start = price.value.valid_from
        if start is not None and start < released:
            at = top.inside("prices").item(index).inside("valid_from")
            raise at.error(f"{start} is before the release on {released}. Leave it out for “since release”.")


def _check_prices(prices: tuple[Fact[Price], ...], place: Place) -> None:
    seen: dict[tuple[Any, ...], int] = {}
    for index, fact in enumerate(prices):
        price, at = fact.value, place.item(index)
        for name in ("input_usd", "output_usd", "cached_input_usd"):
            value = getattr(price, name)
            if value is not None and not 0 <= value < 1e6:
                raise at.inside(name).error(f"{value:g} is not a price in US dollars per million tokens (0 or more).")
        if price.above_prompt_tokens is not None and price.above_prompt_tokens <= 0:
            raise at.inside("above_prompt_tokens").error(f"{price.above_prompt_tokens} is not above 0.")
        same = seen.setdefault((price.valid_from, price.above_prompt_tokens, fact.source.key), index)
        if same != index:
            raise at.error(f"the same source, date and tier as `prices[{same}]`. Keep one of them.")


def _check_scores(entry: Entry, top: Place) -> None:
    for name in ("scores", "rival_scores"):
        for index, fact in enumerate(getattr(entry, name)):
            at, score = top.inside(name).item(index), fact.value
            for key in ("benchmark", "unit", "subject"):
                if not getattr(score, key).strip():
                    raise at.inside(key).error("is blank. Write it.")
            if score.unit == "%" and not 0 <= score.value <= 100:
                raise at.inside("value").error(f"{score.value:g} % is not between 0 and 100.")


def _check_names(entry: Entry, known: Collection[str], top: Place) -> None:
    for index, name in enumerate(entry.competitors):
        at = top.inside("competitors").item(index)
        if name == entry.id:
            raise at.error("a model is not its own competitor. Remove it.")
        _check_known(name, known, at)
        if name in entry.competitors[:index]:
            raise at.error(f"`{name}` stands here twice. Remove one.")
    for index, claim in enumerate(entry.marketing):
        at = top.inside("marketing").item(index).inside("terms")
        match read_terms(claim.check, claim.terms):
            case CheaperThan(model=model):
                _check_known(model, known, at.inside("model"))
            case BestScoreAmong(benchmarks=benchmarks):
                _check_benchmarks(benchmarks, entry, at.inside("benchmarks"))


def _check_benchmarks(benchmarks: list[tuple[str, str, str]], entry: Entry, place: Place) -> None:
    rows = {fact.value.row[:3] for fact in entry.scores}
    for index, benchmark in enumerate(benchmarks):
        if benchmark not in rows:
            named = " · ".join(part or "(none)" for part in benchmark)
            raise place.item(index).error(
                f"`scores` has no benchmark, variant and setting of {named}. Write them as they stand there."
            )


def _check_known(name: str, known: Collection[str], place: Place) -> None:
    if name not in known:
        nearest = nearest_names(name, known)
        offer = f"Did you mean {listed(nearest)}?" if nearest else "Add an entry for it, or take it out."
        raise place.error(f"`{name[:80]}` is not in the catalog. {offer}")

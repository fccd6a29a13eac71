"""From what the user typed to a `Candidate`: a model as tried.

    FORM                              SETTINGS after a last `@`, separated by commas
    smollm2-135m                      smollm2-135m@f32,max_tokens=64
    hf:owner/name                     hf:owner/name@REVISION  hf:owner/name@REVISION,dtype=bf16
    ./folder, ./file.gguf             ./folder@thinking=off
    openai:NAME                       openai:NAME@reasoning_effort=low
    http://host:port/v1#name          http://host:port/v1#name@temperature=0.7,seed=3
    baseline:majority|nearest         none

What can be set is in `settings`. After `hf:owner/name@`, a first piece without `=` is the revision. A form, setting or
value that is not known is refused by name, never guessed.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from seatrial.errors import UnknownName, UsageError
from seatrial.trial.record import Candidate
from seatrial.trial.settings import HOSTED, LOCAL, SERVED, parse_settings

if TYPE_CHECKING:
    from seatrial.catalog.entry import Entry
    from seatrial.catalog.loading import Catalog

_BASELINES = ("majority", "nearest")
_FORMS = (
    "hf:owner/name, ./folder, ./file.gguf, openai:NAME, http://host:port/v1#name, baseline:majority, baseline:nearest"
)
_HUB_NAME = re.compile(r"[\w.-]+/[\w.-]+(?:/[\w.-]+\.gguf)?")


def parse_candidates(texts: Iterable[str], catalog: Catalog) -> tuple[Candidate, ...]:
    """Every candidate, in order. Raises UsageError for one that is named twice, however it is spelled."""
    candidates: dict[tuple[object, ...], Candidate] = {}
    for text in texts:
        candidate = parse_candidate(text, catalog)
        twin = candidates.setdefault(identity(candidate), candidate)
        if twin is not candidate:
            same = "is given twice" if twin.id == candidate.id else f"is `{twin.id}`, spelled differently"
            raise UsageError(f"Candidate `{candidate.id}` {same}. Name each candidate once.")
    return tuple(candidates.values())


def parse_candidate(text: str, catalog: Catalog) -> Candidate:
    """The candidate that `text` names (see the forms above).

    Raises UnknownName for a name or setting that is not known, with the nearest; UsageError for a known one that is
    incomplete, or a value that does not fit.
    """
    if text.startswith("baseline:"):
        return _baseline(text)
    if text.startswith("hf:"):
        return _hub(text, catalog)
    if text.startswith("openai:"):
        return _openai(text, catalog)
    if text.startswith(("http://", "https://")):
        return _http(text)
    name, _, settings = text.partition("@")
    entry = catalog.find(name)
    if entry is not None:
        return _catalog(text, settings, entry)
    if _looks_like_path(text):
        return _path(text)
    known = [*catalog.entries, *(f"baseline:{kind}" for kind in _BASELINES)]
    raise UnknownName("candidate", name, known, f"`seatrial models` lists the catalog; other forms: {_FORMS}.")


def identity(candidate: Candidate) -> tuple[object, ...]:
    """What makes two candidates the same whatever their spelling: all but the id."""
    settings = tuple(sorted(candidate.settings.items()))
    return (candidate.kind, candidate.target, candidate.base_url, candidate.revision, settings)


def _catalog(text: str, settings: str, entry: Entry) -> Candidate:
    is_local = entry.runs == "local"
    parsed = parse_settings(text, settings, LOCAL if is_local else HOSTED, entry)
    target = entry.id if is_local else entry.api_name or entry.id
    return Candidate(
        id=text,
        kind="catalog",
        target=target,
        model=entry.id,
        settings=parsed,
        hosted_reasoning=not is_local and _takes_no_temperature(entry),
        runs_here=is_local,
        sees=_sees(entry),
    )


def _hub(text: str, catalog: Catalog) -> Candidate:
    name, _, rest = text.removeprefix("hf:").partition("@")
    if not _HUB_NAME.fullmatch(name):
        raise UsageError(f"`{text}` names no repository. It looks like `hf:owner/name`, or `hf:owner/name@revision`.")
    first, _, others = rest.partition(",")
    revision, settings = (None, rest) if not first or "=" in first else (first, others)
    entry = _entry_where(catalog, lambda entry: entry.weights is not None and entry.weights.repository == name)
    parsed = parse_settings(text, settings, LOCAL, entry)
    model = entry.id if entry else None
    return Candidate(
        id=text,
        kind="hub",
        target=name,
        model=model,
        revision=revision,
        settings=parsed,
        runs_here=True,
        sees=_sees(entry),
    )


def _openai(text: str, catalog: Catalog) -> Candidate:
    name, _, settings = text.removeprefix("openai:").partition("@")
    if not name:
        raise UsageError(f"`{text}` names no model. It looks like `openai:gpt-5-mini`.")
    entry = _entry_where(catalog, lambda entry: entry.runs == "hosted" and name in (entry.api_name, entry.id))
    return Candidate(
        id=text,
        kind="openai",
        target=entry.api_name or name if entry else name,
        model=entry.id if entry else None,
        settings=parse_settings(text, settings, HOSTED, entry),
        hosted_reasoning=entry is None or _takes_no_temperature(entry),
        sees=_sees(entry),
    )


def _http(text: str) -> Candidate:
    base_url, _, rest = text.partition("#")
    name, _, settings = rest.rpartition("@") if "@" in rest else (rest, "", "")
    shape = "It looks like `http://host:port/v1#name`."
    try:
        parts = urlsplit(base_url)
        has_host = bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        has_host = False
    if not has_host:
        raise UsageError(f"`{text}` holds no address of a server. {shape}")
    if parts.username is not None:
        raise UsageError(
            f"`{parts.scheme}://…@{parts.hostname}` holds a user name; a run's files would keep it. {shape}"
        )
    if not name:
        raise UsageError(f"`{text}` names no model of that server: write it after `#`. {shape}")
    parsed = parse_settings(text, settings, SERVED)
    return Candidate(id=text, kind="http", target=unquote(name), base_url=base_url.rstrip("/"), settings=parsed)


def _path(text: str) -> Candidate:
    name, settings = text, ""
    if not _exists(text) and "@" in text:
        name, _, settings = text.rpartition("@")
    path = Path(os.path.expanduser(name))
    if not _exists(name):
        raise UsageError(f"There is no checkpoint at `{name}`. Give a folder with a model's files, or a `.gguf`.")
    if path.is_file() and path.suffix != ".gguf":
        raise UsageError(f"`{name}` is a file, but not a `.gguf`. Give the folder that holds the model's files.")
    parsed = parse_settings(text, settings, LOCAL)
    return Candidate(id=text, kind="path", target=str(path.resolve()), settings=parsed, runs_here=True)


def _baseline(text: str) -> Candidate:
    name, at, _ = text.removeprefix("baseline:").partition("@")
    if name not in _BASELINES:
        raise UnknownName("baseline", name, _BASELINES, "There are `baseline:majority` and `baseline:nearest`.")
    if at:
        raise UsageError(f"`{text}`: a baseline takes no settings. Write `baseline:{name}`.")
    return Candidate(id=text, kind="baseline", target=name)


def _looks_like_path(text: str) -> bool:
    name = text.rpartition("@")[0] or text
    if text.startswith(("./", "../", "/", "~")) or text.endswith(".gguf") or name.endswith(".gguf"):
        return True
    return _exists(text) or _exists(name)


def _exists(name: str) -> bool:
    return os.path.exists(os.path.expanduser(name))


def _entry_where(catalog: Catalog, matches: Callable[[Entry], bool]) -> Entry | None:
    return next((entry for entry in catalog.entries.values() if matches(entry)), None)


def _sees(entry: Entry | None) -> bool | None:
    return None if entry is None else "image" in entry.modalities


def _takes_no_temperature(entry: Entry) -> bool:
    return any(fact.value == "temperature" for fact in entry.unsupported_parameters)

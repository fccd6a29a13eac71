"""The name of a comparison in addresses: its candidates' names, in one order, joined by `-vs-`.

    gpt-5-mini, smollm3-3b                  gpt-5-mini-vs-smollm3-3b
    smollm2-135m@int8, hf:owner/Name        hf-owner-name-vs-smollm2-135m-int8

Candidates' ids come in, a slug goes out that is safe in a path, a file name and a header.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable

LONGEST_SLUG = 180
"""Characters; a longer one ends in a hash instead of its last candidates."""

JOINT = "-vs-"

_SLUG = re.compile(r"[a-z0-9](?:[a-z0-9.\-]*[a-z0-9])?")
_NUM_HASH_CHARS = 12
_LOCAL = ("./", "../", "/", "~/")


def slug_of(candidates: Iterable[str]) -> str:
    """The slug of a comparison, the same in whatever order the candidates are named."""
    slug = JOINT.join(sorted(map(part_of, candidates)))
    if len(slug) <= LONGEST_SLUG:
        return slug
    return f"{slug[: LONGEST_SLUG - _NUM_HASH_CHARS - 1].rstrip('.-')}-{_digest(slug)}"


def part_of(candidate: str) -> str:
    """What stands for one candidate: lower case, runs of anything but letters, digits and dots as one dash.

    A checkpoint of one's own is not taken for a model of the catalog: `./smollm2-135m` is `local-smollm2-135m`. Never
    empty, never with a joint in it, and never with an end that an address reads as a file's (`.json`).
    """
    part = re.sub(r"[^a-z0-9.]+", "-", candidate.lower()).strip(".-")
    if part and candidate.startswith(_LOCAL):
        part = f"local-{part}"
    part = re.sub(r"\.(?=json\Z)", "-", part)
    part = re.sub(r"-(?=vs(?:-|\Z))", ".", part)
    part = re.sub(r"\.{2,}", ".", part)
    return part or f"model-{_digest(candidate)}"


def in_order(slug: str) -> str:
    """The same slug with its parts in their one order."""
    return JOINT.join(sorted(slug.split(JOINT)))


def is_slug(text: str) -> bool:
    """Could this be a slug? False for what no comparison can be called: path tricks, other letters, too long."""
    return len(text) <= LONGEST_SLUG and ".." not in text and _SLUG.fullmatch(text) is not None


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:_NUM_HASH_CHARS]

"""Slugs: one for a set of candidates, whatever their order, and never anything but a plain name."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.site.slugs import LONGEST_SLUG, in_order, is_slug, part_of, slug_of

ids = st.lists(st.text(min_size=1, max_size=60), min_size=1, max_size=5)
awkward = st.lists(
    st.text(alphabet="vs-.jonab/@:#AB", min_size=1, max_size=14), min_size=1, max_size=4, unique_by=part_of
)


@pytest.mark.parametrize(
    ("candidates", "slug"),
    [
        (["smollm3-3b", "gpt-5-mini"], "gpt-5-mini-vs-smollm3-3b"),
        (["smolvlm2-2.2b", "gpt-5-mini"], "gpt-5-mini-vs-smolvlm2-2.2b"),
        (["smollm2-135m@int8", "hf:owner/Name"], "hf-owner-name-vs-smollm2-135m-int8"),
        (["http://host:80/v1#x", "baseline:nearest"], "baseline-nearest-vs-http-host-80-v1-x"),
        (["./folder/model.json"], "local-folder-model-json"),
        (["./smollm2-135m", "smollm2-135m"], "local-smollm2-135m-vs-smollm2-135m"),
        (["a-vs-b", "c"], "a.vs-b-vs-c"),
        (["x-vs", "b"], "b-vs-x.vs"),
    ],
)
def test_slugs_of_what_people_compare(candidates: list[str], slug: str) -> None:
    assert slug_of(candidates) == slug


def test_a_name_without_letters_still_gets_a_part_of_its_own() -> None:
    assert part_of("🦭") != part_of("🐋")
    assert is_slug(part_of("🦭"))


@given(ids)
def test_every_slug_is_safe_and_bounded(candidates: list[str]) -> None:
    slug = slug_of(candidates)
    assert is_slug(slug)
    assert len(slug) <= LONGEST_SLUG
    assert not slug.endswith(".json")
    assert slug == slug_of(reversed(candidates))


@given(awkward)
def test_any_order_of_the_parts_leads_to_the_one_slug(candidates: list[str]) -> None:
    slug = slug_of(candidates)
    for order in itertools.permutations(candidates):
        assert in_order("-vs-".join(map(part_of, order))) == slug


def test_long_slugs_that_differ_at_their_end_stay_different() -> None:
    long = [f"model-{number:03}-{'x' * 30}" for number in range(8)]
    assert slug_of(long) != slug_of([*long[:-1], f"{long[-1]}y"])
    assert len(slug_of(long)) <= LONGEST_SLUG


@pytest.mark.parametrize(
    "text", ["", ".", "..", "../etc", "a/../b", "a..b", "-a", "a-", "A", "a b", "a%2e", "a\x00", "ä", "a" * 181, "a\n"]
)
def test_what_is_no_slug(text: str) -> None:
    assert not is_slug(text)

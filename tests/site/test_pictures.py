"""The picture of a comparison: its size, that texts stay inside, and that no name does harm."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from io import BytesIO
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageChops
from site_samples import make_library, replaced, run_document

from seatrial.site.library import Comparison
from seatrial.site.pictures import HEIGHT, WIDTH, _font, comparison_picture, drawable, fitted, wrapped

ROOM = WIDTH - 144
MARGIN = 60


@pytest.fixture
def library(new_url: Callable[..., str], clock: Any) -> Iterator[Any]:
    from seatrial.site.db.opening import open_database

    database = open_database(new_url("sqlite"))
    yield make_library(database, clock)
    database.close()


def opened(comparison: Comparison) -> Image.Image:
    return Image.open(BytesIO(comparison_picture(comparison))).convert("RGB")


def with_names(library: Any, *names: str, sentence: str = "Undecided: nothing was measured.") -> Comparison:
    found = library.find("gpt-5-mini-vs-smollm3-3b")
    card = found.document.candidates[0]
    cards = [replaced(card, id=f"c{place}", name=name) for place, name in enumerate(names)]
    verdict = replaced(found.document.verdict, text=sentence)
    return Comparison(found.slug, replaced(found.document, candidates=cards, verdict=verdict), None, None)


def test_it_is_1200_by_630_and_the_same_for_the_same_comparison(library: Any) -> None:
    comparison = library.find("gpt-5-mini-vs-smollm3-3b")
    picture = comparison_picture(comparison)
    image = Image.open(BytesIO(picture))
    assert (image.format, image.size) == ("PNG", (WIDTH, HEIGHT))
    assert picture == comparison_picture(comparison)
    assert len(picture) < 120_000


def test_another_verdict_or_name_is_another_picture(library: Any) -> None:
    one = opened(with_names(library, "A", "B"))
    assert ImageChops.difference(one, opened(with_names(library, "A", "C"))).getbbox()
    assert ImageChops.difference(one, opened(with_names(library, "A", "B", sentence="Ship A."))).getbbox()


def test_every_decision_can_be_drawn(library: Any) -> None:
    for decision in ("ship", "skip", "mix", "undecided"):
        opened(library.publish(run_document(f"run-{decision}", decision=decision)))


@pytest.mark.parametrize(
    "names",
    [
        ("W" * 500, "i" * 500),
        ("a very long name of many words " * 20, "B"),
        ("<script>alert(1)</script>", "{{ 7 * 7 }}"),
        ("\u202eevil\u2066", "\x00\x07\x1b[31m"),
        ("日本語のモデル", "نموذج", "🚀🚀🚀"),
        ("Z" + "\u0301" * 300, "B"),
        ("A\nB\r\nC", "\u2028"),
        ("", " "),
        tuple(f"Model {place}" for place in range(12)),
    ],
)
def test_no_name_leaves_the_picture(library: Any, names: tuple[str, ...]) -> None:
    image = opened(with_names(library, *names, sentence=" ".join(names) * 3))
    blank = opened(with_names(library, "A", "B"))
    right = (WIDTH - MARGIN, 20, WIDTH, HEIGHT - 80)
    assert ImageChops.difference(image.crop(right), blank.crop(right)).getbbox() is None
    foot = (0, HEIGHT - 74, WIDTH, HEIGHT)
    assert ImageChops.difference(image.crop(foot), blank.crop(foot)).getbbox() is None


def test_one_candidate_is_asked_about_alone(library: Any) -> None:
    opened(library.publish(run_document("run-1", candidates=("smollm2-135m",))))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("GPT-5 mini", "GPT-5 mini"),
        ("a\n\tb\u2028c", "a b c"),
        ("a\u202eb\u200b\x00c", "abc"),
        ("Cafe\u0301 Élan ñ", "Cafe Elan n"),
        ("3–4 × “a” → b…", "3-4 x “a” -> b…"),
        ("日本", "??"),
        ("x" * 10_000, "x" * 400),
    ],
)
def test_what_cannot_be_drawn_is_taken_out(text: str, shown: str) -> None:
    assert drawable(text) == shown


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(text=st.text(max_size=300), width=st.integers(60, ROOM), size=st.sampled_from((30, 48, 72)))
def test_lines_fit_their_width_and_lose_no_letter(text: str, width: int, size: int) -> None:
    clean = drawable(text)
    lines = wrapped(clean, width, size, 200)
    widest = _font(size).getlength("W…")
    assert all(_font(size).getlength(line) <= max(width, widest) for line in lines)
    if _font(size).getlength("W") < width:
        assert "".join(lines).replace(" ", "") == clean.replace(" ", "")
    cut, chosen = fitted(clean, width, (72, 48, 30))
    assert _font(chosen).getlength(cut) <= max(width, widest)
    assert wrapped(clean, width, size, 0) == []


def test_the_font_comes_with_pillow_in_any_size() -> None:
    assert "PIL" in sys.modules
    assert _font(72).getlength("W") > _font(30).getlength("W")

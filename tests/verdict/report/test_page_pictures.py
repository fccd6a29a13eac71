"""Items that ask about pictures: thumbnails with words, in the page itself, bounded, and said where there are none."""

from __future__ import annotations

import base64
from io import BytesIO
from typing import Any

import pytest
import sample
from page_tree import Element, parse
from PIL import Image
from sample_drawings import noise, webp
from sample_pictures import item, pictured_document, shown

from seatrial.trial.thumbnails import SMALL_BYTES
from seatrial.verdict.document import MOST_PICTURES, Document, PictureShown
from seatrial.verdict.report import render_report
from seatrial.verdict.report.pictures import picture_files, view_pictures

HOSTILE = '"><img src=x onerror=alert(1)><script>alert(2)</script>\u202e'


@pytest.fixture(scope="module")
def page() -> Element:
    return parse(render_report(pictured_document()))


def rows(page: Element) -> list[Element]:
    return page.all("details", "pictured")


def with_items(*items: Any) -> Document:
    return sample.replaced(pictured_document(), item_differences=list(items))


def test_every_picture_stands_in_the_page_itself_and_can_be_opened(page: Element) -> None:
    pictures = page.all("img")
    assert len(pictures) == 9
    for picture in pictures:
        kind, _, content = (picture.attributes["src"] or "").partition(",")
        assert kind == "data:image/webp;base64"
        drawn = Image.open(BytesIO(base64.b64decode(content)))
        assert [str(length) for length in drawn.size] == [picture.attributes["width"], picture.attributes["height"]]
    assert {element.tag for element in page.walk() if "src" in element.attributes} == {"img"}


def test_words_say_what_the_item_asks(page: Element) -> None:
    words = [picture.attributes["alt"] for picture in page.all("img")]
    assert words[0] == "Picture for: What is the total?"
    assert "Picture 2 of 3 for: Which of these three receipts is the dearest? Answer with its number." in words
    assert "Frame of the video for: How many boats pass?" in words
    assert words[-1] == "Picture for the item, receipt-9.png"
    assert all(words)


def test_a_row_names_its_pictures_and_their_sizes(page: Element) -> None:
    texts = [row.text for row in rows(page)]
    assert "receipt-0.png, 420 × 394 pixels" in texts[0]
    assert "boats.png, 900 × 520 pixels" in texts[3]
    assert "and 2 more" in texts[4]
    assert "a frame of harbour.mp4" in texts[5]
    assert "pixels" not in texts[5]
    assert rows(page)[-1].all("span", "preview")[0].text == "receipt-9.png"
    assert len(page.all("details", "item")) > len(rows(page))


def test_a_larger_version_is_linked_where_there_is_one(page: Element) -> None:
    links = [link.attributes["href"] for link in page.by_id("items").all("a")]
    assert links == ["pictures/0123456789abcdef0123456789abcdef-large.webp"]


def test_a_picture_that_is_not_there_is_said_to_be_so(page: Element) -> None:
    (row,) = [row for row in rows(page) if not row.all("img")]
    assert "Picture for: Who signed it?" in row.text
    assert "damaged or cut short" in row.text


def test_what_is_no_picture_is_not_shown() -> None:
    for data in (b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"", b"GIF89a", b"RIFF1234AVI "):
        page = parse(render_report(with_items(item("a", "?", [shown(noise(4, 4), "a.png", data=data)], "x"))))
        assert page.all("img") == []
        assert "is no picture" in page.text
    page = parse(render_report(with_items(item("a", "?", [shown(noise(4, 4), "a.png", width=0)], "x"))))
    assert page.all("img") == []


def test_hostile_names_and_questions_stay_words() -> None:
    picture = shown(noise(4, 4), HOSTILE, note=HOSTILE)
    torn = PictureShown(name=HOSTILE, note=HOSTILE)
    page = parse(render_report(with_items(item(HOSTILE, HOSTILE, [picture, torn], HOSTILE))))
    (drawn,) = page.all("img")
    assert HOSTILE.strip() in (drawn.attributes["alt"] or "")
    assert "onerror" not in drawn.attributes
    assert len(page.all("script")) == 1


def test_the_page_keeps_its_weight_whoever_wrote_the_document() -> None:
    heavy = webp(noise(64, 64))
    heavy += b"\x00" * (SMALL_BYTES - len(heavy))
    pictures = [shown(noise(4, 4), f"{n}.png", data=heavy) for n in range(4)]
    document = with_items(*(item(f"i{n}", "What?", pictures, "x") for n in range(60)))
    html = render_report(document)
    assert html.count("data:image/webp") == MOST_PICTURES
    assert len(html.encode()) < 600_000 + MOST_PICTURES * (SMALL_BYTES * 4 / 3 + 10)
    assert "this page shows no more pictures" in html


def test_a_picture_is_one_file_however_often_it_is_shown() -> None:
    picture = shown(noise(4, 4), "a.png")
    document = with_items(*(item(f"i{n}", f"Question {n}?", [picture], "x") for n in range(3)))
    (name,) = picture_files(document)
    assert picture_files(document)[name] == picture.data
    assert [view.file for view in view_pictures([picture], "What?")] == [name]
    assert name.endswith(".webp")

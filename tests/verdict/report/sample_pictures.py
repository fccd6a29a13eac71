"""A document whose items ask about pictures, for tests of pages; see `sample_drawings` for what they show."""

from __future__ import annotations

from functools import cache
from typing import Any

import sample
from PIL import Image
from sample_drawings import chart, receipt, receipt_total, webp

from seatrial.verdict.document import AnswerShown, Document, ItemDifference, PictureShown

CANDIDATES = ("smollm2-135m", "baseline:nearest")


def shown(picture: Image.Image, name: str, **changes: Any) -> PictureShown:
    """A picture as a document carries it; `changes` replace fields."""
    small = picture.copy()
    small.thumbnail((512, 512))
    values: dict[str, Any] = {
        "name": name,
        "data": webp(small, 50),
        "width": small.width,
        "height": small.height,
        "full_width": picture.width,
        "full_height": picture.height,
    }
    return PictureShown(**values | changes)


@cache
def pictured_document() -> Document:
    """Two candidates that read documents: receipts, a chart, several pictures, a video, and one that is damaged."""
    large = "pictures/0123456789abcdef0123456789abcdef-large.webp"
    items = [
        item(
            f"receipt-{seed}", "What is the total?", [shown(receipt(seed), f"receipt-{seed}.png")], receipt_total(seed)
        )
        for seed in range(3)
    ]
    items += [
        item(
            "chart-1",
            "In which month were most boats in harbour?",
            [shown(chart(1), "boats.png", larger=large)],
            "July",
        ),
        item(
            "bundle-1",
            "Which of these three receipts is the dearest? Answer with its number.",
            [shown(receipt(seed, num_lines=seed), f"page-{seed}.png") for seed in (4, 5, 6)],
            "0005",
            num_more_pictures=2,
        ),
        item("clip-1", "How many boats pass?", [shown(chart(2), "harbour.mp4", is_video=True)], "3"),
        item(
            "damaged-1",
            "Who signed it?",
            [PictureShown(name="scan.jpg", note="The picture (120 bytes) is damaged or cut short.")],
            "M. Marlow",
        ),
        item("untold-1", "", [shown(receipt(9), "receipt-9.png")], receipt_total(9)),
    ]
    full = sample.narrowed(sample.mixed_document(), list(CANDIDATES), ["triage", "extract"])
    return sample.replaced(
        full,
        workloads=[
            sample.replaced(info, title="Documents", description="Questions about receipts, charts and a video.")
            if info.name == "triage"
            else info
            for info in full.workloads
        ],
        item_differences=[*items, *(each for each in full.item_differences if each.workload == "extract")],
    )


def item(id: str, asks: str, pictures: list[PictureShown], expected: str, **changes: Any) -> ItemDifference:
    """An item that the first candidate reads right and the second does not."""
    values: dict[str, Any] = {
        "workload": "triage",
        "item": id,
        "input": asks,
        "expected": expected,
        "cluster": None,
        "answers": [
            AnswerShown(candidate=CANDIDATES[0], text=expected, score=1.0),
            AnswerShown(candidate=CANDIDATES[1], text="42.00", score=0.0),
        ],
        "pictures": pictures,
    }
    return ItemDifference(**values | changes)

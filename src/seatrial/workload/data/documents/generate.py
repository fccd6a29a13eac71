"""Draws the `documents` workload: pictures, `items.jsonl` and `examples.jsonl`, the same every time.

    python -m seatrial.workload.data.documents.generate            draw and write
    python -m seatrial.workload.data.documents.generate --check    say whether they are what would be drawn
    python -m seatrial.workload.data.documents.generate --out DIR --seed 7    a fresh set, which no model has seen

Each document is drawn by dice of its own, seeded by the seed and its name, so that any one can be drawn alone. Another
version of FreeType may set a letter a little differently, so pictures are compared with a tolerance, and texts exactly.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from PIL import Image, ImageChops, ImageStat

from seatrial.workload.data.documents.charts import draw_chart
from seatrial.workload.data.documents.invoices import draw_invoice
from seatrial.workload.data.documents.page import Document, Question, missing_fonts
from seatrial.workload.data.documents.receipts import draw_receipt
from seatrial.workload.data.documents.tables import draw_table_page

SEED = 20_261
DOCUMENTS_EACH, QUESTIONS_EACH, EXAMPLES_EACH = 24, 2, 3
PICTURES = "pictures"
MOST_DIFFERENCE = 6.0
"""Levels of 255 by which two drawings of a document may differ in the mean."""

KINDS: Mapping[str, Callable[[random.Random], Document]] = {
    "receipt": draw_receipt,
    "invoice": draw_invoice,
    "table": draw_table_page,
    "chart": draw_chart,
}


class Drawn(NamedTuple):
    """A document with its name, and the questions that are asked about it."""

    name: str
    kind: str
    document: Document
    asked: tuple[Question, ...]


def draw(name: str, seed: int = SEED) -> Drawn:
    """The document of a name such as `receipt-07` or `example-chart-1`."""
    is_example = name.startswith("example-")
    kind, number = name.removeprefix("example-").rsplit("-", 1)
    dice = random.Random(f"{seed}/{name}")
    document = KINDS[kind](dice)
    return Drawn(name, kind, document, _asked(document, int(number), 1 if is_example else QUESTIONS_EACH, dice))


def document_names() -> Iterator[str]:
    """The names of all documents, the kinds taking turns, the examples last."""
    for number in range(1, DOCUMENTS_EACH + 1):
        yield from (f"{kind}-{number:02}" for kind in KINDS)
    for number in range(1, EXAMPLES_EACH + 1):
        yield from (f"example-{kind}-{number}" for kind in KINDS)


def records(drawn: Drawn) -> list[dict[str, object]]:
    """The lines for a document's questions."""
    return [
        {
            "id": f"{drawn.name}-{question.name}",
            "document": drawn.name,
            "kind": drawn.kind,
            "image": f"{PICTURES}/{drawn.name}.png",
            "input": question.text,
            "expected": question.answers[0] if len(question.answers) == 1 else list(question.answers),
        }
        for question in drawn.asked
    ]


def difference(one: Image.Image, other: Image.Image) -> float:
    """The mean difference of two pictures in levels of 255; 255 where their sizes differ by more than rounding."""
    if abs(one.width - other.width) > 2 or abs(one.height - other.height) > 2:
        return 255.0
    size = (min(one.width, other.width), min(one.height, other.height))
    greys = [picture.convert("L").crop((0, 0, *size)) for picture in (one, other)]
    return ImageStat.Stat(ImageChops.difference(*greys)).mean[0]


def main() -> int:
    """Draw the workload, or check it; 1 where the check fails or a font is missing."""
    parser = argparse.ArgumentParser(description="Draw the documents workload, or check it.")
    parser.add_argument("--check", action="store_true", help="compare what is there with what would be drawn")
    parser.add_argument("--seed", type=int, default=SEED, help="another set of documents")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent, help="where to write it")
    options = parser.parse_args()
    missing = missing_fonts()
    if missing:
        print(f"Fonts that are missing: {', '.join(missing)}. On Debian: apt install fonts-dejavu fonts-liberation")
        return 1
    return (_check if options.check else _write)(options.out, options.seed)


def _asked(document: Document, number: int, count: int, dice: random.Random) -> tuple[Question, ...]:
    """Some of a document's questions: for every third its first one (a total, a value), else one in turn; then dice."""
    first = document.questions[0 if number % 3 == 0 else number % len(document.questions)]
    others = [question for question in document.questions if question.answers[0] != first.answers[0]]
    return (first, *dice.sample(others, count - 1))


def _write(folder: Path, seed: int) -> int:
    (folder / PICTURES).mkdir(parents=True, exist_ok=True)
    texts = {"items.jsonl": "", "examples.jsonl": ""}
    for name in document_names():
        drawn = draw(name, seed)
        drawn.document.picture.save(folder / PICTURES / f"{name}.png", optimize=True)
        file = "examples.jsonl" if name.startswith("example-") else "items.jsonl"
        texts[file] += "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records(drawn))
    for file, text in texts.items():
        partial = folder / f"{file}.part"
        partial.write_bytes(text.encode())
        os.replace(partial, folder / file)
        print(f"{file}: {text.count(chr(10))} lines")
    manifest = Path(__file__).parent / "workload.toml"
    if folder.resolve() != manifest.parent:
        shutil.copyfile(manifest, folder / manifest.name)
    return 0


def _check(folder: Path, seed: int) -> int:
    wrong = 0
    texts = {"items.jsonl": "", "examples.jsonl": ""}
    for name in document_names():
        drawn = draw(name, seed)
        file = "examples.jsonl" if name.startswith("example-") else "items.jsonl"
        texts[file] += "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records(drawn))
        with Image.open(folder / PICTURES / f"{name}.png") as there:
            apart = difference(there, drawn.document.picture)
        if apart > MOST_DIFFERENCE:
            wrong += 1
            print(f"{name}.png: differs by {apart:.1f} levels in the mean")
    for file, text in texts.items():
        same = (folder / file).read_bytes() == text.encode()
        wrong += not same
        print(f"{file}: {'as drawn' if same else 'differs; run without --check to write it'}")
    return int(wrong > 0)


if __name__ == "__main__":
    raise SystemExit(main())

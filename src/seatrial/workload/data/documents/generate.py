"""Draws the `documents` workload: pictures, `items.jsonl` and `examples.jsonl`, the same every time.

    python -m seatrial.workload.data.documents.generate            draw and write
    python -m seatrial.workload.data.documents.generate --check    say whether they are what would be drawn
    python -m seatrial.workload.data.documents.generate --out DIR --seed 7    a fresh set, `documents-7`

Each document is drawn by dice of its own, seeded by the seed and its name, so that any one can be drawn alone. Another
version of FreeType may set a letter a little differently, so pictures are compared with a tolerance, and texts exactly.
A set is drawn beside its folder and moved there when it is whole.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from PIL import Image, ImageChops, ImageStat

from seatrial.workload.data.documents.charts import draw_chart
from seatrial.workload.data.documents.invoices import draw_invoice
from seatrial.workload.data.documents.page import Document, Question, missing_fonts
from seatrial.workload.data.documents.receipts import draw_receipt
from seatrial.workload.data.documents.tables import draw_table_page

HERE = Path(__file__).parent
SEED = 20_261
DOCUMENTS_EACH, QUESTIONS_EACH, EXAMPLES_EACH = 24, 2, 3
PICTURES, MANIFEST = "pictures", "workload.toml"
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
    """The document of a name such as `receipt-07` or `example-chart-1`.

    It is drawn again, by the same dice, while too few of its questions have answers of their own.
    """
    num_asked = 1 if name.startswith("example-") else QUESTIONS_EACH
    kind, number = name.removeprefix("example-").rsplit("-", 1)
    dice = random.Random(f"{seed}/{name}")
    while True:
        document = KINDS[kind](dice)
        asked = _asked(document, int(number), num_asked, dice)
        if asked:
            return Drawn(name, kind, document, asked)


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


def write_documents(folder: Path, seed: int = SEED) -> None:
    """Draw a set and lay it into `folder`: all of it, or nothing where it cannot be drawn.

    Raises:
        OSError: it cannot be written there.
    """
    folder = folder.resolve()
    part = folder.with_name(f".{folder.name}.part-{os.getpid()}")
    folder.parent.mkdir(parents=True, exist_ok=True)
    try:
        (part / PICTURES).mkdir(parents=True)
        _draw_into(part, seed)
        if folder != HERE:
            (part / MANIFEST).write_bytes(_manifest(seed))
        if folder.exists():
            _move_into(folder, part)
        else:
            part.rename(folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Draw the workload, or check it; 1 where the check fails, a font is missing or the folder cannot be written."""
    parser = argparse.ArgumentParser(description="Draw the documents workload, or check it.")
    parser.add_argument("--check", action="store_true", help="compare what is there with what would be drawn")
    parser.add_argument("--seed", type=int, default=SEED, help="another set of documents")
    parser.add_argument("--out", type=Path, default=HERE, help="where to write it")
    options = parser.parse_args(arguments)
    if options.seed != SEED and options.out.resolve() == HERE and not options.check:
        parser.error("another seed would replace the documents that come with Seatrial; say `--out FOLDER`")
    missing = missing_fonts()
    if missing:
        print(f"Fonts that are missing: {', '.join(missing)}. On Debian: apt install fonts-dejavu fonts-liberation")
        return 1
    return (_check if options.check else _write)(options.out, options.seed)


def _asked(document: Document, number: int, count: int, dice: random.Random) -> tuple[Question, ...]:
    """Some of a document's questions: for every third its first one (a total, a value), else one in turn; then dice.

    None of them where fewer than `count` have an answer that the first one has not.
    """
    first = document.questions[0 if number % 3 == 0 else number % len(document.questions)]
    others = [question for question in document.questions if question.answers[0] != first.answers[0]]
    return (first, *dice.sample(others, count - 1)) if len(others) >= count - 1 else ()


def _write(folder: Path, seed: int) -> int:
    try:
        write_documents(folder, seed)
    except OSError as error:
        print(f"{folder} cannot be written ({error.strerror or error}).")
        return 1
    for name in ("items.jsonl", "examples.jsonl"):
        print(f"{name}: {len((folder / name).read_bytes().splitlines())} lines")
    return 0


def _draw_into(folder: Path, seed: int) -> None:
    texts = {"items.jsonl": "", "examples.jsonl": ""}
    for name in document_names():
        drawn = draw(name, seed)
        drawn.document.picture.save(folder / PICTURES / f"{name}.png", optimize=True)
        file = "examples.jsonl" if name.startswith("example-") else "items.jsonl"
        texts[file] += "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records(drawn))
    for file, text in texts.items():
        (folder / file).write_bytes(text.encode())


def _manifest(seed: int) -> bytes:
    """What says how the set is asked: that of the set that comes with Seatrial, under a name of the seed's own."""
    text = (HERE / MANIFEST).read_bytes()
    if seed == SEED:
        return text
    named = re.sub(rb'(?m)^name = "(.*)"', rb'name = "\1-%d"' % seed, text, count=1)
    return re.sub(rb'(?m)^title = "(.*)"', rb'title = "\1 (seed %d)"' % seed, named, count=1)


def _move_into(folder: Path, part: Path) -> None:
    """Files over those of the same names, the pictures first."""
    (folder / PICTURES).mkdir(exist_ok=True)
    for file in (*(part / PICTURES).iterdir(), *(path for path in part.iterdir() if path.is_file())):
        os.replace(file, folder / file.relative_to(part))


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

"""The proof that the whole path sees: a reader, trained on other receipts, reads unseen ones through every door, and
reads nothing where the path is broken on purpose.

What is read wrongly here for certain: tiles in another order, pixels in another order, another picture.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

QUESTION = "What is the total?"
LEAST_READ = 0.95
NUM_ASKED = 20  # by `seatrial ask`, which loads the model for each
# Three digits at random are right once in 900, and once in 10 where two of them stand where they should: tiles that
# moved by one still lie beside their neighbours. The rest is left to luck with 60 receipts.
CHANCE = 0.15

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def _read_in_process(folder: Path, unseen: Any, **options: Any) -> float:
    """The share of unseen receipts that a model reads, asked in one batch."""
    from seatrial.chat import ImagePart, Message, TextPart
    from seatrial.engine.model import Model
    from seatrial.engine.request import SamplingParams

    model = Model.from_pretrained(folder, **options)
    prompts = [
        [Message("user", (ImagePart(path.read_bytes(), "image/png"), TextPart(QUESTION)))] for path in unseen.paths
    ]
    answers = model.generate_all(prompts, SamplingParams(max_tokens=8, temperature=0.0))
    right = [answer.text.strip() == str(total) for answer, total in zip(answers, unseen.totals, strict=True)]
    return sum(right) / len(right)


@pytest.mark.parametrize("dtype", ["float32", "auto", "int8"])
def test_unseen_receipts_are_read_in_every_precision(small_reader: Path, unseen: Any, dtype: str) -> None:
    assert _read_in_process(small_reader, unseen, dtype=dtype) >= LEAST_READ


def _planes_for_pixels(pixels_NHWC: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Three planes, taken for interleaved colours."""
    return np.ascontiguousarray(pixels_NHWC.transpose(0, 3, 1, 2)).reshape(pixels_NHWC.shape)


BROKEN: dict[str, Callable[[NDArray[np.uint8]], NDArray[np.uint8]]] = {
    "tiles backwards": lambda pixels: pixels[::-1],
    "whole view first": lambda pixels: np.roll(pixels, 1, axis=0),
    "neighbouring tiles swapped": lambda pixels: pixels[[0, 2, 1, *range(3, len(pixels))]],
    "rows for columns": lambda pixels: pixels.swapaxes(1, 2),
    "upside down": lambda pixels: pixels[:, ::-1],
    "mirrored": lambda pixels: pixels[:, :, ::-1],
    "planes for pixels": _planes_for_pixels,
}


@pytest.mark.parametrize("how", BROKEN)
def test_a_broken_path_reads_no_better_than_chance(
    small_reader: Path, unseen: Any, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    from seatrial.models.pictures import preparing

    cut = preparing.tile_pixels
    monkeypatch.setattr(preparing, "tile_pixels", lambda *given: np.ascontiguousarray(BROKEN[how](cut(*given))))
    assert _read_in_process(small_reader, unseen, dtype="float32") <= CHANCE


def test_transformers_gives_the_same_answers(small_reader: Path, unseen: Any) -> None:
    """The checkpoint is one that the official classes load, and they read it as we do."""
    torch, transformers = pytest.importorskip("torch"), pytest.importorskip("transformers")
    from PIL import Image
    from transformers.models.smolvlm.image_processing_pil_smolvlm import SmolVLMImageProcessorPil

    from seatrial.models.pictures import placeholder, plan_tiles
    from seatrial.models.vision_config import PictureRules, VideoRules

    model = transformers.SmolVLMForConditionalGeneration.from_pretrained(small_reader).eval()
    processor = SmolVLMImageProcessorPil.from_pretrained(small_reader)
    tokenizer = transformers.PreTrainedTokenizerFast.from_pretrained(small_reader)
    half = (0.5, 0.5, 0.5)
    rules = PictureRules(processor.size["longest_edge"], 48, True, half, half, VideoRules(1.0, 8, 48))
    right = 0
    for path, total in zip(unseen.paths, unseen.totals, strict=True):
        picture = Image.open(path)
        pixels = processor(picture, return_tensors="pt")["pixel_values"]
        text = placeholder(plan_tiles(*picture.size, rules), 9)
        prompt = f"<|im_start|>User:{text}{QUESTION}<end_of_utterance>\nAssistant:"
        ids = tokenizer(prompt, return_tensors="pt", add_special_tokens=False)["input_ids"]
        with torch.no_grad():
            made = model.generate(input_ids=ids, pixel_values=pixels, max_new_tokens=8, do_sample=False)
        right += tokenizer.decode(made[0, ids.shape[1] :], skip_special_tokens=True).strip() == str(total)
    assert right / len(unseen.totals) >= LEAST_READ


def test_ask_reads(small_reader: Path, unseen: Any, tmp_path: Path) -> None:
    """`seatrial ask FOLDER … --image FILE`, as a user would: a process for each question."""
    from server_process import run_seatrial

    words = ("ask", str(small_reader), QUESTION, "--temperature", "0", "--image")
    paths, totals = unseen.paths[:NUM_ASKED], unseen.totals[:NUM_ASKED]
    said = [run_seatrial(*words, str(path), home=tmp_path).strip() for path in paths]
    right = sum(text == str(total) for text, total in zip(said, totals, strict=True))
    assert right / NUM_ASKED >= LEAST_READ


@pytest.fixture(scope="module")
def server(small_reader: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    from server_process import ServerProcess

    log = tmp_path_factory.mktemp("server") / "server.log"
    server = ServerProcess(str(small_reader), "--port", "0", "--alias", f"reader={small_reader.name}", log=log)
    yield server
    assert "Traceback" not in server.said()
    assert server.stop() == 0


def test_the_server_reads_for_the_official_client(server: Any, unseen: Any) -> None:
    openai = pytest.importorskip("openai")
    client = openai.OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0, timeout=60.0)
    right = 0
    for path, total in zip(unseen.paths, unseen.totals, strict=True):
        url = "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode()
        content = [{"type": "image_url", "image_url": {"url": url}}, {"type": "text", "text": QUESTION}]
        reply = client.chat.completions.create(
            model="reader", messages=[{"role": "user", "content": content}], max_tokens=8, temperature=0
        )
        right += (reply.choices[0].message.content or "").strip() == str(total)
    assert right / len(unseen.totals) >= LEAST_READ


def test_compare_finds_that_the_reader_reads_and_the_majority_does_not(
    small_reader: Path, unseen: Any, tmp_path: Path
) -> None:
    from server_process import run_seatrial

    work, run = tmp_path / "receipts", tmp_path / "run"
    _write_workload(work, unseen)
    words = ("compare", str(small_reader), "baseline:majority", "--on", str(work), "--out", str(run), "--json")
    document = json.loads(run_seatrial(*words, home=tmp_path))
    quality = {
        claim["candidate"]: claim["value"]
        for claim in document["claims"]
        if claim["key"] == "quality" and claim["workload"]
    }
    assert quality.pop("baseline:majority") <= CHANCE
    (read,) = quality.values()
    assert read >= LEAST_READ


def _write_workload(folder: Path, unseen: Any) -> None:
    """The unseen receipts but the first ten as items; the first ten are what the baseline may learn from."""
    folder.mkdir()
    lines = []
    for place, (path, total) in enumerate(zip(unseen.paths, unseen.totals, strict=True)):
        (folder / path.name).write_bytes(path.read_bytes())
        lines.append(json.dumps({"id": f"r{place}", "image": path.name, "input": QUESTION, "expected": str(total)}))
    (folder / "examples.jsonl").write_text("\n".join(lines[:10]) + "\n")
    (folder / "items.jsonl").write_text("\n".join(lines[10:]) + "\n")
    (folder / "workload.toml").write_text(
        'name = "receipts"\n[prompt]\nuser = "{input}"\nmax_tokens = 8\n[scorer]\nname = "exact"\n'
    )


def test_a_kept_reader_is_checked_on_receipts_of_its_own(small_reader: Path) -> None:
    from reader.checking import share_read_by, told
    from reader.recipe import SMALL

    share = share_read_by(small_reader, {SMALL.name: SMALL}, num_receipts=60)
    assert share.value >= LEAST_READ
    assert share.low < share.value < share.high or share.value == share.high == 1
    assert "of 60 unseen receipts (95 % interval" in told(share)

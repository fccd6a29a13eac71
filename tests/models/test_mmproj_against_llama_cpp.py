"""A tiny GGUF pair in llama.cpp's own engine and in ours: names, order of weights, pixel shuffle, projection.

The picture has one colour, so that whoever scales it gets the same tiles. Tolerance as for text, see
`test_gguf_against_llama_cpp`; the eyes' matrices are float16 on both sides.
"""

from __future__ import annotations

import base64
import io
import json
import urllib.request
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from seatrial.engine.runner import BLOCK_TOKENS, StepInput
from seatrial.engine.torch_runner import TorchRunner
from seatrial.engine.torch_vision import open_plain_vision
from seatrial.models.checkpoint import Checkpoint, open_checkpoint
from seatrial.models.smollm import Decoder, decoder_weights

xllamacpp = pytest.importorskip("xllamacpp")

COLOUR = (230, 40, 120)
AROUND = ("hello ", " world, 3 of")
MARKER = "<__media__>"


@pytest.mark.parametrize("exchanged", [False, True], ids=["as written today", "feed-forward names exchanged"])
def test_log_probabilities_agree(
    tmp_path: Path, tiny_vision: Callable[..., Any], exchanged: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LLAMA_MEDIA_MARKER", MARKER)
    tiny_vision(longest_edge=64).write_ggufs(tmp_path, "F16", exchanged=exchanged)
    checkpoint = open_checkpoint(tmp_path, now=datetime.now)
    ours = our_log_probabilities(checkpoint)
    best = best_of(tmp_path)
    assert len(best) == 8
    assert ours.std() > 1
    assert max(abs(ours[row["id"]].item() - row["logprob"]) for row in best) < 0.03


def our_log_probabilities(checkpoint: Checkpoint) -> torch.Tensor:
    """Of the token after the prompt, with a picture of two by two tiles and the whole view."""
    assert checkpoint.vision is not None
    config, tokenizer = checkpoint.vision.config, checkpoint.tokenizer
    pixel = (np.array(COLOUR, np.float32) / 255 - 0.5) / 0.5
    tiles = np.broadcast_to(pixel[None, :, None, None], (5, 3, config.image_size, config.image_size)).copy()
    rows = open_plain_vision(checkpoint.vision, dtype="float32", device="cpu", name="tiny").encode(tiles)
    fake, seen = "<fake_token_around_image>", "<image>" * config.tokens_per_tile
    split = "\n".join("".join(f"{fake}<row_{r}_col_{c}>{seen}" for c in (1, 2)) for r in (1, 2))
    ids = torch.tensor(tokenizer.encode(f"{AROUND[0]}{split}\n\n{fake}<global-img>{seen}{fake}{AROUND[1]}"))
    weights = decoder_weights(checkpoint.config, checkpoint.tensors, dtype=torch.float32, device=torch.device("cpu"))
    table = torch.cat((weights.embedding_VD, torch.from_numpy(rows).flatten(0, 1)))
    runner = TorchRunner(Decoder(checkpoint.config, weights._replace(embedding_VD=table)))
    num_blocks = -(-len(ids) // BLOCK_TOKENS)
    runner.allocate(num_blocks)
    places = ids == config.image_token_id
    ids[places] = checkpoint.config.vocab_size + torch.arange(int(places.sum()))
    step = StepInput(
        tokens_T=ids.numpy().astype(np.int32),
        positions_T=np.arange(len(ids), dtype=np.int32),
        starts_S1=np.array([0, len(ids)], np.int32),
        tables_SB=np.arange(num_blocks, dtype=np.int32)[None],
        rows_R=np.array([len(ids) - 1], np.int32),
    )
    return torch.as_tensor(runner.forward(step))[0].log_softmax(-1)


def best_of(folder: Path) -> list[dict[str, Any]]:
    """The eight best next tokens of llama.cpp."""
    params = xllamacpp.CommonParams()
    params.model.path, params.mmproj.path = str(folder / "tiny-F32.gguf"), str(folder / "mmproj-tiny-F16.gguf")
    params.n_ctx, params.n_parallel, params.n_predict, params.mmproj_use_gpu = 256, 1, 1, False
    params.cpuparams.n_threads, params.warmup, params.fit_params = 1, False, False
    server = xllamacpp.Server(params)
    drawn = io.BytesIO()
    Image.new("RGB", (64, 64), COLOUR).save(drawn, "PNG")
    prompt = {
        "prompt_string": f"{AROUND[0]}{MARKER}{AROUND[1]}",
        "multimodal_data": [base64.b64encode(drawn.getvalue()).decode()],
    }
    wanted = {"prompt": prompt, "n_predict": 1, "temperature": 0, "n_probs": 8, "cache_prompt": False}
    asked = urllib.request.Request(f"{server.listening_address}/completion", json.dumps(wanted).encode())
    with urllib.request.urlopen(asked, timeout=60) as reply:
        answer = json.load(reply)
    found: list[dict[str, Any]] = answer["completion_probabilities"][0]["top_logprobs"]
    return found

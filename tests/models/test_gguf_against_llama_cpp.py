"""Random tiny GGUF files in llama.cpp's own engine and in ours: row order of queries and keys, NoPE and YaRN.

Tolerance: llama.cpp keeps keys and values in float16, which moves a log-probability of these models by up to 0.02.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import gguf
import pytest
import torch

from seatrial.engine.model import Model
from seatrial.engine.runner import whole_prompt

xllamacpp = pytest.importorskip("xllamacpp")

TOKENS = [3 + i * 37 % 250 for i in range(90)]
YARN = {
    "rope_scaling_type": gguf.RopeScalingType.YARN,
    "rope_scaling_factor": 4.0,
    "rope_scaling_orig_ctx_len": 64,
}


@pytest.mark.parametrize(
    ("architecture", "extra"), [("llama", {}), ("smollm3", {}), ("smollm3", YARN)], ids=["llama", "smollm3", "yarn"]
)
def test_log_probabilities_agree(
    tmp_path: Path, tiny: Callable[..., Any], architecture: str, extra: dict[str, Any]
) -> None:
    path = tiny(architecture, num_hidden_layers=6).write_gguf(tmp_path / "model.gguf", extra=extra)
    model = Model.from_pretrained(path, dtype="float32", device="cpu")
    model.runner.allocate(6)
    ours = torch.as_tensor(model.runner.forward(whole_prompt(TOKENS, range(6)))).log_softmax(-1)
    assert ours.std() > 1
    differences = [
        abs(ours[length - 1, row["id"]].item() - row["logprob"])
        for length in (1, 2, 5, 20, 40, 60, 70, 80)
        for row in best_of(path, TOKENS[:length])
    ]
    assert len(differences) >= 40
    assert max(differences) < 0.03


def best_of(path: Path, tokens: list[int]) -> list[dict[str, Any]]:
    """The eight best next tokens of llama.cpp; none where it ends the text at once."""
    if path not in SERVERS:
        SERVERS.clear()
        params = xllamacpp.CommonParams()
        params.model.path = str(path)
        params.n_ctx, params.n_parallel, params.n_predict = 256, 1, 1
        params.cpuparams.n_threads, params.warmup, params.fit_params = 1, False, False
        SERVERS[path] = xllamacpp.Server(params)
    wanted = {"prompt": tokens, "n_predict": 1, "temperature": 0, "n_probs": 8, "cache_prompt": False}
    chosen = SERVERS[path].handle_completions(wanted)["choices"][0]["logprobs"]
    return chosen["content"][0]["top_logprobs"] if chosen else []


SERVERS: dict[Path, Any] = {}

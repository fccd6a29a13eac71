"""transformers as a worker: `python transformers_worker.py FILE.gguf THREADS bfloat16|float32`.

The weights are the file's own numbers, put into transformers' model class; how long that takes says nothing about
transformers, so no load time is given. Attention is PyTorch's scaled dot product, the cache transformers' own.
"""

from __future__ import annotations

import sys
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import torch
import transformers
from worker import peak_bytes, random_ids, seeds_of, serve

from seatrial.models.checkpoint import open_checkpoint
from seatrial.models.config import ModelConfig


class Transformers:
    """One model in one number format."""

    def __init__(self, path: str, threads: int, dtype: str) -> None:
        self._path, self._dtype = path, getattr(torch, dtype)
        torch.set_num_threads(threads)
        torch.set_grad_enabled(False)
        self._held: dict[tuple[int, ...], tuple[Any, torch.Tensor]] = {}

    def load(self, positions: int, sequences: int) -> dict[str, object]:
        """Open the model and answer a prompt of one token."""
        checkpoint = open_checkpoint(Path(self._path), now=datetime.now)
        config = transformers_config(checkpoint.config)
        with torch.device("meta"):
            self._model = transformers.AutoModelForCausalLM.from_config(config, dtype=self._dtype)
        for name, parameter in list(self._model.named_parameters()):
            if name in checkpoint.tensors:
                owner = self._model.get_submodule(name.rpartition(".")[0])
                owner.weight = torch.nn.Parameter(checkpoint.tensors[name].to(self._dtype), requires_grad=False)
                assert owner.weight.shape == parameter.shape, name
        self._model.model.rotary_emb = type(self._model.model.rotary_emb)(config)
        self._model.tie_weights()
        self._model.eval()
        self._vocab_size = checkpoint.config.vocab_size
        self._pass(torch.tensor([[1]]), None)
        return {"load_s": None, "runner": f"transformers {transformers.__version__}"}

    def greedy(self, ids: list[int], num_tokens: int) -> list[int]:
        """The continuation of a prompt."""
        best_B1, cache = self._pass(torch.tensor([ids]), None)
        tokens = [int(best_B1)]
        while len(tokens) < num_tokens:
            best_B1, cache = self._pass(best_B1, cache)
            tokens.append(int(best_B1))
        return tokens

    def prefill(self, num_tokens: int, seed: int) -> float:
        """Seconds to the first token of a fresh prompt."""
        ids = torch.tensor([random_ids(seed, self._vocab_size, num_tokens)])
        start = time.perf_counter()
        self._pass(ids, None)
        return time.perf_counter() - start

    def decode(self, batch: int, prompt: int, generate: int, seed: int) -> float:
        """Tokens a second of `batch` answers together. Prompts stay for the next call with the same seed."""
        key = (batch, prompt, seed)
        if key not in self._held:
            self._held.clear()
            ids = [random_ids(own, self._vocab_size, prompt) for own in seeds_of(seed, batch)]
            best_B1, cache = self._pass(torch.tensor(ids), None)
            self._held[key] = cache, best_B1
        cache, best_B1 = self._held[key]
        if cache.get_seq_length() > prompt:
            cache.crop(prompt - cache.get_seq_length())
        best_B1, cache = self._pass(best_B1, cache)
        start = time.perf_counter()
        for _ in range(generate):
            best_B1, cache = self._pass(best_B1, cache)
        return batch * generate / (time.perf_counter() - start)

    def memory(self) -> dict[str, int]:
        """Weights and the most that was resident, bytes."""
        weights = sum(parameter.nbytes for parameter in self._model.parameters())
        return {"weights": weights, "cache": 0, "peak": peak_bytes()}

    def close(self) -> None:
        """Give everything back."""
        self._held.clear()
        del self._model

    def _pass(self, ids_BT: torch.Tensor, cache: Any) -> tuple[torch.Tensor, Any]:
        """The best next tokens [B, 1], and the cache."""
        out = self._model(ids_BT, past_key_values=cache, use_cache=True, logits_to_keep=1)
        return out.logits[:, -1].argmax(-1, keepdim=True), out.past_key_values


def transformers_config(config: ModelConfig) -> Any:
    """Our description of a model as transformers'."""
    kinds = {"llama": transformers.LlamaConfig, "smollm3": transformers.SmolLM3Config}
    more = {"no_rope_layers": list(map(int, config.rope_layers))} if config.architecture == "smollm3" else {}
    return kinds[config.architecture](
        vocab_size=config.vocab_size,
        hidden_size=config.hidden_size,
        intermediate_size=config.intermediate_size,
        num_hidden_layers=config.num_layers,
        num_attention_heads=config.num_heads,
        num_key_value_heads=config.num_kv_heads,
        head_dim=config.head_dim,
        rms_norm_eps=config.norm_eps,
        max_position_embeddings=config.context_length,
        rope_theta=config.rope_theta,
        tie_word_embeddings=config.tied_embeddings,
        pad_token_id=None,
        attn_implementation="sdpa",
        **more,
    )


if __name__ == "__main__":
    serve(Transformers(sys.argv[1], int(sys.argv[2]), sys.argv[3]))

"""Safetensors files, one or several with an index, as the decoder's tensors.

In: a folder and a configuration. Out: a lazy mapping from Hugging Face names to tensors. The safetensors library
checks lengths, offsets and overlaps of each file before it maps it; names, shapes and number types are checked here.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError, safe_open

from seatrial.errors import CheckpointError, UnsupportedModel
from seatrial.models.config import ModelConfig
from seatrial.models.quoting import named, one_line, quoted
from seatrial.models.tensors import expected_shapes

if TYPE_CHECKING:
    import torch

SINGLE, INDEX = "model.safetensors", "model.safetensors.index.json"
_READABLE = ("F32", "F16", "BF16")
_MAX_INDEX_BYTES = 64 << 20


class SafetensorsFolder(Mapping[str, "torch.Tensor"]):
    """Tensors by name, as stored. Raises at once: CheckpointError (missing, wrong shape, damaged), UnsupportedModel."""

    def __init__(self, folder: Path, config: ModelConfig) -> None:
        self.folder = folder
        placed = _index(folder) if (folder / INDEX).exists() else None
        self.files: dict[str, Any] = {}
        held: dict[str, str] = {}
        for file in sorted(set(placed.values())) if placed is not None else [SINGLE]:
            self.files[file] = _open(folder / file)
            held.update(dict.fromkeys(self.files[file].keys(), file))
        self.places = {name: held[name] for name in expected_shapes(config) if name in held}
        self._check(config, set(held))

    def __getitem__(self, name: str) -> torch.Tensor:
        file = self.places[name]
        try:
            tensor: torch.Tensor = self.files[file].get_tensor(name)
        except (SafetensorError, OSError, RuntimeError) as error:
            raise CheckpointError(f"cannot be read: {error}", path=self.folder / file, field=name) from error
        return tensor

    def __iter__(self) -> Iterator[str]:
        return iter(self.places)

    def __len__(self) -> int:
        return len(self.places)

    def _check(self, config: ModelConfig, held: set[str]) -> None:
        shapes = expected_shapes(config)
        for name, shape in shapes.items():
            if name not in self.places:
                raise CheckpointError("this tensor is missing", path=self.folder, field=name)
            path, view = self.folder / self.places[name], self.files[self.places[name]].get_slice(name)
            if tuple(view.get_shape()) != shape:
                raise CheckpointError(
                    f"shape {view.get_shape()} where the configuration says {list(shape)}", path=path, field=name
                )
            if view.get_dtype() not in _READABLE:
                raise UnsupportedModel(
                    f"numbers of type {named(view.get_dtype())}; known: {', '.join(_READABLE)}", path=path, field=name
                )
        # A tied checkpoint may carry the output matrix again, and old ones carry the rotary frequencies.
        unknown = sorted(
            name for name in held - set(shapes) if name != "lm_head.weight" and not name.endswith("rotary_emb.inv_freq")
        )
        if unknown:
            raise UnsupportedModel("this tensor is not one we compute with", path=self.folder, field=named(unknown[0]))


def _index(folder: Path) -> dict[str, str]:
    path = folder / INDEX
    try:
        if path.stat().st_size > _MAX_INDEX_BYTES:
            raise CheckpointError(f"larger than {_MAX_INDEX_BYTES:,} bytes", path=path)
        raw = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise CheckpointError(f"not readable JSON: {error}", path=path) from error
    placed = raw.get("weight_map") if isinstance(raw, dict) else None
    if not isinstance(placed, dict) or not placed:
        raise CheckpointError("expected an object of tensor names and files", path=path, field="weight_map")
    for name, file in placed.items():
        if not isinstance(file, str) or Path(file).name != file or not file.endswith(".safetensors"):
            raise CheckpointError(
                f"{quoted(file)} is not the name of a .safetensors file", path=path, field=named(name)
            )
    return placed


def _open(path: Path) -> Any:
    try:
        return safe_open(path, framework="pt")
    except FileNotFoundError as error:
        pickled = next((file.name for file in sorted(path.parent.glob("*.bin"))), None)
        instead = f"; `{pickled}` is not read, because such files can run code: convert it" if pickled else ""
        raise CheckpointError(f"this file is missing{instead}", path=path) from error
    except (SafetensorError, OSError, ValueError) as error:
        raise CheckpointError(f"not a whole safetensors file: {one_line(error)}. Fetch it again.", path=path) from error

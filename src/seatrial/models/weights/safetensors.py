"""Safetensors files, one or several with an index, as a model's tensors.

In: a folder, and the names and shapes that the model needs. Out: a lazy mapping from our names to tensors. The
safetensors library checks lengths, offsets and overlaps of each file before it maps it; names, shapes and number types
are checked here.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError, safe_open

from seatrial.errors import CheckpointError, UnsupportedModel
from seatrial.models.quoting import named, one_line, quoted

if TYPE_CHECKING:
    import torch

SINGLE, INDEX = "model.safetensors", "model.safetensors.index.json"
_READABLE = ("F32", "F16", "BF16")
_MAX_INDEX_BYTES = 64 << 20


class SafetensorsFolder(Mapping[str, "torch.Tensor"]):
    """Tensors by our name, as stored. Raises at once CheckpointError (missing, wrong shape, damaged), UnsupportedModel.

    `shapes` says what must be there, `spelled` how the files spell a name where they do so otherwise.
    """

    def __init__(
        self, folder: Path, shapes: Mapping[str, tuple[int, ...]], spelled: Mapping[str, str] | None = None
    ) -> None:
        self.folder = folder
        placed = _index(folder) if (folder / INDEX).exists() else None
        self.files: dict[str, Any] = {}
        held: dict[str, str] = {}
        for file in sorted(set(placed.values())) if placed is not None else [SINGLE]:
            self.files[file] = _open(folder / file)
            held.update(dict.fromkeys(self.files[file].keys(), file))
        self.spelled = dict(spelled or {name: name for name in shapes})
        self.places = {name: held[self.spelled[name]] for name in shapes if self.spelled[name] in held}
        self._check(shapes, set(held))

    def part(self, names: Iterable[str]) -> Mapping[str, torch.Tensor]:
        """Some of the tensors, as a mapping of their own."""
        return _Part(self, tuple(names))

    def __getitem__(self, name: str) -> torch.Tensor:
        file = self.places[name]
        try:
            tensor: torch.Tensor = self.files[file].get_tensor(self.spelled[name])
        except (SafetensorError, OSError, RuntimeError) as error:
            field = self.spelled[name]
            raise CheckpointError(f"cannot be read: {error}", path=self.folder / file, field=field) from error
        return tensor

    def __iter__(self) -> Iterator[str]:
        return iter(self.places)

    def __len__(self) -> int:
        return len(self.places)

    def _check(self, shapes: Mapping[str, tuple[int, ...]], held: set[str]) -> None:
        for name, shape in shapes.items():
            field = self.spelled[name]
            if name not in self.places:
                raise CheckpointError("this tensor is missing", path=self.folder, field=field)
            path, view = self.folder / self.places[name], self.files[self.places[name]].get_slice(field)
            if tuple(view.get_shape()) != shape:
                raise CheckpointError(
                    f"shape {view.get_shape()} where the configuration says {list(shape)}", path=path, field=field
                )
            if view.get_dtype() not in _READABLE:
                raise UnsupportedModel(
                    f"numbers of type {named(view.get_dtype())}; known: {', '.join(_READABLE)}", path=path, field=field
                )
        # A tied checkpoint may carry the output matrix again, and old ones carry the rotary frequencies.
        needed = set(self.spelled.values())
        unknown = sorted(
            name for name in held - needed if name != "lm_head.weight" and not name.endswith("rotary_emb.inv_freq")
        )
        if unknown:
            raise UnsupportedModel("this tensor is not one we compute with", path=self.folder, field=named(unknown[0]))


class _Part(Mapping[str, "torch.Tensor"]):
    """Some tensors of a folder."""

    def __init__(self, whole: SafetensorsFolder, names: tuple[str, ...]) -> None:
        self.whole, self.names = whole, dict.fromkeys(names)

    def __getitem__(self, name: str) -> torch.Tensor:
        if name not in self.names:
            raise KeyError(name)
        return self.whole[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)


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

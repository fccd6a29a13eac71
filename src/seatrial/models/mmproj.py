"""Which GGUF files make a model: llama.cpp keeps the eyes of one apart from its text, in files called `mmproj-…`.

In: a folder, a text model's path, or the names of a repository's files. Out: paths, or the names to fetch. What is in
the files is `vision_reading`'s and `weights`'. Torch-free.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePath

from seatrial.errors import CheckpointError

_MARK = "mmproj"
_WIDTH = re.compile(r"[-._](i?q\d[a-z0-9_]*|b?f16|f32)$")
_SHARD = re.compile(r"-\d{5}-of-\d{5}$")
# Which width is fetched where nobody said: for text the usual trade of size for quality, for eyes 8 bits.
_TEXT_WIDTHS = ("q4_k_m", "q4_0", "q4_1", "q4_k_s", "q5_k_m", "q5_0", "q6_k", "q8_0", "bf16", "f16", "f32")
_EYES_WIDTHS = ("q8_0", "bf16", "f16", "f32")


def text_model_in(folder: Path) -> Path:
    """The one text model of a folder. Raises CheckpointError for none and for several."""
    files = sorted(file for file in folder.glob("*.gguf") if not has_eyes(file))
    if not files:
        raise CheckpointError("holds no model: there is neither a config.json nor a .gguf file", path=folder)
    if len(files) > 1:
        raise CheckpointError(
            f"holds {len(files)} .gguf files. Name the one to load, such as `{folder / files[0].name}`.", path=folder
        )
    return files[0]


def eyes_beside(text_model: Path) -> Path | None:
    """The file that belongs to a text model: the one of its name, or the only one beside the folder's only text model.

    Of several (repositories offer some widths) the largest is taken, which is the most precise.
    """
    files = list(text_model.parent.glob("*.gguf"))
    eyes = [file for file in files if has_eyes(file)]
    alike = [file for file in eyes if plain_name(file) == plain_name(text_model)]
    found = alike or (eyes if len(files) - len(eyes) <= 1 else [])
    return max(sorted(found), key=lambda file: file.stat().st_size, default=None)


def choose_files(names: Iterable[str], *, wanted: str | None, repository: str) -> list[str]:
    """Of a repository's files the text model to fetch and, where there is one, the file with its eyes.

    `wanted` names the text model; without it the first of the usual widths is taken. Raises CheckpointError where the
    repository has no such file, or several models and nobody said which.
    """
    files = [PurePath(name) for name in sorted(names) if name.endswith(".gguf") and "/" not in name]
    texts = [file for file in files if not has_eyes(file) and not _SHARD.search(file.stem)]
    if wanted is not None:
        texts = [file for file in texts if file.name == wanted]
    if not texts:
        raise CheckpointError(f"has no {wanted or 'whole .gguf file of a text model'}", path=repository)
    if len({plain_name(file) for file in texts}) > 1:
        offered = ", ".join(file.name for file in texts[:8])
        raise CheckpointError(
            f"holds several models: {offered}. Name one: `hf:{repository}/{texts[0].name}`.", path=repository
        )
    text = _first_of(_TEXT_WIDTHS, texts)
    eyes = [file for file in files if has_eyes(file)]
    alike = [file for file in eyes if plain_name(file) == plain_name(text)]
    only_model = {plain_name(file) for file in files if not has_eyes(file)} == {plain_name(text)}
    own = alike or (eyes if only_model else [])
    return [text.name, *([_first_of(_EYES_WIDTHS, own).name] if own else [])]


def has_eyes(file: PurePath) -> bool:
    """Whether a file's name says that it holds eyes."""
    return file.suffix.lower() == ".gguf" and _MARK in file.name.lower()


def plain_name(file: PurePath) -> str:
    """A model's name without `mmproj` and the width of its numbers: of `mmproj-SmolVLM2-256M-Q8_0`, `smolvlm2-256m`."""
    return _WIDTH.sub("", file.stem.lower().replace(_MARK, "").strip("-_."))


def _first_of(widths: Sequence[str], files: Sequence[PurePath]) -> PurePath:
    """The file of the first width there is; a file that names none of them comes last."""

    def rank(file: PurePath) -> int:
        found = _WIDTH.search(file.stem.lower())
        return widths.index(found[1]) if found and found[1] in widths else len(widths)

    return min(files, key=rank)

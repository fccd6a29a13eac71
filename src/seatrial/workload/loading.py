"""Workloads from where they are kept: built in, a folder with a `workload.toml`, a bare file of JSON lines, a data set.

A name or path comes in; a `Workload` with everything checked goes out, or an error that names the file, line and field.
The format is in `docs/workloads.md`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

from seatrial.errors import UnknownName, UsageError, WorkloadError
from seatrial.workload.fingerprint import fingerprint
from seatrial.workload.inference import TASK_OF_SCORER, Inferred, infer_scorer, prompt_for
from seatrial.workload.items import PlacedItem, read_items
from seatrial.workload.manifest import FILE_NAME, Manifest, read_manifest
from seatrial.workload.scorers import SCORER_NAMES, check_expected
from seatrial.workload.specification import Item, Prompt, ScorerSpec, Workload
from seatrial.workload.sroie import NAME as SROIE
from seatrial.workload.sroie import SOURCE as SROIE_SOURCE
from seatrial.workload.sroie import is_sroie, read_sroie

ITEMS_NAME, EXAMPLES_NAME = "items.jsonl", "examples.jsonl"
_PLAIN_CLUSTER = "cluster"


def load_workload(name_or_path: str, *, scorer: str | None = None, data: Path | None = None) -> Workload:
    """Load a workload by built-in name, folder or file. `scorer` replaces the one of a folder, or says a file's.

    `data` is where public data sets lie: the name `sroie` means a folder in it, unless there is one at hand.

    Raises:
        UnknownName: there is no such workload or scorer; the nearest are offered.
        UsageError: `sroie`, and it is not there; says where it can be had.
        WorkloadError: what is there cannot be used, with file, line and field.
    """
    if scorer is not None and scorer not in SCORER_NAMES:
        raise UnknownName("scorer", scorer, SCORER_NAMES, f"There are: {', '.join(SCORER_NAMES)}.")
    if name_or_path in builtin_names():
        return _from_folder(_builtin_folder().joinpath(name_or_path), name_or_path, scorer)
    path = Path(name_or_path)
    if name_or_path == SROIE and not path.exists():
        path = _sroie_folder(data)
    try:
        is_folder, exists = path.is_dir(), path.exists()
    except (OSError, ValueError):
        is_folder = exists = False
    if is_folder and is_sroie(path):
        return _from_sroie(path, name_or_path, scorer)
    if is_folder:
        return _from_folder(path, name_or_path, scorer)
    if exists and path.name == FILE_NAME:
        return _from_folder(path.parent, name_or_path, scorer)
    if exists:
        return _from_file(path, name_or_path, scorer)
    raise UnknownName(
        "workload",
        name_or_path,
        builtin_names(),
        f"Built in are {', '.join(builtin_names())}; there is no file or folder of that name.",
    )


def _sroie_folder(data: Path | None) -> Path:
    folder = None if data is None else data / SROIE
    if folder is None or not folder.is_dir():
        where = "SEATRIAL_DATA is not set" if folder is None else f"there is no folder {folder}"
        raise UsageError(
            f"The receipts of `{SROIE}` do not come with Seatrial, and {where}. Get them from {SROIE_SOURCE}, then "
            "give the folder that holds `img` and `key`."
        )
    return folder


def builtin_names() -> tuple[str, ...]:
    """The workloads that come with Seatrial, sorted."""
    folders = (entry for entry in _builtin_folder().iterdir() if entry.is_dir())
    return tuple(sorted(folder.name for folder in folders if folder.joinpath(FILE_NAME).is_file()))


def _builtin_folder() -> Traversable:
    return resources.files("seatrial.workload").joinpath("data")


def _from_folder(folder: Traversable, origin: str, scorer_name: str | None) -> Workload:
    if not folder.joinpath(FILE_NAME).is_file():
        raise WorkloadError(f"has no {FILE_NAME}. Write one, or name a .jsonl file.", path=origin)
    manifest = read_manifest(folder, with_scorer=scorer_name is None)
    items_file, examples_file = folder.joinpath(ITEMS_NAME), folder.joinpath(EXAMPLES_NAME)
    cluster, required = manifest.cluster or _PLAIN_CLUSTER, manifest.cluster is not None
    items = _some_items(items_file, folder, cluster, required)
    examples = (
        read_items(examples_file, folder=folder, cluster=cluster, cluster_required=False)
        if examples_file.is_file()
        else []
    )
    inferred = Inferred(manifest.scorer, ()) if manifest.scorer else _inferred(scorer_name, items_file, items, examples)
    checked_items = _checked(inferred.scorer, items_file, items)
    checked_examples = _checked(inferred.scorer, examples_file, examples)
    _check_no_leak(items_file, items, examples_file, examples)
    _check_shots(manifest.prompt, inferred.scorer, checked_examples, folder)
    return _workload(manifest, inferred, checked_items, checked_examples, origin)


def _from_sroie(folder: Path, origin: str, scorer_name: str | None) -> Workload:
    if scorer_name not in (None, "json_fields"):
        raise UsageError(f"`{origin}` is scored by `json_fields`, field by field. Leave `--scorer` out.")
    manifest, items = read_sroie(folder)
    assert manifest.scorer is not None
    return _workload(manifest, Inferred(manifest.scorer, ()), _checked(manifest.scorer, folder, items), (), origin)


def _from_file(path: Path, origin: str, scorer_name: str | None) -> Workload:
    items = _some_items(path, path.parent, _PLAIN_CLUSTER, False)
    inferred = _inferred(scorer_name, path, items, [])
    prompt = prompt_for(inferred.scorer)
    if all(placed.item.messages for placed in items):
        prompt = Prompt(max_tokens=prompt.max_tokens)
    if prompt.system:
        inferred = inferred._replace(notes=(*inferred.notes, f"Asked with the system message: {prompt.system}"))
    manifest = Manifest(
        name=path.stem,
        version="1",
        title=path.stem,
        task=None,
        description="",
        licence="not stated",
        cluster=None,
        prompt=prompt,
        scorer=None,
    )
    return _workload(manifest, inferred, _checked(inferred.scorer, path, items), (), origin)


def _some_items(file: Traversable, folder: Traversable, cluster: str, required: bool) -> list[PlacedItem]:
    items = read_items(file, folder=folder, cluster=cluster, cluster_required=required)
    if not items:
        raise WorkloadError("has no items in it. Write one JSON object a line.", path=str(file))
    return items


def _inferred(
    name: str | None, file: Traversable, items: Sequence[PlacedItem], examples: Sequence[PlacedItem]
) -> Inferred:
    _check_expected_present(name, file, items)
    try:
        return infer_scorer(name, [placed.item.expected for placed in (*items, *examples)])
    except WorkloadError as error:
        raise WorkloadError(error.reason, path=str(file), field=error.field) from None


def _checked(scorer: ScorerSpec, file: Traversable, items: Sequence[PlacedItem]) -> tuple[Item, ...]:
    """The items with what is expected in the scorer's form."""
    _check_expected_present(scorer.name, file, items)
    checked = []
    for placed in items:
        try:
            expected = check_expected(scorer, placed.item.expected)
        except WorkloadError as error:
            raise WorkloadError(error.reason, path=str(file), line=placed.line, field=error.field) from None
        checked.append(replace(placed.item, expected=expected))
    return tuple(checked)


def _check_expected_present(scorer_name: str | None, file: Traversable, items: Sequence[PlacedItem]) -> None:
    for placed in items:
        if placed.item.expected is None and scorer_name != "json_schema":
            raise WorkloadError("the item lacks this field.", path=str(file), line=placed.line, field="expected")


def _check_no_leak(
    items_file: Traversable,
    items: Sequence[PlacedItem],
    examples_file: Traversable,
    examples: Sequence[PlacedItem],
) -> None:
    def asked(placed: PlacedItem) -> tuple[str, ...]:
        turns = [turn.text for turn in placed.item.messages if turn.role != "system"] or [placed.item.input]
        return (*(" ".join(turn.split()) for turn in turns), *placed.item.media_sha256)

    line_of = {asked(placed): placed.line for placed in items}
    for placed in examples:
        line = line_of.get(asked(placed))
        if line is not None:
            raise WorkloadError(
                f"is also an item ({items_file.name}, line {line}): the example would give its answer away.",
                path=str(examples_file),
                line=placed.line,
                field="input",
            )


def _check_shots(prompt: Prompt, scorer: ScorerSpec, examples: Sequence[Item], folder: Traversable) -> None:
    def refuse(reason: str) -> WorkloadError:
        return WorkloadError(reason, path=str(folder.joinpath(FILE_NAME)), field="prompt.shots")

    if prompt.shots > len(examples):
        raise refuse(f"asks for {prompt.shots} examples; {EXAMPLES_NAME} has {len(examples)}.")
    if prompt.shots and scorer.name == "regex" and scorer.settings["pattern"] is None:
        raise refuse("must be 0: what the examples expect are patterns, which cannot stand as answers.")
    if any(example.expected is None for example in examples[: prompt.shots]):
        raise refuse(f"an example among the first {prompt.shots} has no `expected` to show.")


def _workload(
    manifest: Manifest, inferred: Inferred, items: tuple[Item, ...], examples: tuple[Item, ...], origin: str
) -> Workload:
    return Workload(
        name=manifest.name,
        version=manifest.version,
        title=manifest.title,
        task=manifest.task or TASK_OF_SCORER.get(inferred.scorer.name, "generation"),
        description=manifest.description,
        licence=manifest.licence,
        prompt=manifest.prompt,
        scorer=inferred.scorer,
        items=items,
        examples=examples,
        origin=origin,
        fingerprint=fingerprint(manifest.prompt, inferred.scorer, items, examples),
        notes=inferred.notes,
    )

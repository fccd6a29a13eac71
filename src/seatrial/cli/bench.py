"""`seatrial bench`: how fast a model runs on this machine, beside what the machine could do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from seatrial.errors import UsageError

if TYPE_CHECKING:
    from seatrial.engine.bench_report import BenchReport, Spread


def bench(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL",
            show_default=False,
            help="A pulled id, hf:owner/name, ./folder, ./file.gguf, or random:smollm3-3b: its shape, random weights.",
        ),
    ],
    prompt: Annotated[int, typer.Option("--prompt", metavar="TOKENS", help="Length of the prompts.")] = 512,
    generate: Annotated[int, typer.Option("--generate", metavar="TOKENS", help="Tokens of each answer.")] = 128,
    batch: Annotated[
        str, typer.Option("--batch", metavar="N,N…", help="How many answers are decoded at once.")
    ] = "1,4,16,32",
    threads: Annotated[
        int | None, typer.Option("--threads", min=1, max=1024, help="Threads to compute with (default: every core).")
    ] = None,
    dtype: Annotated[str, typer.Option("--dtype", help="auto, float32, bfloat16, float16, int8 or int4.")] = "auto",
    device: Annotated[str, typer.Option("--device", help="auto, cpu, cuda or mps.")] = "auto",
    level: Annotated[
        str | None, typer.Option("--level", help="Instruction set of the CPU kernels (default: the best here).")
    ] = None,
    repeats: Annotated[int, typer.Option("--repeats", help="Timed repetitions of each thing.")] = 5,
    seed: Annotated[int, typer.Option("--seed", help="Seeds the random prompts and weights.")] = 0,
    json: Annotated[bool, typer.Option("--json", help="Print JSON instead of the table.")] = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print the table as Markdown.")] = False,
) -> None:
    """Measure how fast a model runs here: prefill, decode, first token, memory, beside the machine's limits."""
    from rich.console import Console

    from seatrial.cli.settings import read_settings
    from seatrial.cli.wiring_bench import bench_model
    from seatrial.engine.bench_report import BenchSettings

    if json and markdown:
        raise UsageError("`--json` and `--markdown` exclude each other; give one of them.")
    ask = BenchSettings(prompt=prompt, generate=generate, batches=parse_batches(batch), repeats=repeats, seed=seed)
    with Console(stderr=True).status(f"{model}: starting …") as status:
        report = bench_model(
            read_settings(),
            model,
            ask,
            dtype=dtype,
            device=device,
            threads=threads,
            level=level,
            on_stage=lambda stage: status.update(f"{model}: {stage} …"),
        )
    if json:
        _print_json(report)
    elif markdown:
        typer.echo(as_markdown(report))
    else:
        print_table(report)


def parse_batches(text: str) -> tuple[int, ...]:
    """`1,4,16` as numbers. Raises UsageError for anything else."""
    pieces = [piece.strip() for piece in text.split(",")]
    wrong = next((piece for piece in pieces if not (piece.isascii() and piece.isdigit() and len(piece) < 10)), None)
    if wrong is not None:
        raise UsageError(f"`--batch` is `{text[:80]}`; `{wrong[:40]}` is not a count. Write it as `1,4,16,32`.")
    return tuple(dict.fromkeys(map(int, pieces)))


class Row(NamedTuple):
    """One line of the table: what was measured, its median, least to most, and what it is held against."""

    what: str
    median: str
    range: str
    beside: str


def rows(report: BenchReport) -> list[Row]:
    """The table, as texts."""
    prefill, matrix_rate = report.prefill, report.limits.matrix_rate
    bandwidth = report.limits.read_bytes_per_s
    lines = [
        Row(
            f"prefill, {prefill.num_tokens:,} tokens",
            *_rate(prefill.tokens_per_s),
            f"{prefill.share_of_matrix_rate:.0%} of {_operations(matrix_rate)}",
        ),
        *(
            Row(
                f"decode, {figure.batch} at once",
                *_rate(figure.tokens_per_s),
                f"{figure.share_of_bandwidth:.0%} of {_bytes(bandwidth)}/s",
            )
            for figure in report.decode
        ),
        Row(f"first token, {prefill.num_tokens:,} tokens", *_time(prefill.ttft_s), ""),
    ]
    if cached := report.cached_prefix:
        what = f"first token, {cached.num_shared:,} cached + {cached.num_own:,}"
        lines.append(Row(what, *_time(cached.ttft_s), f"{cached.ratio:.2f} × {cached.num_own:,} alone"))
    if copying := report.copying:
        beside = f"{copying.ratio:.2f} × without{'' if copying.same_answer else ', BUT NOT THE SAME ANSWER'}"
        lines.append(Row("copying, with speculation", *_rate(copying.speculating_tokens_per_s), beside))
    if report.load_s is not None:
        lines.append(Row("load", _seconds(report.load_s), "", ""))
    if report.memory.peak_bytes is not None and report.memory.beyond_bytes is not None:
        beyond = f"{_bytes(report.memory.beyond_bytes)} beyond"
        lines.append(Row("memory, most", _bytes(report.memory.peak_bytes), "", beyond))
    return lines


def headline(report: BenchReport) -> str:
    """What was measured, on what."""
    where = report.circumstances
    threads = f"{where.threads} thread{'s' if where.threads > 1 else ''}"
    version = where.versions.get("seatrial", "")
    return (
        f"{report.model} · {where.dtype} · {report.runner}, {threads} · {where.cpu} · seatrial {version} · "
        f"{where.measured_at[:10]}"
    )


def notes(report: BenchReport) -> list[str]:
    """What the table does not say of itself."""
    measured = ", ".join(f"{name} {_operations(rate)}" for name, rate in report.limits.matrix_rates.items())
    said = [
        f"Medians of {report.settings.repeats}, least to most. Decoding begins after prompts of "
        f"{report.settings.prompt:,} tokens and goes on for {report.settings.generate:,}; rates are of all answers "
        "together.",
        f"Weights take {_bytes(report.memory.weights_bytes)}, the cache {_bytes(report.memory.cache_bytes)}.",
        f"The machine, in the same run: reads {_bytes(report.limits.read_bytes_per_s)}/s; products alone: {measured}.",
    ]
    return [*said, *(f"Left out: {reason}." for reason in report.left_out)]


def as_markdown(report: BenchReport) -> str:
    """The table to paste."""
    lines = [f"**{headline(report)}**", "", "| | median | least to most | beside |", "|---|--:|--:|---|"]
    lines += [f"| {row.what} | {row.median} | {row.range} | {row.beside} |" for row in rows(report)]
    return "\n".join([*lines, "", *(f"- {note}" for note in notes(report))])


def print_table(report: BenchReport) -> None:
    """Print the report for people, on standard output."""
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False, markup=False)
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
    for heading in ("", "median", "least to most", "beside"):
        is_number = heading in ("median", "least to most")
        table.add_column(heading, justify="right" if is_number else "left", no_wrap=heading != "beside")
    for row in rows(report):
        table.add_row(*row)
    console.print(headline(report), style="bold")
    console.print()
    console.print(table)
    console.print()
    for note in notes(report):
        console.print(note, style="dim")


def _print_json(report: BenchReport) -> None:
    import msgspec

    plain = msgspec.to_builtins(report)
    plain["limits"]["matrix_rate"] = report.limits.matrix_rate
    plain["memory"]["beyond_bytes"] = report.memory.beyond_bytes
    for name, part in (("cached_prefix", report.cached_prefix), ("copying", report.copying)):
        if part is not None:
            plain[name]["ratio"] = part.ratio
    typer.echo(msgspec.json.format(msgspec.json.encode(plain), indent=2).decode())


def _rate(spread: Spread) -> tuple[str, str]:
    return f"{_number(spread.median)} tok/s", f"{_number(spread.least)} to {_number(spread.most)}"


def _time(spread: Spread) -> tuple[str, str]:
    return _seconds(spread.median), f"{_seconds(spread.least)} to {_seconds(spread.most)}"


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:,.1f}"


def _seconds(value: float) -> str:
    return f"{value * 1000:,.0f} ms" if value < 1 else f"{value:,.1f} s"


def _bytes(value: float) -> str:
    return f"{value / 1e9:,.1f} GB" if abs(value) >= 1e9 else f"{value / 1e6:,.0f} MB"


def _operations(value: float) -> str:
    return f"{value / 1e12:,.2f} TOP/s" if value >= 1e12 else f"{value / 1e9:,.0f} GOP/s"

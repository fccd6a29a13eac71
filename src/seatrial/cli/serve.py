"""`seatrial serve`: models behind the OpenAI API, until Ctrl-C."""

from __future__ import annotations

import enum
import ipaddress
import re
from typing import TYPE_CHECKING, Annotated

import typer

from seatrial.errors import UsageError

if TYPE_CHECKING:
    from seatrial.cli.wiring_server import Server

_HOST = re.compile(r"(?:\[(?P<ipv6>[^]]+)\]|(?P<name>[\w-]+(?:\.[\w-]+)*)\.?)(?::(?P<port>[0-9]{1,5}))?")
_UNITS = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KIB": 1 << 10, "MIB": 1 << 20, "GIB": 1 << 30}


class LogFormat(enum.StrEnum):
    """How the log is written."""

    text = "text"
    json = "json"


def serve(
    models: Annotated[
        list[str],
        typer.Argument(
            metavar="MODEL…",
            show_default=False,
            help="`smollm2-135m`, `hf:owner/name`, `./folder`, `./file.gguf`, `openai:NAME`, `http://host:port/v1#name`.",
        ),
    ],
    host: Annotated[str, typer.Option("--host", help="Where to listen; 0.0.0.0 for every address.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", help="0 for any that is free.")] = 8000,
    alias: Annotated[
        list[str] | None,
        typer.Option("--alias", metavar="NAME=MODEL", help="Answer to another name too: gpt-5-mini=smollm3-3b."),
    ] = None,
    keys: Annotated[
        bool | None,
        typer.Option(
            "--keys/--no-keys",
            show_default=False,
            help="Ask for API keys (default: unless only this machine reaches the server). See `seatrial keys`.",
        ),
    ] = None,
    on_demand: Annotated[bool, typer.Option("--on-demand", help="Load a model when it is first asked for.")] = False,
    memory_limit: Annotated[
        str | None,
        typer.Option("--memory-limit", metavar="SIZE", help="What models may take, as 8GB; idle ones make room."),
    ] = None,
    batch: Annotated[
        int, typer.Option("--batch", min=1, max=32, help="Answers that a local model makes at once.")
    ] = 16,
    max_waiting: Annotated[
        int, typer.Option("--max-waiting", min=0, help="Generations that may wait; more are turned away with 429.")
    ] = 128,
    timeout: Annotated[
        float, typer.Option("--timeout", min=0.1, metavar="SECONDS", help="Time for an answer, or between its pieces.")
    ] = 600.0,
    max_body: Annotated[str, typer.Option("--max-body", metavar="SIZE", help="The largest request.")] = "20MB",
    max_bodies: Annotated[
        str,
        typer.Option(
            "--max-bodies", metavar="SIZE", help="All requests together; large ones beyond are turned away with 429."
        ),
    ] = "256MB",
    max_images: Annotated[int, typer.Option("--max-images", min=0, help="Pictures in one request.")] = 16,
    max_pixels: Annotated[
        int, typer.Option("--max-pixels", min=1, max=1 << 26, help="Pixels of one picture, width by height.")
    ] = 1 << 26,
    max_videos: Annotated[int, typer.Option("--max-videos", min=0, help="Videos in one request.")] = 4,
    max_tokens: Annotated[
        int | None, typer.Option("--max-tokens", min=1, help="The longest answer that a request may ask for.")
    ] = None,
    cors: Annotated[
        list[str] | None,
        typer.Option("--cors", metavar="ORIGIN", help="Let pages of this origin call; `*` for all."),
    ] = None,
    allow_image_host: Annotated[
        list[str] | None,
        typer.Option(
            "--allow-image-host",
            metavar="HOST[:PORT]",
            help="Fetch pictures from this host: at the ports 80 and 443, or at PORT alone.",
        ),
    ] = None,
    threads: Annotated[
        int | None, typer.Option("--threads", min=1, max=1024, help="Threads to compute with (default: every core).")
    ] = None,
    context: Annotated[
        int | None, typer.Option("--context", min=16, metavar="TOKENS", help="The longest prompt and answer together.")
    ] = None,
    drain_seconds: Annotated[
        float, typer.Option("--drain-seconds", min=0.0, help="How long running answers may take after SIGTERM.")
    ] = 30.0,
    keyed_metrics: Annotated[bool, typer.Option("--keyed-metrics", help="Ask for an API key at /metrics too.")] = False,
    log_format: Annotated[LogFormat, typer.Option("--log-format", help="How requests are logged.")] = LogFormat.text,
    log_prompts: Annotated[
        bool, typer.Option("--log-prompts", help="Log what requests say. Never done otherwise.")
    ] = False,
) -> None:
    """Serve models behind the OpenAI API: change `base_url` in an existing client, and its model's name."""
    from seatrial.cli.log_lines import log_problems
    from seatrial.cli.settings import read_settings
    from seatrial.cli.wiring_server import ServeOrder, open_server
    from seatrial.server.serving import resolve

    settings = read_settings()
    address = resolve(host, port)
    order = ServeOrder(
        models=tuple(models),
        address=address,
        aliases=dict(_alias(text) for text in alias or ()),
        asks_for_keys=not address.is_loopback if keys is None else keys,
        on_demand=on_demand,
        memory_limit_bytes=None if memory_limit is None else parse_size(memory_limit, "--memory-limit"),
        max_waiting=max_waiting,
        timeout_s=timeout,
        max_body_bytes=parse_size(max_body, "--max-body"),
        max_bodies_bytes=parse_size(max_bodies, "--max-bodies"),
        max_images=max_images,
        max_pixels=max_pixels,
        max_videos=max_videos,
        max_answer_tokens=max_tokens,
        origins=frozenset(origin.rstrip("/") for origin in cors or ()),
        image_hosts=frozenset(image_host(text) for text in allow_image_host or ()),
        open_metrics=not keyed_metrics,
        threads=threads,
        context=context,
        batch=batch,
        drain_s=drain_seconds,
        log_format=log_format.value,
        log_prompts=log_prompts,
    )
    server = open_server(settings, order)
    if server.keys is not None and not server.keys.all():
        raise UsageError(
            f"A server that others reach asks for API keys, and there is none. Run `seatrial keys add NAME` first, "
            f"or insist with `seatrial serve {models[0]} --host {host} --no-keys`."
        )
    log_problems(log_format.value)
    typer.echo(f"Loading {', '.join(server.names)} …" if not on_demand else "Starting …", err=True)
    server.run(lambda: typer.echo(greeting(server)))


def greeting(server: Server) -> str:
    """What to do now, ready to paste."""
    url, name = server.order.address.url, server.names[0]
    key = "sk-seatrial-…" if server.keys is not None else "none"
    header = f" -H 'Authorization: Bearer {key}'" if server.keys is not None else ""
    return f"""\
Seatrial serves {", ".join(server.names)} at {url}/v1. Chat in the browser: {url}/ · the API: {url}/docs

    from openai import OpenAI
    client = OpenAI(base_url="{url}/v1", api_key="{key}")
    reply = client.chat.completions.create(model="{name}", messages=[{{"role": "user", "content": "Hello"}}])
    print(reply.choices[0].message.content)

    curl {url}/v1/chat/completions{header} -H 'Content-Type: application/json' \\
      -d '{{"model": "{name}", "messages": [{{"role": "user", "content": "Hello"}}]}}'

Ctrl-C stops it."""


def parse_size(text: str, option: str) -> int:
    """`8GB`, `500 MB`, `1048576` as bytes. Raises UsageError for anything else."""
    number = text.strip().rstrip("BKMGIbkmgi ")
    unit = text.strip()[len(number) :].strip().upper()
    try:
        num_bytes = int(float(number) * _UNITS[unit])
    except (ValueError, KeyError, OverflowError):
        num_bytes = 0
    if num_bytes <= 0:
        raise UsageError(f"`{option}` is `{text[:40]}`; write a size such as 500MB, 8GB or 6GiB.")
    return num_bytes


def image_host(text: str) -> str:
    """`example.com`, `Example.com.:8080` as `WireLimits.image_hosts` has it. Raises UsageError for anything else."""
    from seatrial.server.wire.limits import host_and_port

    found = _HOST.fullmatch(f"[{text}]" if _is_ipv6(text) else text)
    if found is None or (found["ipv6"] and not _is_ipv6(found["ipv6"])) or not 0 < int(found["port"] or 80) < 1 << 16:
        raise UsageError(
            f"`--allow-image-host` is `{text[:80]}`, which is no host. Write `example.com`, or `example.com:8080` for "
            "another port than 80 and 443."
        )
    host = (found["ipv6"] or found["name"]).lower()
    return host_and_port(host, int(found["port"])) if found["port"] else host


def _is_ipv6(text: str) -> bool:
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return True


def _alias(text: str) -> tuple[str, str]:
    name, equals, model = text.partition("=")
    if not (name and equals and model):
        raise UsageError(f"`--alias {text[:80]}` names no model. It looks like `--alias gpt-5-mini=smollm3-3b`.")
    return name, model

"""What was found about looking at a page, as Markdown: times beside their aims, the encoder beside the machine."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from seatrial.models.vision_config import VisionConfig

OURS, PEER = "Seatrial", "llama.cpp"
_FASTER, _AGAIN, _SHARE = 3.0, 0.05, 0.6
_MOST_GB = {"smolvlm2-256m": 1.0, "smolvlm2-2.2b": 3.5}


@dataclass
class Found:
    """One model: what each engine did, by its name. `encoders` are calls of Seatrial's encoder alone."""

    model: str
    eyes: VisionConfig
    loads: dict[str, dict[str, Any]] = field(default_factory=dict)
    looks: dict[str, list[dict[str, float]]] = field(default_factory=dict)
    peaks: dict[str, int] = field(default_factory=dict)
    checks: list[str] = field(default_factory=list)
    encoders: list[dict[str, Any]] = field(default_factory=list)


def multiply_adds(config: VisionConfig) -> tuple[int, int]:
    """Of one tile: in products with weights, and in attention."""
    patches, hidden, layers = config.patches_per_side**2, config.hidden_size, config.num_layers
    layer = 4 * hidden * hidden + 2 * hidden * config.intermediate_size
    outer = patches * 3 * config.patch_size**2 * hidden
    outer += config.tokens_per_tile * hidden * config.scale_factor**2 * config.text_hidden_size
    return patches * layers * layer + outer, layers * 2 * patches * patches * hidden


def markdown(
    found: Sequence[Found], *, title: str, how: str, limits: Mapping[str, float], omitted: Sequence[str]
) -> str:
    """The result file."""
    registers = ", ".join(f"{kind} {rate / 2e9:,.0f} G multiply-adds/s" for kind, rate in limits.items())
    lines = [f"# {title}", "", how, "", f"- multiplication from registers: {registers or 'not measured'}"]
    lines += [f"- {name}: left out of this run" for name in omitted]
    for one in found:
        lines += ["", f"## {one.model}, random weights, text Q4_0 and eyes Q8_0", "", *_table(one), ""]
        lines += [*_encoder(one, limits), *(f"- {check}" for check in one.checks)]
    return "\n".join(lines).rstrip() + "\n"


def _table(one: Found) -> list[str]:
    ours = _median(one, OURS, "first_s")
    lines = [
        f"One page of 1536 x 1152, {one.looks[OURS][0]['tokens']:,.0f} tokens. Median (least to most), seconds. "
        f"Aims: {_FASTER:g} times as fast as each peer; a second question in {_AGAIN:.0%} of the first; "
        f"at most {_MOST_GB[one.model]:g} GB.",
        "",
        "| engine | page to first token | times Seatrial's | second question | of the first | peak memory |",
        "|---|---|---|---|---|---|",
    ]
    for name in one.looks:
        first, second = _median(one, name, "first_s"), _median(one, name, "second_s")
        lines.append(
            f"| {name} | {_spread(one, name, 'first_s')} | {first / ours:.2f} × | {_spread(one, name, 'second_s')} | "
            f"{second / first:.1%} | {one.peaks[name] / 1e9:.2f} GB |"
        )
    return lines


def _encoder(one: Found, limits: Mapping[str, float]) -> list[str]:
    """The encoder by itself, beside the rates of registers and of large products alone, in the same process."""
    num_tiles = 4
    best = min(one.encoders, key=lambda call: call["seconds"])
    products, attention = (num_tiles * count for count in multiply_adds(one.eyes))
    rate = (products + attention) / best["seconds"]
    alone = max((value for kind, value in best["rates"].items() if not kind.startswith("torch")), default=0.0) / 2
    matrix = {kind: value / 2 for kind, value in limits.items() if kind.startswith(("int", "bf16"))}
    lines = [
        f"- encoder and connector, {num_tiles} tiles: {best['seconds'] / num_tiles:.2f} s a tile, "
        f"{rate / 1e9:.0f} G multiply-adds/s (aim {_SHARE:.0%} of a matrix rate)",
        *(f"- that is {rate / value:.0%} of `{kind}` from registers" for kind, value in matrix.items()),
    ]
    if alone:
        lines.append(f"- that is {rate / alone:.0%} of large 8-bit products alone, {alone / 1e9:.0f} G multiply-adds/s")
    parts = sorted(best["parts"].items(), key=lambda part: -part[1])
    lines.append("- of its time: " + ", ".join(f"{part} {spent / best['seconds']:.1%}" for part, spent in parts))
    lines.append(
        f"- its products reach {products / best['parts']['products'] / 1e9:.0f} G multiply-adds/s, "
        f"its attention {attention / best['parts']['attention'] / 1e9:.0f}"
    )
    return lines


def _median(one: Found, name: str, what: str) -> float:
    return statistics.median(look[what] for look in one.looks[name])


def _spread(one: Found, name: str, what: str) -> str:
    values = [look[what] for look in one.looks[name]]
    return f"{statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})"

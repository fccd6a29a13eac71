"""The numbers of a made-up run: what was measured, on which items, with which answers. Seeded; used by `sample`."""

from __future__ import annotations

import json
import math
import random
import tomllib
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from seatrial.verdict.document import (
    AnswerShown,
    Claim,
    Evidence,
    ItemDifference,
    LatencyProfile,
    RunInfo,
    WorkloadInfo,
)

TEXTS = tomllib.loads(Path(__file__).with_name("sample.toml").read_text(encoding="utf-8"))
TODAY = date(2026, 11, 22)
MEASURED = ("smollm2-135m", "baseline:nearest", "baseline:majority")
ALL = (*MEASURED, "smollm3-3b", "gpt-5-mini")
REVIEWERS = ("builder", "skeptic", "futurist", "founder")
NUM_ITEMS = {"triage": 160, "extract": 80, "arithmetic": 100}
LENGTH = {"triage": 1.0, "extract": 2.9, "arithmetic": 1.7}
QUALITY = {
    "smollm2-135m": {"triage": 0.394, "extract": 0.512, "arithmetic": 0.060},
    "baseline:nearest": {"triage": 0.756, "extract": 0.447, "arithmetic": 0.020},
    "baseline:majority": {"triage": 0.138, "extract": 0.181, "arithmetic": 0.030},
}
MEDIAN_S = {"smollm2-135m": 0.62, "baseline:nearest": 0.0011, "baseline:majority": 0.00004}
COST = {"smollm2-135m": 0.0172, "baseline:nearest": 0.0, "baseline:majority": 0.0}
QUEUES = ("billing", "returns", "delivery", "login", "fault", "praise", "legal", "sales")


def run_info() -> RunInfo:
    return RunInfo(
        id="first-2026-11-22",
        created_at=datetime(2026, 11, 22, 9, 14, 5, tzinfo=UTC),
        decided_on=TODAY,
        repeat=f"seatrial compare {' '.join(ALL)} --on triage --on extract --on arithmetic --out runs/first --seed 0",
        seed=0,
        margin=0.03,
        purpose="commercial",
        concurrency=4,
        seatrial_version="0.1.0",
        environments=[
            {
                "started_at": "2026-11-22T09:14:05Z",
                "platform": "Linux 6.1 x86_64",
                "cpu": "Intel Xeon (Sapphire Rapids)",
                "num_cpus": 2,
                "memory_bytes": 16_777_216_000,
                "versions": {"python": "3.11.2", "torch": "2.13.0", "numpy": "2.3.1"},
            }
        ],
    )


def workload_info(name: str) -> WorkloadInfo:
    title, task, description, scorer, num_clusters = {
        "triage": ("Support triage", "classification", "Send a message to one of eight queues.", "label", 23),
        "extract": (
            "Order extraction",
            "extraction",
            "Read an order mail, give its fields as JSON.",
            "json-fields",
            None,
        ),
        "arithmetic": ("Two-step arithmetic", "reasoning", "Word problems with one checked number.", "number", None),
    }[name]
    return WorkloadInfo(
        name=name,
        version="1.0",
        title=title,
        task=task,
        description=description,
        licence="CC0-1.0",
        scorer=scorer,
        origin="built in",
        fingerprint=f"9f2c51d07ab3e4{name}",
        num_items=NUM_ITEMS[name],
        num_available=NUM_ITEMS[name],
        num_clusters=num_clusters,
    )


def run_evidence() -> list[Evidence]:
    texts = {}
    for workload, n in NUM_ITEMS.items():
        for candidate in MEASURED:
            name = TEXTS["cards"][candidate]["name"]
            texts[f"run:{workload}/{candidate}"] = (f"{n} observations of {name} on {workload}", n)
        texts[f"run:{workload}/paired"] = (f"{n} items of {workload} answered by both", n)
    return [
        Evidence(id=key, kind="measured", text=text, source="this run, observations.jsonl", as_of=TODAY, n=n)
        for key, (text, n) in texts.items()
    ]


def measured_claims(rng: random.Random) -> list[Claim]:
    claims = []
    for workload, n in NUM_ITEMS.items():
        for candidate in MEASURED:
            claims += _figures(candidate, workload, n, rng)
        for a, b in ((MEASURED[0], MEASURED[1]), (MEASURED[0], MEASURED[2]), (MEASURED[1], MEASURED[2])):
            claims += _pair(a, b, workload, n)
    return claims


def _figures(candidate: str, workload: str, n: int, rng: random.Random) -> list[Claim]:
    quality, length = QUALITY[candidate][workload], LENGTH[workload]
    half = 1.96 * math.sqrt(quality * (1 - quality) / n)
    median, cost = MEDIAN_S[candidate] * length, COST[candidate] * length
    is_model = candidate == "smollm2-135m"
    mean = "clustered mean, Student t"
    rows: list[tuple[str, str, float | None, float | None, float | None, str]] = [
        ("quality", "fraction", quality, max(0.0, quality - half), quality + half, mean),
        ("failure_rate", "fraction", 0.0, 0.0, 0.023, "Wilson"),
        ("latency_p50_s", "seconds", median, median * 0.96, median * 1.05, "order statistics"),
        ("latency_p95_s", "seconds", median * 2.4, median * 2.1, median * (3 + rng.random()), "order statistics"),
        ("latency_p99_s", "seconds", None, None, None, "order statistics"),
        ("cost_per_1k_usd", "US dollars", cost, cost * 0.95 or None, cost * 1.06 or None, "mean"),
    ]
    if workload == "extract":
        rate = 0.875 if is_model else 1.0
        rows.append(("valid_output_rate", "fraction", rate, rate - 0.08, min(1.0, rate + 0.05), "Wilson"))
    if is_model:
        rows += [
            ("ttft_p50_s", "seconds", median * 0.3, median * 0.28, median * 0.33, "order statistics"),
            ("token_time_p50_s", "seconds", 0.0041, 0.0040, 0.0043, "order statistics"),
            ("prompt_tokens_mean", "tokens", 211.4, 205.0, 217.9, mean),
            ("completion_tokens_mean", "tokens", 31.2, 28.1, 34.4, mean),
            ("throughput_per_hour", "items/hour", 3600 / median, None, None, "items ÷ time busy"),
        ]
    return [
        Claim(
            id=f"{candidate}/{workload}/{key}",
            candidate=candidate,
            workload=workload,
            key=key,
            unit=unit,
            value=value,
            low=low,
            high=high,
            level=None if low is None else 0.95,
            n=n,
            kind="measured",
            evidence=[f"run:{workload}/{candidate}"],
            method=method,
            note="p99 wants at least 299 items" if value is None else "",
        )
        for key, unit, value, low, high, method in rows
    ]


def _pair(a: str, b: str, workload: str, n: int) -> list[Claim]:
    difference = QUALITY[a][workload] - QUALITY[b][workload]
    half = 1.96 * math.sqrt(0.35 / n)
    low, high = difference - half, difference + half
    is_clear = low * high > 0
    holds = True if low > -0.03 else False if high < -0.03 else None
    tests: list[tuple[str, str, str, float | bool | None, dict[str, Any]]] = [
        (a, b, "quality_difference", difference, {"unit": "fraction", "low": low, "high": high, "level": 0.95}),
        (a, b, "non_inferior", holds, {"low": low, "high": high, "level": 0.95}),
        (a, b, "beats", low > 0, {}),
        (b, a, "beats", high < 0, {}),
    ]
    return [
        Claim(
            **(
                {
                    "id": f"{first}-{second}/{workload}/{key}",
                    "candidate": first,
                    "against": second,
                    "workload": workload,
                    "key": key,
                    "value": value,
                    "unit": "yes/no",
                    "kind": "measured",
                    "evidence": [f"run:{workload}/paired"],
                    "n": n,
                    "method": "paired mean, clustered, Student t",
                    "p_value": 0.0004 if is_clear else 0.31,
                    "p_adjusted": 0.0012 if is_clear else 0.62,
                }
                | more
            )
        )
        for first, second, key, value, more in tests
    ]


def latency_profiles(rng: random.Random) -> list[LatencyProfile]:
    return [
        LatencyProfile(
            candidate=candidate,
            workload=workload,
            seconds=sorted(
                MEDIAN_S[candidate] * length * math.exp(rng.gauss(0, 0.34)) * (2.2 if rng.random() < 0.04 else 1)
                for _ in range(min(200, NUM_ITEMS[workload]))
            ),
        )
        for workload, length in LENGTH.items()
        for candidate in MEASURED
    ]


def item_difference(workload: str, index: int, rng: random.Random) -> ItemDifference:
    asks, expected, wrong = {"triage": _triage, "extract": _extract, "arithmetic": _arithmetic}[workload](index, rng)
    right = rng.randrange(3)
    answers = [
        AnswerShown(candidate=candidate, text=expected if place == right else wrong, score=float(place == right))
        for place, candidate in enumerate(MEASURED)
    ]
    if index == 3:
        failure = "ProviderTimeout: no answer within 60 s."
        answers[0] = AnswerShown(candidate=MEASURED[0], text=None, score=0.0, failure=failure)
    return ItemDifference(
        workload=workload,
        item=f"{workload}-{index:04d}",
        input=asks,
        expected=json.loads(expected) if workload == "extract" else expected,
        cluster=f"customer-{index % 7}" if workload == "triage" else None,
        answers=answers,
    )


def _triage(index: int, rng: random.Random) -> tuple[str, str, str]:
    queue, other = rng.sample(QUEUES, 2)
    return f"{rng.choice(TEXTS['messages'])} Reference {index:05d}.", queue, other


def _extract(index: int, rng: random.Random) -> tuple[str, str, str]:
    firm, sku = (
        rng.choice(("Marlow Chandlery", "Bosun & Daughters", "The Rope Loft")),
        rng.choice(("ROPE-12", "CLEAT-4")),
    )
    order = {"customer": firm, "order": f"MC-{index:04d}", "lines": [{"sku": sku, "qty": 40}]}
    text = f"Hello,\nplease send 40 of the {sku} against our order MC-{index:04d}.\nSame address as ever.\n{firm}"
    wrong = order | {"lines": [{"sku": sku, "qty": rng.randrange(2, 30)}]}
    return text, json.dumps(order), json.dumps(wrong)


def _arithmetic(index: int, rng: random.Random) -> tuple[str, str, str]:
    boats, crew, left = rng.randrange(3, 12), rng.randrange(4, 9), rng.randrange(1, 9)
    text = f"A harbour has {boats} boats with {crew} hands each. {left} hands stay ashore. How many sail?"
    return text, str(boats * crew - left), f"There are {boats} boats and {crew} hands, so the answer is {boats * crew}."

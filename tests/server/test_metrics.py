"""What the server counts and logs, and how operators ask for it."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from asgi import request, start
from hypothesis import given
from hypothesis import strategies as st
from scripted import Scripted, clock, counted_ids, models_of, says

from seatrial.chat import Usage
from seatrial.engine.metrics import EngineMetrics
from seatrial.server.access_log import AccessLog
from seatrial.server.app import Application
from seatrial.server.endpoints.chat import chat_routes
from seatrial.server.endpoints.operation import operation_routes
from seatrial.server.metrics import LoadedModel, Metrics
from seatrial.server.readiness import Readiness

SAMPLE = re.compile(r'(\w+)(\{(?:\w+="(?:[^"\\\n]|\\["\\n])*",?)*\})? (\S+)')
CHAT = "/v1/chat/completions"
ASK = {"model": "m", "messages": [{"role": "user", "content": "my secret"}]}


def samples(text: bytes) -> dict[str, float]:
    """Every sample by its name and labels; each line must be one, or a comment."""
    found: dict[str, float] = {}
    for line in text.decode().splitlines():
        if line.startswith("#"):
            assert re.fullmatch(r"# (HELP \w+ .+|TYPE \w+ (counter|gauge|histogram|untyped))", line), line
            continue
        match = SAMPLE.fullmatch(line)
        assert match, line
        name = match[1] + (match[2] or "")
        assert name not in found, line
        found[name] = float(match[3])
    return found


def test_requests_latencies_and_tokens_are_counted() -> None:
    metrics = Metrics()
    for seconds in (0.0005, 0.2, 400.0):
        metrics.ended("POST", CHAT, 200, seconds)
    metrics.ended("POST", CHAT, 429, 0.001)
    metrics.used("m", Usage(10, 5, 4, 3))
    metrics.used("m", Usage(1, 1))
    found = samples(metrics.render())
    assert found[f'seatrial_requests_total{{method="POST",route="{CHAT}",status="200"}}'] == 3
    assert found[f'seatrial_requests_total{{method="POST",route="{CHAT}",status="429"}}'] == 1
    bucket = f'seatrial_request_seconds_bucket{{route="{CHAT}",le="%s"}}'
    assert [found[bucket % le] for le in ("0.001", "0.1", "0.25", "300.0", "+Inf")] == [2, 2, 3, 3, 4]
    assert found[f'seatrial_request_seconds_count{{route="{CHAT}"}}'] == 4
    assert found[f'seatrial_request_seconds_sum{{route="{CHAT}"}}'] == pytest.approx(400.2015)
    kinds = ("prompt", "completion", "cached", "reasoning")
    assert [found[f'seatrial_{kind}_tokens_total{{model="m"}}'] for kind in kinds] == [11, 6, 4, 3]


@given(name=st.text(max_size=30))
def test_no_name_breaks_the_format(name: str) -> None:
    metrics = Metrics(lambda: [LoadedModel(name, True, {"num_running": 2})])
    metrics.used(name, Usage(1, 1))
    text = metrics.render().decode()
    lines = [line for line in text.split("\n") if line.startswith("seatrial_engine_running")]
    assert len(lines) == 1
    assert lines[0].endswith(" 2")


def test_engines_are_shown_where_there_are_any() -> None:
    models = [LoadedModel("a", True, {"num_running": 2, "num_steps": 9}), LoadedModel("b", False)]
    found = samples(Metrics(lambda: models, num_generating=lambda: 7, most_generating=9).render())
    assert found['seatrial_engine_running{model="a"}'] == 2
    assert found['seatrial_engine_steps{model="a"}'] == 9
    assert (found['seatrial_model_loaded{model="a"}'], found['seatrial_model_loaded{model="b"}']) == (1, 0)
    assert (found["seatrial_models_loaded"], found["seatrial_generations"]) == (1, 7)
    bodies = samples(Metrics(num_body_bytes=lambda: 5, most_body_bytes=8).render())
    assert (bodies["seatrial_body_bytes"], bodies["seatrial_body_bytes_most"]) == (5, 8)


def test_what_an_engine_counts_is_described() -> None:
    figures = EngineMetrics(*range(len(EngineMetrics._fields)))._asdict()
    text = Metrics(lambda: [LoadedModel("a", True, figures)]).render().decode()
    families = dict(re.findall(r"^# TYPE seatrial_engine_(\w+) (\w+)$", text, re.MULTILINE))
    gauges = {"waiting", "running", "blocks_used", "blocks", "picture_bytes"}
    assert families == {name.removeprefix("num_"): "counter" for name in figures} | dict.fromkeys(gauges, "gauge")
    said = re.findall(r"^# HELP seatrial_engine_\w+ (.+)$", text, re.MULTILINE)
    assert len(set(said)) == len(figures)


def test_an_unknown_figure_is_shown_too() -> None:
    text = Metrics(lambda: [LoadedModel("a", True, {"num_odd": 3})]).render().decode()
    assert '# TYPE seatrial_engine_odd untyped\nseatrial_engine_odd{model="a"} 3\n' in text


def operated(provider: Scripted, **more: Any) -> tuple[Application, Metrics, Readiness]:
    metrics, readiness = Metrics(), Readiness()
    routes = [
        *chat_routes(models_of(provider), clock=clock, new_id=counted_ids()),
        *operation_routes(metrics, readiness),
    ]
    return Application(routes, metrics=metrics, readiness=readiness, **more), metrics, readiness


async def test_health_and_readiness_are_two_things() -> None:
    app, _, readiness = operated(Scripted())
    readiness.reason = "The models are being loaded."
    assert (await request(app, "GET", "/healthz")).status == 200
    answer = await request(app, "GET", "/readyz")
    assert (answer.status, answer.error["message"]) == (503, "The models are being loaded.")
    assert answer.headers["retry-after"] == "2"
    assert (await request(app, "POST", CHAT, ASK)).status == 503
    readiness.reason = None
    assert (await request(app, "GET", "/readyz")).json == {"status": "ok"}


async def test_metrics_follow_requests() -> None:
    gate = asyncio.Event()
    app, _, _ = operated(Scripted(script=[gate, *says("hello")]))
    exchange = start(app, "POST", CHAT, ASK)
    await asyncio.sleep(0.01)
    during = samples((await request(app, "GET", "/metrics")).body)
    assert during["seatrial_requests_in_flight"] == 2
    gate.set()
    await exchange.done()
    await request(app, "GET", "/no-such-path/with/names")
    answer = await request(app, "GET", "/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    after = samples(answer.body)
    assert after["seatrial_requests_in_flight"] == 1
    assert after['seatrial_requests_total{method="",route="unmatched",status="404"}'] == 1
    assert "no-such-path" not in answer.body.decode()
    assert after['seatrial_prompt_tokens_total{model="m"}'] == 7


Written = list[bytes]
MakeLog = Callable[..., tuple[AccessLog, Written]]


@pytest.fixture
def make_log() -> MakeLog:
    def make(**more: Any) -> tuple[AccessLog, Written]:
        written: Written = []
        now = datetime(2026, 11, 22, 12, 0, 0, 123456, tzinfo=UTC)
        return AccessLog(written.append, now=lambda: now, **more), written

    return make


async def test_a_line_tells_a_request_and_not_what_it_said(make_log: MakeLog) -> None:
    log, written = make_log()
    app, _, _ = operated(Scripted(), log=log)
    await request(app, "POST", CHAT, ASK, {"x-request-id": "id-1"})
    await request(app, "GET", "/a%20b\x7fc", headers={"x-request-id": "id-2"})
    log.flush()
    first, second = b"".join(written).decode().splitlines()
    assert re.fullmatch(
        rf"2026-11-22T12:00:00.123Z id-1 - POST {CHAT} m 200 [\d.]+ms prompt=7 completion=3 cached=2", first
    )
    assert re.fullmatch(r"2026-11-22T12:00:00.123Z id-2 - GET /a%20b\\x7fc - 404 [\d.]+ms", second)


async def test_json_lines_have_fields(make_log: MakeLog) -> None:
    log, written = make_log(form="json")
    app, _, _ = operated(Scripted(), log=log)
    await request(app, "POST", CHAT, ASK | {"stream": True}, {"x-request-id": "id-1"})
    await request(app, "GET", "/healthz", headers={"x-request-id": "id-2"})
    log.flush()
    first, second = (json.loads(line) for line in b"".join(written).splitlines())
    assert first.pop("ms") >= 0
    assert first == {
        "at": "2026-11-22T12:00:00.123456Z",
        "request_id": "id-1",
        "method": "POST",
        "path": CHAT,
        "model": "m",
        "status": 200,
        "prompt_tokens": 7,
        "completion_tokens": 3,
        "cached_tokens": 2,
    }
    assert (second["status"], "model" in second) == (200, False)


async def test_prompts_are_logged_where_the_operator_asks(make_log: MakeLog) -> None:
    log, written = make_log(form="json", with_prompts=True)
    app, _, _ = operated(Scripted(), log=log)
    await request(app, "POST", CHAT, ASK)
    await request(app, "POST", CHAT, b'{"bad": "\xff' + b"x" * 100_000)
    log.flush()
    first, second = (json.loads(line) for line in b"".join(written).splitlines())
    assert json.loads(first["body"]) == ASK
    assert len(second["body"]) <= 20_000


async def test_lines_are_written_soon_and_together(make_log: MakeLog) -> None:
    log, written = make_log()
    app, _, _ = operated(Scripted(), log=log)
    for _ in range(20):
        await request(app, "GET", "/healthz")
    assert written == []
    await asyncio.sleep(0.1)
    assert len(written) == 1
    assert written[0].count(b"\n") == 20

"""A trial against a server of the OpenAI API with every fault in turn: each item is accounted for, and asked no more
than its retries allow."""

from __future__ import annotations

import random
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest
from stand_in import (
    KEY,
    Asked,
    Script,
    StandIn,
    answer,
    chunks,
    completion,
    delta,
    event,
    finish,
    hang,
    openai_error,
    refusal,
    reset,
    whole,
)

from seatrial.providers.http_attempt import Timeouts
from seatrial.providers.http_failures import Retries
from seatrial.providers.openai_http import OpenAIProvider
from seatrial.trial.plan import plan_trial
from seatrial.trial.record import Candidate, Environment, Observation, Run
from seatrial.trial.runner import run_trial
from seatrial.workload.scorers import check_scorer
from seatrial.workload.specification import Item, Prompt, Workload

DONE = b"data: [DONE]\n\n"
LATE = event(openai_error("the engine died", "server_error", None))
FAULTS: dict[str, tuple[Script, str | None]] = {
    "well": (answer("well"), None),
    "not streamed": (whole(completion("not streamed")), None),
    "wrong label": (chunks([delta(content="wrong label"), finish("stop"), DONE], content_type="text/html"), None),
    "slow": (chunks([delta(content="sl"), delta(content="ow"), finish("stop"), DONE], pause_s=0.05), None),
    "no done": (chunks([delta(content="no done"), finish("stop")]), None),
    "cut after the end": (chunks([delta(content="cut after the end"), finish("stop")], then="cut"), None),
    "401": (refusal(401, openai_error(f"bad key {KEY}", "x", "invalid_api_key")), "AuthenticationFailed"),
    "403": (refusal(403, "<html>Forbidden</html>"), "AuthenticationFailed"),
    "400": (refusal(400, openai_error("no", "invalid_request_error", None)), "RequestRejected"),
    "too long": (refusal(400, openai_error("too long", "x", "context_length_exceeded")), "ContextTooLong"),
    "429": (refusal(429, openai_error("slow down", "requests", None), retry_after_ms="20"), "RateLimited"),
    "500": (refusal(500, "oops"), "ProviderUnavailable"),
    "503": (refusal(503, "", retry_after="0"), "ProviderUnavailable"),
    "malformed": (chunks([b"data: {oops\n\n"]), "BadReply"),
    "not UTF-8": (chunks([b'data: {"choices": [{"delta": {"content": "\xff"}}]}\n\n']), "BadReply"),
    "malformed and whole": (whole('{"choices": ['), "BadReply"),
    "cut": (chunks([delta(content="cu")], then="cut"), "BadReply"),
    "ended early": (chunks([delta(content="ended")]), "BadReply"),
    "reset in the middle": (chunks([delta(content="res")], then="reset"), "BadReply"),
    "reset": (reset, "ProviderUnavailable"),
    "error in the middle": (chunks([delta(content="err"), LATE]), "ProviderUnavailable"),
    "hang": (hang, "ProviderTimeout"),
    "hang in the middle": (chunks([delta(content="ha")], then="hang"), "ProviderTimeout"),
    "web page": (whole("<html>hello</html>", "text/html"), "BadReply"),
    "empty": (whole(""), "BadReply"),
    "huge line": (chunks([b"data: " + b"x" * 20_000]), "BadReply"),
    "unknown reason": (chunks([delta(content="u"), finish("exploded"), DONE]), "BadReply"),
}
NUM_TRIES = 2


def workload(texts: list[str]) -> Workload:
    return Workload(
        name="faults",
        version="1",
        title="Faults",
        task="echo",
        description="Each item asks for a fault.",
        licence="Apache-2.0",
        prompt=Prompt(),
        scorer=check_scorer("exact", {}),
        items=tuple(Item(f"{n}: {text}", text, text) for n, text in enumerate(texts)),
        examples=(),
        origin="test",
        fingerprint="faults",
    )


async def trial(server: StandIn, texts: list[str], folder: Path, **changes: bool) -> Run:
    def provider_for(candidate: Candidate, workload: Workload) -> OpenAIProvider:
        return OpenAIProvider(
            base_url=server.base_url,
            model="m",
            api_key=KEY,
            name=candidate.id,
            rng=random.Random(0),
            retries=Retries(max_attempts=NUM_TRIES, base_s=0.01),
            timeouts=Timeouts(first_byte_s=1.0, between_s=1.0, overall_s=5.0),
            max_event_bytes=10_000,
        )

    return await run_trial(
        plan_trial([Candidate(id="http://stand-in/v1#m", kind="http", target="m")], [workload(texts)], seed=0),
        folder,
        provider_for,
        cost_of=lambda candidate, usage: None,
        concurrency=8,
        environment=Environment(
            started_at=datetime(2026, 11, 22, tzinfo=UTC), platform="test", cpu="test", num_cpus=2, memory_bytes=1
        ),
        now=lambda: datetime.now(UTC),
        command="seatrial trial …",
        **changes,
    )


def outcome(observation: Observation) -> str | None:
    return observation.failure.type if observation.failure else None


async def test_every_item_is_accounted_for_whatever_goes_wrong(tmp_path: Path) -> None:
    texts = ["well", *[text for text in FAULTS for _ in range(2)]]
    async with StandIn(lambda asked: FAULTS[asked.text][0]) as server:
        run = await trial(server, texts, tmp_path)
        num_first = len(server.asked)
        again = await trial(server, texts, tmp_path)
        assert len(server.asked) == num_first
    assert again.observations == run.observations
    assert len(run.observations) == len(texts) == len({one.item for one in run.observations})
    assert run.manifest.not_measured == []
    for one in run.observations:
        text = one.item.partition(": ")[2]
        assert outcome(one) == FAULTS[text][1], text
        assert one.score == (1.0 if FAULTS[text][1] is None else 0.0)
    most_asked = Counter(asked.text for asked in server.asked).most_common(1)[0][1]
    assert most_asked <= 2 * NUM_TRIES
    assert KEY not in (tmp_path / "observations.jsonl").read_text(encoding="utf-8")


async def test_a_server_with_bad_moments_costs_no_answer(tmp_path: Path) -> None:
    """Every item fails in some passing way the first time it is asked; all are answered."""
    passing = [refusal(429, retry_after_ms="10"), refusal(500), refusal(503), reset, refusal(408), refusal(409)]
    seen: Counter[str] = Counter()

    def choose(asked: Asked) -> Script:
        seen[asked.text] += 1
        return passing[len(seen) % len(passing)] if seen[asked.text] == 1 else answer(asked.text)

    texts = [f"text {n}" for n in range(30)]
    async with StandIn(choose) as server:
        run = await trial(server, texts, tmp_path)
    assert [one.score for one in run.observations] == [1.0] * 30
    assert {one.num_attempts for one in run.observations} == {2}


@pytest.mark.parametrize(
    "script",
    [
        FAULTS["401"][0],
        refusal(404, openai_error("no m", "x", "model_not_found")),
        refusal(400, openai_error("no `temperature` here", "invalid_request_error", "unsupported_parameter")),
        reset,
    ],
)
async def test_a_server_that_lets_nobody_in_is_left_alone(tmp_path: Path, script: Script) -> None:
    texts = [f"text {n}" for n in range(200)]
    async with StandIn(lambda asked: script) as server:
        run = await trial(server, texts, tmp_path)
        assert len(server.asked) <= 8 * NUM_TRIES + 3 * NUM_TRIES
    assert run.observations == []
    assert [noted.candidate for noted in run.manifest.not_measured] == ["http://stand-in/v1#m"]
    async with StandIn(lambda asked: answer(asked.text)) as server:
        assert len((await trial(server, texts, tmp_path)).observations) == 200

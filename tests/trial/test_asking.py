"""The request that a candidate gets: its own settings, a trial's defaults, the workload's."""

from __future__ import annotations

from dataclasses import replace

import pytest

from seatrial.catalog.loading import load_catalog
from seatrial.chat import ChatRequest, Sampling, message
from seatrial.trial.asking import REASONING_ROOM_TOKENS, as_tried, with_settings
from seatrial.trial.candidates import parse_candidate

REQUEST = ChatRequest((message("user", "Which queue?"),), max_tokens=8)
CATALOG = load_catalog()


@pytest.mark.parametrize(
    ("candidate", "expected"),
    [
        ("smollm2-135m", replace(REQUEST, sampling=Sampling(temperature=0.0), thinking=False)),
        ("smollm3-3b", replace(REQUEST, sampling=Sampling(temperature=0.0), thinking=False)),
        (
            "smollm3-3b@thinking=on",
            replace(REQUEST, max_tokens=8 + REASONING_ROOM_TOKENS, sampling=Sampling(temperature=0.0), thinking=True),
        ),
        (
            "smollm3-3b@thinking=on,max_tokens=64",
            replace(REQUEST, max_tokens=64, sampling=Sampling(0.0), thinking=True),
        ),
        ("smollm2-135m@temperature=0.7", replace(REQUEST, sampling=Sampling(0.7, seed=5), thinking=False)),
        ("smollm2-135m@temperature=0.7,seed=3", replace(REQUEST, sampling=Sampling(0.7, seed=3), thinking=False)),
        ("gpt-5-mini", replace(REQUEST, max_tokens=8 + REASONING_ROOM_TOKENS)),
        ("http://127.0.0.1:1/v1#m", replace(REQUEST, sampling=Sampling(temperature=0.0))),
        ("http://127.0.0.1:1/v1#m@thinking=off", replace(REQUEST, sampling=Sampling(temperature=0.0), thinking=False)),
    ],
)
def test_as_tried(candidate: str, expected: ChatRequest) -> None:
    assert as_tried(REQUEST, parse_candidate(candidate, CATALOG), seed=5) == expected


def test_own_settings_alone_leave_the_rest_as_asked() -> None:
    asked = replace(REQUEST, sampling=Sampling(temperature=0.4), thinking=True)
    assert with_settings(asked, parse_candidate("smollm3-3b", CATALOG)) == asked
    own = with_settings(asked, parse_candidate("smollm3-3b@top_p=0.9,thinking=off", CATALOG))
    assert own == replace(asked, sampling=Sampling(temperature=0.4, top_p=0.9), thinking=False)

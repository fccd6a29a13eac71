"""`seatrial compare` from end to end: published evidence, the baselines, a server, a stop and a resume."""

from __future__ import annotations

import asyncio
import json
import signal
from pathlib import Path

import pytest
from stand_in import StandIn, answer

DOCUMENT_KEYS = {
    "schema",
    "run",
    "candidates",
    "workloads",
    "claims",
    "ballots",
    "panel",
    "pricing",
    "marketing",
    "verdict",
}


@pytest.fixture
def tickets(tmp_path: Path) -> Path:
    path = tmp_path / "tickets.jsonl"
    lines = [{"id": str(n), "input": f"ticket {n}", "expected": "yes" if n % 2 else "no"} for n in range(40)]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


@pytest.mark.parametrize("pair", [("smollm3-3b", "gpt-5-mini"), ("gpt-5-mini", "smolvlm2-2.2b")])
def test_published_evidence_alone_gives_a_whole_page(seatrial, tmp_path: Path, pair: tuple[str, str]) -> None:
    ran = seatrial("compare", *pair, "--out", "run")
    assert ran.code == 0, ran.err
    assert "11 December 2026" in ran.out
    page = (tmp_path / "run/report.html").read_text()
    document = json.loads((tmp_path / "run/verdict.json").read_text())
    assert set(document) >= DOCUMENT_KEYS
    assert document["verdict"]["decision"] == "undecided"
    assert "11 December 2026" in page
    contradicted = {finding["line"] for finding in document["marketing"] if finding["status"] == "contradicted"}
    assert "60% cheaper than GPT-5" in contradicted
    assert all(line.replace("'", "&#39;") in page or line in page for line in contradicted)


def test_json_is_the_document_that_is_written(seatrial, tmp_path: Path) -> None:
    ran = seatrial("compare", "smollm3-3b", "gpt-5-mini", "--out", "run", "--json")
    assert json.loads(ran.out) == json.loads((tmp_path / "run/verdict.json").read_text())


@pytest.mark.slow
def test_baselines_on_a_built_in_workload(seatrial, tmp_path: Path) -> None:
    words = ("compare", "baseline:nearest", "baseline:majority", "gpt-5-mini", "--on", "triage", "--out", "run")
    ran = seatrial(*words, "--limit", "60")
    assert ran.code == 0, ran.err
    document = json.loads((tmp_path / "run/verdict.json").read_text())
    measured = {card["id"]: card["measured"] for card in document["candidates"]}
    assert measured == {"baseline:nearest": True, "baseline:majority": True, "gpt-5-mini": False}
    assert document["workloads"][0]["num_items"] == 60
    again = seatrial("compare", *words[1:], "--limit", "60")
    assert again.code == 0
    assert len((tmp_path / "run/observations.jsonl").read_text().splitlines()) == 120

    assert "holds another run" in seatrial("compare", *words[1:], "--limit", "30").err
    assert seatrial("verdict", "run", "--margin", "0.1").code == 0
    assert json.loads((tmp_path / "run/verdict.json").read_text())["run"]["margin"] == 0.1
    (tmp_path / "run/report.html").unlink()
    assert seatrial("report", "run").code == 0
    assert (tmp_path / "run/report.html").exists()


async def test_progress_ends_with_all_done_though_a_candidate_was_not_measured(start_seatrial, tickets: Path) -> None:
    async with StandIn(lambda asked: answer("yes")) as server:
        name = f"{server.base_url}#tiny"
        words = ("trial", "gpt-5-mini", name, "--on", "tickets.jsonl", "--scorer", "exact", "--out", "run")
        said = [await (await start_seatrial(*words)).communicate() for _ in ("begun", "gone on with")]
    first, again = ([line for line in err.decode().splitlines() if "done" in line] for _, err in said)
    assert first == [f"{name} on tickets … (1 of 40 done)", "40 of 40 done"]
    assert again == ["40 of 40 done"]


async def test_a_server_is_a_candidate(start_seatrial, tickets: Path, tmp_path: Path) -> None:
    async with StandIn(lambda asked: answer("yes")) as server:
        name = f"{server.base_url}#tiny"
        words = ("compare", name, "--on", "tickets.jsonl", "--scorer", "exact", "--out", "run", "--json")
        process = await start_seatrial(*words)
        out, err = await process.communicate()
    assert process.returncode == 0, err
    quality = [claim for claim in json.loads(out)["claims"] if claim["key"] == "quality" and claim["workload"]]
    assert [claim["value"] for claim in quality] == [0.5]
    assert len(server.asked) == 40


async def test_openai_names_use_the_key_and_the_address_of_the_environment(start_seatrial, tickets: Path) -> None:
    async with StandIn(lambda asked: answer("yes")) as server:
        env = {"OPENAI_BASE_URL": server.base_url, "OPENAI_API_KEY": "sk-for-this-test"}
        words = ("trial", "openai:some-model", "--on", "tickets.jsonl", "--scorer", "exact", "--out", "run")
        process = await start_seatrial(*words, env=env)
        out, err = await process.communicate()
    assert process.returncode == 0, err
    assert {asked.headers["authorization"] for asked in server.asked} == {"Bearer sk-for-this-test"}
    assert {asked.body["model"] for asked in server.asked} == {"some-model"}
    assert b"seatrial verdict run" in out
    folder = tickets.parent / "run"
    assert not any("sk-for-this-test" in path.read_text() for path in folder.iterdir() if path.is_file())


async def test_ctrl_c_keeps_what_is_done_and_says_how_to_go_on(start_seatrial, tickets: Path) -> None:
    enough = asyncio.Event()
    patience = asyncio.Event()

    def slow_after_twenty(asked):
        async def held(request):
            await patience.wait()
            return await answer("yes")(request)

        if len(server.asked) < 20:
            return answer("yes")
        enough.set()
        return held

    async with StandIn(slow_after_twenty) as server:
        words = ("trial", f"{server.base_url}#tiny", "--on", "tickets.jsonl", "--scorer", "exact", "--out", "run")
        process = await start_seatrial(*words)
        await asyncio.wait_for(enough.wait(), 30)
        await asyncio.sleep(0.2)
        process.send_signal(signal.SIGINT)
        _, err = await asyncio.wait_for(process.communicate(), 30)
        assert process.returncode == 1
        assert b"Run the same command again" in err
        assert b"Traceback" not in err
        num_done = len((tickets.parent / "run/observations.jsonl").read_text().splitlines())
        assert 1 <= num_done < 40

        patience.set()
        process = await start_seatrial(*words)
        _, err = await process.communicate()
        assert process.returncode == 0, err
        lines = (tickets.parent / "run/observations.jsonl").read_text().splitlines()
        assert len(lines) == len({json.loads(line)["key"] for line in lines}) == 40

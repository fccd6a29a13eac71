"""The tools that the trial runner is measured beside: how each is installed, run and checked on the benchmark's items.

Every peer runs from its command line, at its defaults but for what makes it do the same work: the concurrency, no
cache, no progress display, no telemetry. Each gets an environment of its own, so that none changes another's versions.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path


def write_jsonl(path: Path, num_items: int) -> None:
    """The items: `{"input": "Say this word: w17", "expected": "w17"}`."""
    lines = [json.dumps({"input": f"Say this word: w{n}", "expected": f"w{n}"}) for n in range(num_items)]
    path.write_text("\n".join(lines) + "\n")


class Inspect:
    """Inspect (inspect-ai), with its OpenAI-compatible provider."""

    TASK = """
from inspect_ai import Task, task
from inspect_ai.dataset import FieldSpec, json_dataset
from inspect_ai.scorer import exact
from inspect_ai.solver import generate

@task
def echo():
    dataset = json_dataset("items.jsonl", FieldSpec(input="input", target="expected"))
    return Task(dataset=dataset, solver=generate(), scorer=exact())
"""

    def install(self, peers: Path) -> None:
        """Make the environment, unless it is there."""
        _python_environment(peers / "inspect-ai", "inspect-ai", "openai")

    def version(self, peers: Path) -> str:
        """The version installed."""
        return _python_version(peers / "inspect-ai", "inspect-ai")

    def env(self, port: int) -> dict[str, str]:
        """What the tool wants in its environment."""
        return {"MOCK_BASE_URL": f"http://127.0.0.1:{port}/v1", "MOCK_API_KEY": "none"}

    def command(self, peers: Path) -> Callable[[Path, int, int], list[str]]:
        """Prepares a folder and gives the command to run in it."""

        def build(folder: Path, port: int, concurrency: int) -> list[str]:
            (folder / "echo_task.py").write_text(self.TASK)
            limits = ["--max-connections", str(concurrency), "--max-samples", str(concurrency)]
            quiet = ["--display", "none", "--log-dir", "logs", "--log-format", "json"]
            program = str(peers / "inspect-ai" / "bin" / "inspect")
            return [program, "eval", "echo_task.py", "--model", "openai-api/mock/m", *limits, *quiet]

        return build

    def check(self, folder: Path) -> int:
        """How many answers the tool found right."""
        (log,) = (folder / "logs").glob("*.json")
        samples = json.loads(log.read_text())["samples"]
        return sum(sample["scores"]["exact"]["value"] in (1, 1.0, "C") for sample in samples)


class LmEval:
    """lm-eval (EleutherAI's harness), with its local chat-completions model."""

    TASK = """
task: echo
dataset_path: json
dataset_kwargs:
  data_files:
    test: {items}
test_split: test
output_type: generate_until
doc_to_text: "{{{{input}}}}"
doc_to_target: "{{{{expected}}}}"
generation_kwargs:
  until: []
  max_gen_toks: 16
metric_list:
  - metric: exact_match
"""

    def install(self, peers: Path) -> None:
        """Make the environment, unless it is there."""
        _python_environment(peers / "lm-eval", "lm-eval[api]")

    def version(self, peers: Path) -> str:
        """The version installed."""
        return _python_version(peers / "lm-eval", "lm-eval")

    def env(self, port: int) -> dict[str, str]:
        """What the tool wants in its environment."""
        return {"OPENAI_API_KEY": "none", "HF_DATASETS_OFFLINE": "1", "HF_HUB_OFFLINE": "1"}

    def command(self, peers: Path) -> Callable[[Path, int, int], list[str]]:
        """Prepares a folder and gives the command to run in it."""

        def build(folder: Path, port: int, concurrency: int) -> list[str]:
            (folder / "echo.yaml").write_text(self.TASK.format(items=folder / "items.jsonl"))
            url = f"http://127.0.0.1:{port}/v1/chat/completions"
            model = f"model=m,base_url={url},num_concurrent={concurrency},max_retries=3,tokenized_requests=False"
            task = ["--tasks", "echo", "--include_path", ".", "--apply_chat_template", "--output_path", "out"]
            program = str(peers / "lm-eval" / "bin" / "lm_eval")
            return [program, "--model", "local-chat-completions", "--model_args", model, *task, "--log_samples"]

        return build

    def check(self, folder: Path) -> int:
        """How many answers the tool found right."""
        (samples,) = (folder / "out").rglob("samples_*.jsonl")
        return sum(json.loads(line)["exact_match"] == 1.0 for line in samples.read_text().splitlines())


class Promptfoo:
    """promptfoo, with its OpenAI chat provider pointed at the mock."""

    def install(self, peers: Path) -> None:
        """Make the environment, unless it is there."""
        folder = peers / "promptfoo"
        if not (folder / "node_modules" / "promptfoo").is_dir():
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "package.json").write_text('{"private": true}')
            subprocess.run(["npm", "install", "--no-audit", "--no-fund", "promptfoo"], cwd=folder, check=True)

    def version(self, peers: Path) -> str:
        """The version installed."""
        return str(json.loads((peers / "promptfoo/node_modules/promptfoo/package.json").read_text())["version"])

    def env(self, port: int) -> dict[str, str]:
        """What the tool wants in its environment."""
        switches = ("DISABLE_TELEMETRY", "DISABLE_UPDATE", "DISABLE_REMOTE_GENERATION", "DISABLE_SHARING")
        return {f"PROMPTFOO_{switch}": "1" for switch in switches} | {"OPENAI_API_KEY": "none"}

    def command(self, peers: Path) -> Callable[[Path, int, int], list[str]]:
        """Prepares a folder and gives the command to run in it."""

        def build(folder: Path, port: int, concurrency: int) -> list[str]:
            items = [json.loads(line) for line in (folder / "items.jsonl").read_text().splitlines()]
            provider = {"id": "openai:chat:m", "config": {"apiBaseUrl": f"http://127.0.0.1:{port}/v1"}}
            tests = [
                {"vars": {"input": item["input"]}, "assert": [{"type": "equals", "value": item["expected"]}]}
                for item in items
            ]
            config = {"prompts": ["{{input}}"], "providers": [provider], "tests": tests}
            (folder / "config.json").write_text(json.dumps(config))
            program = str(peers / "promptfoo" / "node_modules" / ".bin" / "promptfoo")
            quiet = ["--no-cache", "--no-progress-bar", "--no-table", "--no-write"]
            return [program, "eval", "-c", "config.json", "-o", "out.json", "-j", str(concurrency), *quiet]

        return build

    def check(self, folder: Path) -> int:
        """How many answers the tool found right."""
        return int(json.loads((folder / "out.json").read_text())["results"]["stats"]["successes"])


def _python_environment(folder: Path, *packages: str) -> None:
    if not (folder / "installed").exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        subprocess.run([str(folder / "bin" / "pip"), "install", "--quiet", *packages], check=True)
        (folder / "installed").touch()


def _python_version(folder: Path, package: str) -> str:
    code = f"from importlib import metadata; print(metadata.version({package!r}))"
    return subprocess.check_output([str(folder / "bin" / "python"), "-c", code], text=True).strip()


PEERS = {"inspect-ai": Inspect(), "lm-eval": LmEval(), "promptfoo": Promptfoo()}

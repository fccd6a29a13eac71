"""The benchmark of the engine: what it counts, what it times by a clock that the test holds, what it refuses."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from seatrial.engine import bench as bench_module
from seatrial.engine import bench_room
from seatrial.engine.bench import bench
from seatrial.engine.bench_report import BenchReport, BenchSettings, Circumstances, Spread
from seatrial.engine.loop import Engine, EngineLimits
from seatrial.engine.model import Model
from seatrial.engine.opening import open_runner
from seatrial.engine.pass_costs import model_bytes, prefill_operations, step_bytes
from seatrial.engine.random_model import RandomTensors, checkpoint_of, random_checkpoint, shapes
from seatrial.engine.runner import whole_prompt
from seatrial.engine.timing import EngineTimer
from seatrial.errors import ContextTooLong, NotRunnable, UnknownName, UsageError
from seatrial.kernels import cpu
from seatrial.models.checkpoint import Checkpoint
from seatrial.models.config import ModelConfig
from seatrial.models.precision import matrices
from seatrial.models.tensors import expected_shapes

TINY = replace(
    shapes()["smollm3-3b"],
    vocab_size=512,
    hidden_size=64,
    intermediate_size=96,
    num_layers=4,
    num_heads=4,
    num_kv_heads=2,
    head_dim=16,
    context_length=256,
    rope_layers=(True, True, True, False),
)
ASK = BenchSettings(prompt=40, generate=6, batches=(1, 3), repeats=2, prefix=100, own=20)
WHERE = Circumstances("float32", 1, "a test's", {"seatrial": "0"}, "2026-11-22T12:00:00+00:00")


def tiny_model(dtype: str = "float32", config: ModelConfig = TINY, stored: str | None = None) -> Model:
    checkpoint = tiny_checkpoint(dtype, config, stored)
    return Model("random:tiny", checkpoint, open_runner(checkpoint, name="random:tiny", dtype=dtype, threads=1))


def ticking() -> Callable[[], float]:
    """A clock that is a second later whenever somebody looks."""
    return map(float, itertools.count()).__next__


def tiny_checkpoint(dtype: str = "float32", config: ModelConfig = TINY, stored: str | None = None) -> Checkpoint:
    return checkpoint_of(config, name="random:tiny", dtype=dtype, stored=stored, seed=3)


def run(ask: BenchSettings = ASK, *, where: Circumstances = WHERE, is_random: bool = True) -> BenchReport:
    return bench(
        lambda: tiny_checkpoint(where.dtype),
        ask,
        where,
        name="random:tiny",
        device="cpu",
        level=None,
        is_random=is_random,
        clock=ticking(),
        on_stage=lambda _: None,
    )


@pytest.fixture(scope="module")
def report() -> BenchReport:
    return run()


def test_every_figure_is_there(report: BenchReport) -> None:
    assert report.runner == "torch cpu float32"
    assert [figure.batch for figure in report.decode] == [1, 3]
    assert report.load_s is None
    assert report.prefill.ttft_s == Spread(1.0, 1.0, 1.0)
    assert report.prefill.tokens_per_s.median == 40.0
    assert report.memory.weights_bytes == 4 * sum(torch.Size(s).numel() for s in expected_shapes(TINY).values())
    assert report.left_out == (
        "load: random weights are made, not read",
        "speculation: they copy nothing",
    )


def test_the_rate_counts_the_tokens_of_all_answers(report: BenchReport) -> None:
    """The clock is looked at before and after, so that 6 steps of 1 and of 3 answers take one second."""
    assert [figure.tokens_per_s.median for figure in report.decode] == [6.0, 18.0]


def test_a_cached_prefix_is_not_computed_again(report: BenchReport) -> None:
    assert report.cached_prefix is not None
    assert report.cached_prefix.num_cached == 96  # whole blocks of 16
    assert report.cached_prefix.ratio == 1.0


def test_shares_are_of_the_limits_measured(report: BenchReport) -> None:
    assert report.prefill.share_of_matrix_rate == pytest.approx(
        report.prefill.operations / report.limits.matrix_rate, rel=1e-9
    )
    for figure in report.decode:
        expected = figure.tokens_per_s.median / figure.batch * figure.step_bytes / report.limits.read_bytes_per_s
        assert figure.share_of_bandwidth == pytest.approx(expected)


def test_what_the_context_does_not_hold_is_left_out_with_its_reason() -> None:
    found = run(replace(ASK, prefix=250, own=20))
    assert found.cached_prefix is None
    assert any("271 tokens do not fit a context of 256" in reason for reason in found.left_out)


def test_copying_compares_the_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_module, "COPIED", "one two one two")
    monkeypatch.setattr(bench_module, "COPIED_TOKENS", 12)
    report = run(is_random=False)
    assert report.load_s == 1.0
    found = report.copying
    assert found is not None
    assert found.num_generated == 12
    assert found.same_answer


def test_speculation_is_off_unless_it_is_what_is_timed() -> None:
    model = tiny_model()
    engine = Engine(model.runner, model.tokenizer, (), EngineLimits(64, 256, max_sequences=4), name="tiny")
    timer = EngineTimer(engine, ticking())
    loop = [5, 6, 7, 8] * 10
    timer.decode([loop, loop[1:]], 20)
    timer.answer(loop, 30, speculate=False)
    assert engine.metrics.num_drafted == 0
    assert engine.metrics.num_running == 0
    timer.answer(loop, 30, speculate=True)
    assert engine.metrics.num_drafted > 0
    engine.close()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"prompt": 0}, "`prompt` is 0"),
        ({"generate": -3}, "`generate` is -3"),
        ({"batches": ()}, "`batch` is empty"),
        ({"batches": (4, 0)}, "`batch` is 0"),
        ({"batches": (100_000,)}, "`batch` is 100,000; it must be from 1 to 512"),
        ({"repeats": 0}, "`repeats` is 0"),
    ],
)
def test_settings_out_of_range_are_refused(change: dict[str, object], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        replace(ASK, **change)


@pytest.fixture
def unloadable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Loading weights is a failure."""

    def load(*_: object, **__: object) -> None:
        raise AssertionError("weights were loaded")

    monkeypatch.setattr(bench_module, "open_runner", load)


@pytest.mark.parametrize(
    ("prompt", "generate", "says"),
    [
        (251, 6, "are 257; `random:tiny` takes 256. Lower `--prompt` to 250 or `--generate` to 5."),
        (256, 6, "are 262; `random:tiny` takes 256. Lower `--prompt` to 250."),
        (6, 300, "are 306; `random:tiny` takes 256. Lower `--generate` to 250."),
        (300, 300, "are 600; `random:tiny` takes 256. Lower `--prompt` and `--generate`."),
    ],
)
@pytest.mark.usefixtures("unloadable")
def test_more_than_the_context_is_refused_before_loading(prompt: int, generate: int, says: str) -> None:
    said = f"A prompt of {prompt} tokens and an answer of {generate} {says}"
    with pytest.raises(ContextTooLong, match=re.escape(said)):
        run(replace(ASK, prompt=prompt, generate=generate))


@pytest.mark.parametrize(
    ("free", "way_out"), [(1000, "Lower `--prompt` or"), (150_000, "Lower `--batch` to 2, or lower `--prompt` or")]
)
@pytest.mark.usefixtures("unloadable")
def test_a_cache_that_does_not_fit_is_refused_before_loading(
    monkeypatch: pytest.MonkeyPatch, free: int, way_out: str
) -> None:
    """A position takes 512 bytes at least, an answer six blocks of 16."""
    monkeypatch.setattr(bench_room, "free_bytes", lambda device: free)
    with pytest.raises(NotRunnable, match=r"3 answers of 46 tokens at once takes .*; .* are free") as caught:
        run()
    assert way_out in str(caught.value)


@pytest.mark.skipif(not cpu.levels(), reason="no native kernels")
@pytest.mark.usefixtures("unloadable")
def test_weights_count_beside_the_cache_where_their_size_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny_model("int4")
    weights, cache = model_bytes(model, "int4"), 18 * model.runner.block_bytes
    model.runner.close()
    where, ask = replace(WHERE, dtype="int4"), replace(ASK, prefix=1, own=1)
    monkeypatch.setattr(bench_room, "free_bytes", lambda device: int((weights + cache) / 0.9) - 9)
    with pytest.raises(NotRunnable, match=rf"beside {weights / 1e6:.1f} MB of weights; .* Lower `--batch` to 2"):
        run(ask, where=where)
    monkeypatch.setattr(bench_room, "free_bytes", lambda device: int((weights + cache) / 0.9) + 9)
    with pytest.raises(AssertionError, match="weights were loaded"):
        run(ask, where=where)


def test_a_cache_that_the_plain_path_makes_wider_is_refused_after_loading(monkeypatch: pytest.MonkeyPatch) -> None:
    """Float32 takes twice what was known beforehand."""
    model, ask = tiny_model(), replace(ASK, prefix=1, own=1)
    monkeypatch.setattr(bench_room, "free_bytes", lambda device: 10**9)
    monkeypatch.setattr(bench_module, "free_bytes", lambda device: int(18 * model.runner.block_bytes / 0.9) - 9)
    with pytest.raises(NotRunnable, match=r"3 answers of 46 tokens at once"):
        run(ask)


def test_operations_of_a_prompt() -> None:
    """By hand: 2 for each number of the layers' matrices and each token, scores of one token, attention."""
    layer = 64 * (64 + 2 * 32) + 64 * 64 + 3 * 64 * 96
    attention = 4 * 64 * (1 + 2 + 3)
    assert prefill_operations(TINY, 3) == 2 * (4 * layer * 3 + 512 * 64) + 4 * attention


def test_a_step_reads_weights_and_every_answers_cache() -> None:
    model = tiny_model()
    weights = model_bytes(model, "float32")
    assert step_bytes(model, "float32", 3, 32) == weights + 3 * 2 * model.runner.block_bytes
    untied = tiny_model(config=replace(TINY, tied_embeddings=False))
    assert step_bytes(untied, "float32", 1, 16) == weights + untied.runner.block_bytes


@given(values=st.lists(st.floats(0.001, 1e6), min_size=1, max_size=9))
def test_a_spread_is_in_order(values: list[float]) -> None:
    spread = Spread.of(values)
    assert spread.least <= spread.median <= spread.most
    assert {spread.least, spread.most} <= set(values)


def stored_as(kind: str) -> Iterator[tuple[str, torch.Tensor]]:
    tensors = RandomTensors(TINY, inner=kind, outer=kind, seed=1)
    return ((name, tensors[name]) for name in tensors if tensors[name].dim() == 2)


@pytest.mark.parametrize("kind", ["Q4_0", "Q4_1", "Q8_0", "F32"])
def test_random_weights_have_mean_0_and_variance_1_over_columns(kind: str) -> None:
    for name, matrix in stored_as(kind):
        scaled = matrix * matrix.shape[1] ** 0.5
        assert scaled.std() == pytest.approx(1.0, abs=0.1), name
        assert abs(float(scaled.mean())) < 5 * matrix.numel() ** -0.5, name


def test_random_weights_are_the_same_for_the_same_seed_and_differ_between_tensors() -> None:
    first, again, other = (RandomTensors(TINY, inner="Q4_1", outer="Q8_0", seed=seed) for seed in (1, 1, 2))
    up, gate = "model.layers.0.mlp.up_proj.weight", "model.layers.0.mlp.gate_proj.weight"
    assert torch.equal(first[up], again[up])
    assert not torch.equal(first[up], other[up])
    assert not torch.equal(first[up], first[gate])


@pytest.mark.skipif(not cpu.levels(), reason="no native kernels")
@pytest.mark.parametrize(("dtype", "stored"), [("int4", None), ("int8", None), ("auto", "Q4_0"), ("bfloat16", None)])
def test_native_and_plain_compute_the_same_random_model(dtype: str, stored: str | None) -> None:
    native = tiny_model(dtype, stored=stored)
    plain_checkpoint = replace(native.checkpoint)
    plain = Model("plain", plain_checkpoint, open_runner(plain_checkpoint, name="plain", dtype="float32"))
    scores = []
    for model in (native, plain):
        model.runner.allocate(4)
        scores.append(torch.tensor(model.runner.forward(whole_prompt(list(range(40)), [0, 1, 2]))))
        model.runner.close()
    cosine = torch.nn.functional.cosine_similarity(scores[0], scores[1]).min()
    assert cosine > 0.99


@pytest.mark.skipif(not cpu.levels(), reason="no native kernels")
def test_native_weights_are_counted_as_they_are_packed() -> None:
    model = tiny_model("int4")
    expected = {"embedding": 34, "inner": 20}  # bytes of a group of 32
    numbers = {name: matrix.rows * matrix.columns // 32 for name, matrix in matrices(TINY).items()}
    packed = numbers.pop("embedding") * expected["embedding"] + sum(numbers.values()) * expected["inner"]
    norms = (2 * 4 + 1) * 64 * 4
    assert model_bytes(model, "int4") == packed + norms
    model.runner.close()


def test_unknown_shapes_are_refused_with_the_nearest() -> None:
    with pytest.raises(UnknownName, match="smollm3-3b"):
        random_checkpoint("smolm3-3b")
    with pytest.raises(UnknownName, match="Q4_0"):
        random_checkpoint("smollm3-3b", stored="Q4_7")


def test_true_shapes_hold_as_many_weights_as_their_names_say() -> None:
    billions = {
        name: sum(torch.Size(s).numel() for s in expected_shapes(c).values()) / 1e9 for name, c in shapes().items()
    }
    assert billions["smollm3-3b"] == pytest.approx(3.075, abs=0.01)
    assert billions["smollm2-135m"] == pytest.approx(0.1345, abs=0.001)
    assert billions["smollm2-360m"] == pytest.approx(0.362, abs=0.002)
    assert billions["smollm2-1.7b"] == pytest.approx(1.711, abs=0.01)

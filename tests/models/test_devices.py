"""Which device and number format is chosen, and what is said where a model does not fit."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from seatrial.errors import NotRunnable, UnknownName
from seatrial.models import devices, plain_dtype
from seatrial.models.devices import Device, choose_device, free_bytes
from seatrial.models.plain_dtype import choose_dtype
from seatrial.models.projection import Projection

CPU: Device = "cpu"


def test_names() -> None:
    assert choose_device("cpu") == CPU
    assert choose_dtype("bf16", CPU, 1, "x") == choose_dtype("bfloat16", CPU, 1, "x") == torch.bfloat16
    with pytest.raises(UnknownName, match="`cuda`"):
        choose_device("cuda0")
    with pytest.raises(UnknownName, match="`float16`"):
        choose_dtype("floatt16", CPU, 1, "x")


def test_a_device_that_is_not_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert choose_device("auto") == CPU
    for name in ("cuda", "mps"):
        with pytest.raises(NotRunnable, match=rf"no `{name}`.*auto"):
            choose_device(name)


@pytest.mark.parametrize(("multiplies", "expected"), [(True, torch.bfloat16), (False, torch.float32)])
def test_auto_follows_the_cpu(monkeypatch: pytest.MonkeyPatch, multiplies: bool, expected: torch.dtype) -> None:
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: multiplies)
    assert choose_dtype("auto", CPU, 1, "x") == expected


def test_auto_halves_what_would_not_fit_and_refuses_what_cannot(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plain_dtype, "_multiplies_bfloat16", lambda: False)
    monkeypatch.setattr(plain_dtype, "free_bytes", lambda device: 7_000_000_000)
    assert choose_dtype("auto", CPU, 1_000_000_000, "x") == torch.float32
    assert choose_dtype("auto", CPU, 3_000_000_000, "x") == torch.bfloat16
    with pytest.raises(NotRunnable, match=r"`smollm3-3b` take 12.0 GB as float32; 7.0 GB are free on cpu"):
        choose_dtype("float32", CPU, 3_000_000_000, "smollm3-3b")
    with pytest.raises(NotRunnable, match=r"8.0 GB as bfloat16"):
        choose_dtype("auto", CPU, 4_000_000_000, "x")


@pytest.mark.parametrize("name", ["int8", "int4"])
def test_what_the_plain_path_cannot_do_is_refused_with_what_it_can(name: str) -> None:
    with pytest.raises(NotRunnable, match=rf"`smollm2-135m` runs as `{name}` on the native.*`bfloat16`"):
        choose_dtype(name, CPU, 1, "smollm2-135m")


@pytest.mark.parametrize(
    ("folder", "limit", "taken", "droppable"),
    [
        ("", "memory.max", "memory.current", "inactive_file"),
        ("memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
    ],
)
def test_a_containers_limit_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str, limit: str, taken: str, droppable: str
) -> None:
    monkeypatch.setattr(devices, "_machine_free", lambda: 10_000)
    monkeypatch.setattr(devices, "_CGROUPS", tmp_path)
    assert free_bytes(CPU) == 10_000
    at = tmp_path / folder
    at.mkdir(exist_ok=True)
    (at / "memory.stat").write_text(f"anon 1200\n{droppable} 400\n")
    (at / taken).write_text("1600\n")
    for text, free in (("4000\n", 2800), ("1000\n", 0), ("max\n", 10_000), ("9223372036854771712\n", 10_000)):
        (at / limit).write_text(text)
        assert free_bytes(CPU) == free


def test_free_memory_is_a_number_of_this_machine() -> None:
    free = free_bytes(CPU)
    assert free is None or 1_000_000 < free < 1 << 50


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("num_tokens", [1, 3, 64, 200])
def test_a_projection_is_the_plain_product(dtype: torch.dtype, num_tokens: int) -> None:
    generator = torch.Generator().manual_seed(0)
    weight, x = torch.randn(96, 64, generator=generator), torch.randn(num_tokens, 64, generator=generator)
    weight, x = weight.to(dtype), x.to(dtype)
    found = Projection(weight)(x)
    assert found.dtype == dtype
    tolerance = 1e-4 if dtype == torch.float32 else 0.25  # bfloat16 keeps 8 bits of sums near 30
    torch.testing.assert_close(found.float(), x.float() @ weight.float().T, atol=tolerance, rtol=0)


def test_without_onednn_the_plain_product_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
    weight = torch.randn(8, 4)
    assert torch.equal(Projection(weight)(torch.eye(4)), weight.T)


def test_the_store_needs_no_torch() -> None:
    code = "import sys; import seatrial.models.store, seatrial.models.tokenizer; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)

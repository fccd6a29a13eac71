"""NEON as its compiler makes it, run by QEMU, gives the bits of AVX2: products, attention, the whole decoder.

Everything native but Python's binding is compiled for both processors, with the flags of `cmake/CMakeLists.txt`, and a
hash of every result is compared. Debian: g++-aarch64-linux-gnu, qemu-user. A machine that has NEON runs it as a level
like any other in the tests beside this one.
"""

from __future__ import annotations

import platform
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from seatrial.kernels import cpu

HERE = Path(__file__).parent / "emulated"
NATIVE = Path(cpu.__file__).parent / "native"
COMMON = ("decoder", "dispatch", "generic", "packing", "pass", "threads")
FLAGS = ["-std=c++17", "-ffp-contract=off", "-fno-math-errno", "-Wall", "-Wextra", "-Werror", "-pthread"]
LEVEL = {
    "avx2": ["-mavx2", "-mfma", "-mf16c"],
    "neon": ["-march=armv8.2-a+dotprod+fp16", "-fno-schedule-insns"],
}
COMPILER = {"avx2": shutil.which("g++"), "neon": shutil.which("aarch64-linux-gnu-g++")}
QEMU = shutil.which("qemu-aarch64")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(None in (*COMPILER.values(), QEMU), reason="no compiler for both processors, or no QEMU"),
    pytest.mark.skipif(platform.machine() != "x86_64" or "avx2" not in cpu.levels(), reason="compares with AVX2"),
]


def compile_for(level: str, arguments: list[object]) -> None:
    own = ["-O1"] if level == "avx2" else ["-O3", "-static"]
    command = [COMPILER[level], *FLAGS, *own, f"-I{NATIVE}", *arguments]
    subprocess.run(list(map(str, command)), check=True, timeout=300)


def machine(folder: Path, level: str) -> Path:
    """The program that `emulated/machine.cpp` describes; only the level's own source may use its instructions."""
    target = folder / f"machine_{level}"
    compile_for(level, [*LEVEL[level], "-c", NATIVE / f"{level}.cpp", "-o", folder / f"{level}.o"])
    sources = [HERE / "machine.cpp", *(NATIVE / f"{name}.cpp" for name in COMMON)]
    compile_for(level, [f"-DSEATRIAL_HAS_{level.upper()}", *sources, folder / f"{level}.o", "-o", target])
    return target


@pytest.fixture(scope="module")
def emulated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return machine(tmp_path_factory.mktemp("neon"), "neon")


@pytest.fixture(scope="module")
def lines(emulated: Path) -> list[str]:
    return output(QEMU, "-cpu", "max", emulated)


def output(*command: object) -> list[str]:
    done = subprocess.run(list(map(str, command)), check=True, capture_output=True, text=True, timeout=300)
    return done.stdout.splitlines()


def test_products_and_decoders_give_the_bits_of_avx2(lines: list[str], tmp_path: Path) -> None:
    expected = output(machine(tmp_path, "avx2"), "avx2")
    assert lines[0] == "levels neon generic"
    assert lines[1:] == expected[1:]
    assert len(expected) == 1 + 4 * (8 + 2 * 3)


def test_tokens_one_by_one_in_chunks_and_together_give_the_same_bits(lines: list[str]) -> None:
    scores = [line for line in lines if line.startswith("scores")]
    for whole, *parts in zip(*(iter(scores),) * 3, strict=True):
        assert set(parts) == {whole}
    assert len(set(scores)) == 4 * 2


def test_a_processor_without_dot_products_gets_the_portable_level(emulated: Path) -> None:
    assert output(QEMU, "-cpu", "cortex-a53", emulated) == ["levels generic"]


def test_attention_and_small_operations_give_the_bits_of_avx2(tmp_path: Path) -> None:
    lines = {}
    for level, width in (("avx2", 8), ("neon", 4)):
        target = tmp_path / level
        compile_for(level, [*LEVEL[level], f"-DWIDTH={width}", HERE / "vectors.cpp", "-o", target])
        lines[level] = output(*([QEMU, "-cpu", "max"] if level == "neon" else []), target)
    assert len(lines["avx2"]) == 16 + 12 + 8
    assert lines["neon"] == lines["avx2"]


def test_the_flags_are_those_of_the_build() -> None:
    build = (Path(__file__).parents[2] / "cmake" / "CMakeLists.txt").read_text(encoding="utf-8")
    named = " ".join(re.findall(r"(?:set\(NEON|list\(APPEND NEON) ([^)]*)\)", build))
    assert named.split() == LEVEL["neon"]

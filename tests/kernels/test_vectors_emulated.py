"""Attention and the small operations at the widths of AVX-512 and NEON, emulated, give the bits of AVX2.

They are written once over a vector of 4, 8 or 16 floats. Here the same source is compiled for the machine's AVX2 and
against SIMDe's portable intrinsics (Debian: libsimde-dev), and a hash of every result is compared.
"""

from __future__ import annotations

import platform
import shutil
import subprocess
from pathlib import Path

import pytest

from seatrial.kernels import cpu

HERE = Path(__file__).parent / "emulated"
NATIVE = Path(cpu.__file__).parent / "native"
COMPILER = shutil.which("g++") or shutil.which("clang++")
SIMDE = any((Path(folder) / "simde").is_dir() for folder in ("/usr/include", "/usr/local/include"))

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(COMPILER is None, reason="no C++ compiler"),
    pytest.mark.skipif(not SIMDE, reason="SIMDe is not installed (Debian: libsimde-dev)"),
    pytest.mark.skipif(platform.machine() != "x86_64" or "avx2" not in cpu.levels(), reason="compares with AVX2"),
]


def lines(folder: Path, width: int) -> list[str]:
    """What the driver prints when compiled for vectors of `width` floats."""
    target = folder / f"vectors{width}"
    flags = ["-std=c++17", "-O1", "-w", "-ffp-contract=off", f"-DWIDTH={width}", f"-I{NATIVE}"]
    own = ["-mavx2", "-mfma", "-mf16c"] if width == 8 else []
    assert COMPILER is not None
    subprocess.run([COMPILER, *flags, *own, HERE / "vectors.cpp", "-o", target], check=True)
    return subprocess.run([target], check=True, capture_output=True, text=True).stdout.splitlines()


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The lines of AVX2."""
    return lines(tmp_path_factory.mktemp("avx2"), 8)


@pytest.mark.parametrize("width", [4, 16])
def test_every_width_gives_the_same_bits(expected: list[str], tmp_path: Path, width: int) -> None:
    assert len(expected) == 16 + 24 + 8
    assert lines(tmp_path, width) == expected

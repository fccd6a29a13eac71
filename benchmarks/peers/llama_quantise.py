"""llama.cpp's own quantiser: `python llama_quantise.py FROM.gguf TO.gguf THREADS` writes FROM as Q4_K_M.

Runs in the environment where llama-cpp-python was built. Blocks of FROM are decoded and quantised again.
"""

from __future__ import annotations

import ctypes
import os
import sys

import llama_cpp


def quantise(source: str, target: str, threads: int) -> None:
    """Write `target`, which carries its name only when it is whole. Raises RuntimeError where llama.cpp refuses."""
    parameters = llama_cpp.llama_model_quantize_default_params()
    parameters.ftype = llama_cpp.LLAMA_FTYPE_MOSTLY_Q4_K_M
    parameters.nthread, parameters.allow_requantize = threads, True
    partial = f"{target}.partial"
    code = llama_cpp.llama_model_quantize(source.encode(), partial.encode(), ctypes.byref(parameters))
    if code:
        raise RuntimeError(f"llama.cpp does not quantise {source}: code {code}")
    os.rename(partial, target)


if __name__ == "__main__":
    quantise(sys.argv[1], sys.argv[2], int(sys.argv[3]))

"""Damage to checkpoints as the hub has them: a safetensors file, and the JSON files beside it.

In: the files of a valid folder and a random generator. Out: the files of a damaged one, of which one or two differ.
"""

from __future__ import annotations

import copy
import json
import random
import struct
from collections.abc import Callable
from typing import Any

from gguf_damage import EXTREME, RAW

Files = dict[str, bytes]

HOSTILE: list[Any] = [
    *(None, True, False, -1, 0, 1, 2, 3, 16, 64, 10**6, 1 << 31, 1 << 63, 10**25, 0.5, 1e-310, 1e300, -0.0),
    *(float("inf"), float("nan"), "", "x", "x" * 5000, "\ud800", "silu", "yarn", "BPE", "ByteLevel"),
    *([], {}, [None], [0], [1] * 9, [[]], {"a": {}}, ["full_attention"], {"rope_type": "yarn"}, {"type": "linear"}),
]
DTYPES = ["F32", "F16", "BF16", "F64", "I8", "U8", "BOOL", "I64", "F8_E4M3", "F4", "C64", "x", "", "f32"]
CONFIG_EXTRAS: list[dict[str, Any]] = [
    {"rope_scaling": {"rope_type": "yarn", "factor": 4.0}},
    {"rope_scaling": {"rope_type": "yarn", "factor": 1e-310, "beta_fast": 1e-310}},
    {"rope_parameters": {"rope_type": "yarn", "beta_fast": 1e30, "beta_slow": 1e-320, "truncate": True}},
    {"rope_parameters": {"rope_type": "yarn", "original_max_position_embeddings": 1, "mscale": 2, "mscale_all_dim": 3}},
    {"no_rope_layers": [1, 0, 1, 0]},
    {"no_rope_layer_interval": 1 << 10},
    {"quantization_config": {"quant_method": "gptq"}},
    {"layer_types": [None]},
    {"head_dim": 32},
    {"bos_token_id": [1, 2]},
]
TEMPLATES = [
    *("{{", "{% for", "{{ x", "{% include 'x' %}", "{{ messages[99].role }}", "{{ raise_exception('no') }}", "\ud800"),
    *(
        "{{ '\\ud800' }}",
        "{{ 1 / 0 }}",
        "{{ messages | map('x') | list }}",
        "{% if true %}" * 150 + "{% endif %}" * 150,
    ),
    *("{% for a in b %}" * 30 + "{% endfor %}" * 30, "{{ [" + "[" * 3000 + "]" * 3000 + "] }}", "{{ 9 ** (9 ** 9) }}"),
    *("{{ 'a' * 99999999999 }}", "{{ [0] * 99999999999 }}", "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}"),
    *("{{ ().__class__.__mro__ }}", "{{ '%99999999999d' % 1 }}", "{{ strftime_now('\\0') }}"),
]


def damaged(rng: random.Random, whole: Files) -> Files:
    """The folder with one file wrong, sometimes two."""
    files = dict(whole)
    for _ in range(rng.choice([1, 1, 1, 2])):
        name = rng.choice(sorted(files))
        what = rng.random()
        if what < 0.03:
            files.pop(name)
        elif name.endswith(".safetensors"):
            files[name] = damaged_safetensors(rng, files[name])
        elif what < 0.2:
            files[name] = rng.choice(RAW)(rng, files[name])
        else:
            files[name] = damaged_json(rng, name, files[name])
        if not files:
            break
    return files


def damaged_safetensors(rng: random.Random, whole: bytes) -> bytes:
    """The file with its length, its header or its bytes wrong."""
    if rng.random() < 0.3 or len(whole) < 16:
        return rng.choice(RAW)(rng, whole)
    (length,) = struct.unpack_from("<Q", whole)
    body = whole[8 + length :]
    if rng.random() < 0.15:
        wrong = rng.choice([*EXTREME, length - 1, length + 1, len(whole), len(whole) - 8]) % (1 << 64)
        return struct.pack("<Q", wrong) + whole[8:]
    try:
        header = json.loads(whole[8 : 8 + length])
    except (ValueError, RecursionError):
        return rng.choice(RAW)(rng, whole)
    if not isinstance(header, dict):
        return rng.choice(RAW)(rng, whole)
    for _ in range(rng.choice([1, 1, 2])):
        rng.choice(HEADER)(rng, header)
    if rng.random() < 0.05:
        written = rng.choice(["[]", "null", "{", "", "[" * 3000, '{"a":' * 3000, json.dumps(list(header.items()))])
    else:
        written = json.dumps(header)
    if rng.random() < 0.05 and len(written) > 2:
        written = written[:-1] + "," + written[1:]  # every name twice
    raw = written.encode(errors="surrogatepass")
    raw += b" " * (-len(raw) % 8)
    return struct.pack("<Q", len(raw)) + raw + (body if rng.random() < 0.9 else body[: len(body) // 2])


def _change_shape(rng: random.Random, header: dict[str, Any]) -> None:
    entry = _entry(rng, header)
    shape = entry.get("shape")
    wrong = [[], [0], [-1], [1 << 63, 2], [1 << 32, 1 << 32], [1.5], ["4"], "64", None, [1] * 50]
    if isinstance(shape, list):
        wrong += [shape[::-1], [*shape, 1], [rng.choice(EXTREME)] * len(shape)]
    entry["shape"] = rng.choice(wrong)


def _change_offsets(rng: random.Random, header: dict[str, Any]) -> None:
    entry, other = _entry(rng, header), _entry(rng, header)
    start, end = rng.choice(EXTREME), rng.choice(EXTREME)
    entry["data_offsets"] = rng.choice(
        [[start, end], [end, start], [0, end], other.get("data_offsets"), [-4, 4], [0], [], None, "0", [0, 1 << 70]]
    )


def _change_dtype(rng: random.Random, header: dict[str, Any]) -> None:
    _entry(rng, header)["dtype"] = rng.choice([*DTYPES, None, 3])


def _change_names(rng: random.Random, header: dict[str, Any]) -> None:
    names = [name for name in header if name != "__metadata__"]
    if not names:
        return
    name, other = rng.choice(names), rng.choice(names)
    what = rng.randrange(4)
    if what == 0:
        del header[name]
    elif what == 1:
        header[name], header[other] = header[other], header[name]
    elif what == 2:
        header[rng.choice(["", "x" * 5000, "\ud800", name + ".bias", "__metadata__"])] = header.pop(name)
    else:
        header["copy." + name] = copy.deepcopy(header[name])


def _change_anything(rng: random.Random, header: dict[str, Any]) -> None:
    header[rng.choice([*header, "__metadata__", "new"])] = rng.choice(HOSTILE)


def _entry(rng: random.Random, header: dict[str, Any]) -> dict[str, Any]:
    entries = [entry for entry in header.values() if isinstance(entry, dict)]
    return rng.choice(entries) if entries else {}


HEADER: list[Callable[[random.Random, dict[str, Any]], None]] = [
    *(_change_shape, _change_offsets, _change_dtype, _change_names, _change_anything)
]


def damaged_json(rng: random.Random, name: str, data: bytes) -> bytes:
    """The file with one to three values wrong, wherever they stand in it."""
    try:
        raw = json.loads(data)
    except (ValueError, RecursionError):
        return rng.choice(RAW)(rng, data)
    if name == "config.json" and isinstance(raw, dict) and rng.random() < 0.3:
        raw |= copy.deepcopy(rng.choice(CONFIG_EXTRAS))
    if name == "tokenizer_config.json" and isinstance(raw, dict) and rng.random() < 0.5:
        raw["chat_template"] = rng.choice([*TEMPLATES, *HOSTILE, [{"name": "default", "template": "{{"}], [{}], [3]])
    for _ in range(rng.choice([1, 1, 2, 3])):
        raw = _with_wrong_value(rng, raw)
    return json.dumps(raw).encode()


def _with_wrong_value(rng: random.Random, node: Any) -> Any:
    """A copy in which one node is hostile or gone; each level stops with a chance of a third."""
    if rng.random() < 0.33 or not node or not isinstance(node, (dict, list)):
        return rng.choice(HOSTILE)
    changed = copy.copy(node)
    at = rng.choice(list(changed)) if isinstance(changed, dict) else rng.randrange(len(changed))
    if rng.random() < 0.15:
        del changed[at]
    else:
        changed[at] = _with_wrong_value(rng, changed[at])
    return changed

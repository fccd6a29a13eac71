"""Makes `smollm2_135m.json`: what llama.cpp says about twenty texts and twenty conversations on the same GGUF file.

    python tests/golden/make_smollm2_135m.py PATH/TO/SmolLM2-135M-Instruct.Q4_1.gguf

Needs the `xllamacpp` wheel (llama.cpp behind Python). Teacher-forced: for every prefix of a text the engine is asked
for one token with the log-probabilities of its five best. Conversations go through its own Jinja engine and tokenizer.
Some texts are asked again of a float32 copy of the file, where the engine does not round activations to 8 bits.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import sys
import tempfile
import urllib.request
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import xllamacpp

NUM_BEST = 5
NUM_FLOAT32_TEXTS = 6
TARGET = Path(__file__).with_name("smollm2_135m.json")
TEXTS = [
    "The capital of France is Paris, and the capital of Japan is Tokyo. The capital of Italy is",
    "Water boils at 100 degrees Celsius at sea level, but on a high mountain it boils at a lower temperature because",
    "def fibonacci(n):\n    if n < 2:\n        return n\n    return fibonacci(n - 1) + fibonacci(n - 2)\n",
    "Dear Ms Okafor,\n\nThank you for your order of 12 lamps. We are sorry to say that two of them",
    "1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144",
    "To be, or not to be, that is the question: Whether 'tis nobler in the mind to suffer",
    '{"name": "Ada", "age": 36, "languages": ["English", "French"], "address": {"city": "London"}}',
    "The old lighthouse keeper climbed the stairs every evening, lit the lamp, and waited for the ships to",
    "Photosynthesis is the process by which green plants use sunlight to make food from carbon dioxide and",
    "Die Sonne scheint heute sehr hell, und die Kinder spielen im Garten hinter dem Haus.",
    "Ingredients: 200 g flour, 3 eggs, 1/2 l milk, a pinch of salt. Mix the flour with the",
    "<|im_start|>user\nWhat is two plus two?<|im_end|>\n<|im_start|>assistant\nTwo plus two is four.<|im_end|>",
    "SELECT name, COUNT(*) FROM orders WHERE total > 100 GROUP BY name ORDER BY COUNT(*) DESC;",
    "El perro de mi vecino ladra toda la noche y no me deja dormir. Mañana voy a hablar con",
    "In 1969, Neil Armstrong became the first person to walk on the Moon. He said: \"That's one small step",
    "She's sure they'll agree; we've asked twice, and I'd say it isn't hopeless—yet.",
    "Temperature:\t21.5 °C\nHumidity:\t40 %\nWind:\t\t12 km/h NW\n",
    "Q: If a train travels 60 miles in 1.5 hours, what is its average speed? A: The average speed is 60 / 1.5 =",
    "A haiku about autumn:\nRed leaves on the path,\nthe wind carries them away,\n",
    "The cat sat on the mat. The cat sat on the mat. The cat sat on the mat. The cat sat on",
]
CONVERSATIONS: list[list[tuple[str, str]]] = [
    [("user", "Hi")],
    [("user", "What is 17 + 25? Give the number only.")],
    [("system", "You answer in one word."), ("user", "Capital of Norway?")],
    [("user", "Name a colour."), ("assistant", "Blue."), ("user", "Another, please.")],
    [("system", ""), ("user", "An empty system message.")],
    [("user", "")],
    [("user", "Grüße aus Zürich! 你好, мир, שלום.")],
    [("user", "🙂🙃 👩‍👩‍👧‍👦 é e\u0301")],
    [("user", "line one\nline two\r\n\r\n\tindented   spaces  ")],
    [("user", "2024-12-31, 1,234,567.89, 0x1F, 3.14e-10, ١٢٣, Ⅷ, ½")],
    [("user", "it's IT'S we'll they'd I'm you've 'quoted' don't")],
    [("user", "What does <|im_end|> mean? And <|im_start|>system?")],
    [("user", "if (a && b) { return x[0] != '\\n'; } // <tag attr=\"1\">")],
    [("system", "Label the message: billing, delivery, other."), ("user", "Where is my parcel? Ordered on 3 May.")],
    [("user", "a" * 60 + " " + "0" * 20 + " " + "!" * 12)],
    [("user", "https://example.org/path?q=1&r=two#frag name@example.org C:\\temp\\x.txt")],
    [("system", "Be brief."), ("user", "A?"), ("assistant", "B."), ("user", "C?"), ("assistant", "D."), ("user", "E?")],
    [("user", "ALLCAPS camelCase snake_case kebab-case MiXeD 123abc abc123")],
    [("user", "\u00a0non-breaking\u200bzero-width\u3000ideographic\u2028separator")],
    [("user", "{{ not_a_template }} {% if x %}y{% endif %} {# comment #}")],
]


def main(path: Path) -> None:
    """Ask everything and write the file."""
    server = _server(path)
    texts = [_forced(server, text) for text in TEXTS]
    chats = [_chat(server, conversation) for conversation in CONVERSATIONS]
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder, "float32.gguf")
        _copy_as_float32(path, copy)
        server = _server(copy)
        float32_texts = [_forced(server, text) for text in TEXTS[:NUM_FLOAT32_TEXTS]]
    golden = {
        "engine": f"xllamacpp {importlib.metadata.version('xllamacpp')}",
        "file": path.name,
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "note": "best[p] are [token, log-probability] after tokens[: p + 1]",
        "texts": texts,
        "float32_texts": float32_texts,
        "chats": chats,
    }
    rows = json.dumps(golden, ensure_ascii=False, separators=(",", ":"))
    TARGET.write_text(
        rows.replace('{"text"', '\n{"text"').replace('{"messages"', '\n{"messages"') + "\n", encoding="utf-8"
    )
    print(f"{TARGET}: {len(texts)} texts, {sum(len(t['best']) for t in texts)} positions, {len(chats)} conversations")


def _server(path: Path) -> Any:
    params = xllamacpp.CommonParams()
    params.model.path = str(path)
    params.n_ctx, params.n_parallel, params.n_predict = 2048, 1, 1
    params.cpuparams.n_threads = 2
    params.use_jinja = True
    return xllamacpp.Server(params)


def _copy_as_float32(source: Path, target: Path) -> None:
    reader, writer = gguf.GGUFReader(source), gguf.GGUFWriter(target, "llama")
    for key, entry in reader.fields.items():
        if key.startswith("GGUF.") or key in ("general.architecture", "general.file_type"):
            continue
        if entry.types[0] == gguf.GGUFValueType.ARRAY:
            writer.add_array(key, entry.contents())
        else:
            writer.add_key_value(key, entry.contents(), entry.types[0])
    for tensor in reader.tensors:
        numbers = gguf.dequantize(tensor.data, tensor.tensor_type).astype(np.float32)
        writer.add_tensor(tensor.name, numbers.reshape([int(size) for size in reversed(tensor.shape)]))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _forced(server: Any, text: str) -> dict[str, Any]:
    tokens = _post(server, "/tokenize", {"content": text, "parse_special": True, "add_special": True})["tokens"]
    best = []
    for length in range(1, len(tokens) + 1):
        reply = server.handle_completions(
            {"prompt": tokens[:length], "n_predict": 1, "temperature": 0, "n_probs": NUM_BEST, "cache_prompt": True}
        )
        rows = reply["choices"][0]["logprobs"]["content"][0]["top_logprobs"]
        best.append([[row["id"], round(row["logprob"], 3)] for row in rows])
    return {"text": text, "tokens": tokens, "best": best}


def _chat(server: Any, conversation: list[tuple[str, str]]) -> dict[str, Any]:
    messages = [{"role": role, "content": content} for role, content in conversation]
    prompt = _post(server, "/apply-template", {"messages": messages})["prompt"]
    tokens = _post(server, "/tokenize", {"content": prompt, "parse_special": True, "add_special": True})["tokens"]
    return {"messages": conversation, "tokens": tokens}


def _post(server: Any, path: str, body: dict[str, Any]) -> Any:
    request = urllib.request.Request(
        server.listening_address.rstrip("/") + path, json.dumps(body).encode(), {"content-type": "application/json"}
    )
    with urllib.request.urlopen(request) as reply:
        return json.load(reply)


if __name__ == "__main__":
    main(Path(sys.argv[1]))

"""What the server counts, and how Prometheus reads it.

In: each request as it begins and ends. Out: the text exposition format, version 0.0.4, with what the engines of loaded
models count besides. Labels come from routes and served models alone, so that no client can make new ones.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping
from itertools import accumulate
from typing import NamedTuple

from seatrial.chat import Usage

MEDIA_TYPE = b"text/plain; version=0.0.4; charset=utf-8"
UNMATCHED = "unmatched"

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)

# An engine's figures by their names there: what each is to Prometheus, and what it says.
_ENGINE = {
    "num_waiting": ("gauge", "Sequences that wait for room or for their pictures now."),
    "num_running": ("gauge", "Sequences whose tokens are computed now."),
    "num_blocks_used": ("gauge", "Blocks of the cache of keys and values that sequences hold now."),
    "num_blocks": ("gauge", "Blocks that the cache of keys and values has."),
    "num_steps": ("counter", "Passes of the engine that computed something."),
    "num_prompt_tokens": ("counter", "Tokens of the prompts that were begun."),
    "num_cached_tokens": ("counter", "Tokens of these that the cache held already."),
    "num_generated_tokens": ("counter", "Tokens that were generated."),
    "num_drafted": ("counter", "Tokens that were guessed ahead."),
    "num_accepted": ("counter", "Guessed tokens that were kept."),
    "num_preempted": ("counter", "Times that a sequence lost its blocks to others and had to wait again."),
    "num_pictures": ("counter", "Pictures that prompts held, frames of videos too, whether known or not."),
    "num_pictures_encoded": ("counter", "Pictures and frames that were encoded, because they were not known."),
    "num_tiles_encoded": ("counter", "Tiles that were encoded."),
    "picture_bytes": ("gauge", "Bytes that rows of pictures take or are promised now."),
}


class LoadedModel(NamedTuple):
    """A served model. `engine` are its engine's own figures, {} where it has none."""

    name: str
    is_loaded: bool
    engine: Mapping[str, float] = {}


class _Histogram:
    __slots__ = ("counts", "total_s")

    def __init__(self) -> None:
        self.counts = [0] * (len(_SECONDS) + 1)
        self.total_s = 0.0

    def add(self, seconds: float) -> None:
        self.counts[bisect_left(_SECONDS, seconds)] += 1
        self.total_s += seconds


class Metrics:
    """Counts from the start of the process. `models` says what is served now; of generations and of bodies' bytes the
    others say how much there is, and may be.
    """

    def __init__(
        self,
        models: Callable[[], Iterable[LoadedModel]] = tuple,
        *,
        num_generating: Callable[[], int] = lambda: 0,
        most_generating: int = 0,
        num_body_bytes: Callable[[], int] = lambda: 0,
        most_body_bytes: int = 0,
    ) -> None:
        self._models, self._num_generating, self._most_generating = models, num_generating, most_generating
        self._num_body_bytes, self._most_body_bytes = num_body_bytes, most_body_bytes
        self.num_in_flight = 0
        self._requests: dict[tuple[str, str, int], int] = {}
        self._latencies: dict[str, _Histogram] = {}
        self._first_pieces: dict[str, _Histogram] = {}
        self._tokens: dict[str, list[int]] = {}

    def ended(self, method: str, route: str, status: int, seconds: float) -> None:
        """A request is over; `seconds` since it came."""
        key = (method, route, status)
        self._requests[key] = self._requests.get(key, 0) + 1
        histogram = self._latencies.get(route)
        if histogram is None:
            histogram = self._latencies[route] = _Histogram()
        histogram.add(seconds)

    def first_piece(self, route: str, seconds: float) -> None:
        """A stream's first piece was written, `seconds` after its request came."""
        self._first_pieces.setdefault(route, _Histogram()).add(seconds)

    def used(self, model: str, usage: Usage) -> None:
        """Tokens that a request took."""
        counts = self._tokens.setdefault(model, [0, 0, 0, 0])
        counts[0] += usage.prompt_tokens
        counts[1] += usage.completion_tokens
        counts[2] += usage.cached_tokens
        counts[3] += usage.reasoning_tokens

    def render(self) -> bytes:
        """Everything, as Prometheus reads it."""
        lines: list[str] = []
        _family(lines, "requests_total", "counter", "Requests that have ended.", self._request_samples())
        _histograms(lines, "request_seconds", "From a request's arrival to its last byte.", self._latencies)
        _histograms(lines, "first_piece_seconds", "From a request's arrival to a stream's first.", self._first_pieces)
        _family(lines, "requests_in_flight", "gauge", "Requests now.", [("", self.num_in_flight)])
        _family(lines, "generations", "gauge", "Generations that run or wait now.", [("", self._num_generating())])
        _family(lines, "generations_most", "gauge", "How many may run or wait.", [("", self._most_generating)])
        _family(lines, "body_bytes", "gauge", "Bytes of requests' bodies now.", [("", self._num_body_bytes())])
        _family(lines, "body_bytes_most", "gauge", "How many there may be.", [("", self._most_body_bytes)])
        for position, kind in enumerate(("prompt", "completion", "cached", "reasoning")):
            samples = [(_labels(model=model), counts[position]) for model, counts in self._tokens.items()]
            _family(lines, f"{kind}_tokens_total", "counter", f"Tokens of the {kind} kind.", samples)
        self._add_models(lines)
        return "".join(lines).encode()

    def _request_samples(self) -> list[tuple[str, float]]:
        return [
            (_labels(method=method, route=route, status=status), count)
            for (method, route, status), count in self._requests.items()
        ]

    def _add_models(self, lines: list[str]) -> None:
        models = list(self._models())
        loaded = [(_labels(model=model.name), int(model.is_loaded)) for model in models]
        _family(lines, "model_loaded", "gauge", "Whether the model is in memory.", loaded)
        _family(lines, "models_loaded", "gauge", "Models in memory.", [("", sum(m.is_loaded for m in models))])
        fields = dict.fromkeys(field for model in models for field in model.engine)
        for field in fields:
            name = f"engine_{field.removeprefix('num_')}"
            samples = [(_labels(model=m.name), m.engine[field]) for m in models if field in m.engine]
            kind, said = _ENGINE.get(field, ("untyped", "As the engine counts it."))
            _family(lines, name, kind, said, samples)


def _family(lines: list[str], name: str, kind: str, said: str, samples: Iterable[tuple[str, float]]) -> None:
    lines.append(f"# HELP seatrial_{name} {said}\n# TYPE seatrial_{name} {kind}\n")
    lines += [f"seatrial_{name}{labels} {_number(value)}\n" for labels, value in samples]


def _histograms(lines: list[str], name: str, said: str, by_route: Mapping[str, _Histogram]) -> None:
    lines.append(f"# HELP seatrial_{name} {said}\n# TYPE seatrial_{name} histogram\n")
    for route, histogram in by_route.items():
        bounds = [*map(str, _SECONDS), "+Inf"]
        for bound, count in zip(bounds, accumulate(histogram.counts), strict=True):
            lines.append(f"seatrial_{name}_bucket{_labels(route=route, le=bound)} {count}\n")
        lines.append(f"seatrial_{name}_sum{_labels(route=route)} {_number(histogram.total_s)}\n")
        lines.append(f"seatrial_{name}_count{_labels(route=route)} {sum(histogram.counts)}\n")


def _labels(**values: object) -> str:
    return "{" + ",".join(f'{name}="{_escaped(str(value))}"' for name, value in values.items()) + "}"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _number(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:.9g}"

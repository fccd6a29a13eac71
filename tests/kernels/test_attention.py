"""Attention over the paged cache on every level: right against the plain definition, and bound to its own row.

The bits of a token's row must not depend on what is beside it: batch, chunk, blocks that another sequence shares.

Shape suffixes: T tokens, S sequences, B blocks of the longest of them, C key-value heads, Q query heads, H head size,
P positions.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from seatrial.kernels import cpu, reference

pytestmark = pytest.mark.skipif(cpu.why_absent() is not None, reason="the native kernels are not built")
every_level = pytest.mark.parametrize("level", cpu.levels())
every_cache = pytest.mark.parametrize("cache", ["bf16", "int8"])

Float32 = NDArray[np.float32]
Int32 = NDArray[np.int32]
BLOCK = 16


class Shape(NamedTuple):
    """Key-value heads, query heads of each, head size."""

    heads: int
    group: int
    head_dim: int


class Content(NamedTuple):
    """What sequences hold: keys and values [S, P, C, H], and queries [S, P, Q, H] to ask with."""

    keys: Float32
    values: Float32
    queries: Float32


class Paged(NamedTuple):
    """A filled cache and the tables [S, B] of the sequences in it."""

    store: cpu.LayerStore
    tables: Int32


SHAPES = [Shape(3, 3, 64), Shape(2, 4, 128), Shape(1, 1, 16), Shape(2, 5, 80), Shape(1, 8, 32), Shape(1, 7, 48)]


def content(shape: Shape, sequences: int, positions: int, *, seed: int = 0, common: int = 0) -> Content:
    """Random sequences, of which the first `common` positions are the same in all."""
    draw = np.random.default_rng(seed)
    keys, values = draw.standard_normal((2, sequences, positions, shape.heads, shape.head_dim)).astype(np.float32)
    queries = draw.standard_normal((sequences, positions, shape.heads * shape.group, shape.head_dim))
    for part in (keys, values):
        part[:, :common] = part[0, :common]
    return Content(keys, values, queries.astype(np.float32))


def paged(level: str, shape: Shape, held: Content, *, cache: str = "bf16", common: int = 0, seed: int = 0) -> Paged:
    """Store all of it in blocks at random places; full blocks among the first `common` positions lie there once.

    What is not written is NaN. Example: 2 sequences of 40 positions with 20 in common take 1 + 2 x 2 blocks.
    """
    sequences, positions = held.keys.shape[:2]
    width, once = -(-positions // BLOCK), common // BLOCK
    places = np.random.default_rng(seed).permutation(once + sequences * (width - once)).astype(np.int32)
    own = places[once:].reshape(sequences, width - once)
    tables = np.concatenate((np.tile(places[:once], (sequences, 1)), own), axis=1)
    store = cpu.attention_store(level, places.size, shape.heads, shape.head_dim, cache=cache, fill=255)
    at = np.arange(positions, dtype=np.int32)
    for sequence in range(sequences):
        store.store(held.keys[sequence], held.values[sequence], tables[sequence, at // BLOCK], at % BLOCK)
    return Paged(store, np.ascontiguousarray(tables))


def ask(memory: Paged, held: Content, tokens: list[tuple[int, int]]) -> Float32:
    """Attend for (sequence, position) pairs in one pass, [T, Q, H]."""
    sequences, positions = (np.array(column, np.int32) for column in zip(*tokens, strict=True))
    return memory.store.attend(held.queries[sequences, positions], positions, sequences, memory.tables)


def defined(shape: Shape, held: Content, tokens: list[tuple[int, int]], cache: str) -> Float32:
    """The plain definition of the same, on keys and values rounded as the cache rounds them."""
    sequences, positions = (torch.tensor(column) for column in zip(*tokens, strict=True))
    count, length = held.keys.shape[:2]
    width = -(-length // BLOCK)
    plain = reference.empty_cache(count * width, shape.heads, shape.head_dim)
    tables_SB = torch.arange(count * width).view(count, width)
    at = torch.arange(length)
    for sequence in range(count):
        keys, values = (torch.from_numpy(part[sequence]) for part in (held.keys, held.values))
        reference.store_kv(plain, keys, values, tables_SB[sequence, at // BLOCK], at % BLOCK, cache)
    q = torch.from_numpy(held.queries)[sequences, positions]
    return reference.attend(plain, q, positions, sequences, tables_SB).numpy()


@st.composite
def passes(draw: st.DrawFn) -> list[tuple[int, int]]:
    """Runs of tokens of up to four sequences, each from any position on."""
    tokens: list[tuple[int, int]] = []
    for sequence in range(draw(st.integers(1, 4))):
        start, count = draw(st.integers(0, 140)), draw(st.integers(1, 40))
        tokens += [(sequence, position) for position in range(start, start + count)]
    return tokens


@every_level
@settings(max_examples=25, deadline=None)
@given(
    shape=st.builds(Shape, st.integers(1, 3), st.integers(1, 8), st.integers(1, 8).map(lambda n: 16 * n)),
    cache=st.sampled_from(["bf16", "int8"]),
    tokens=passes(),
    common=st.sampled_from([0, 16, 100, 128]),
    seed=st.integers(0, 9),
)
def test_any_pass_agrees_with_the_definition(
    level: str, shape: Shape, cache: str, tokens: list[tuple[int, int]], common: int, seed: int
) -> None:
    held = content(shape, 4, 180, seed=seed, common=common)
    memory = paged(level, shape, held, cache=cache, common=common, seed=seed)
    np.testing.assert_allclose(ask(memory, held, tokens), defined(shape, held, tokens, cache), atol=2e-5)


@every_level
@every_cache
def test_a_long_context_agrees_with_the_definition(level: str, cache: str) -> None:
    shape = Shape(2, 3, 32)
    held = content(shape, 1, 2100)
    tokens = [(0, position) for position in (511, 512, 513, 1023, 1024, 1500, 2047, 2048, 2099)]
    out = ask(paged(level, shape, held, cache=cache), held, tokens)
    np.testing.assert_allclose(out, defined(shape, held, tokens, cache), atol=2e-5)


@every_level
@every_cache
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_chunks_and_single_tokens_get_the_bits_of_the_whole(level: str, cache: str, shape: Shape) -> None:
    held = content(shape, 1, 150)
    memory = paged(level, shape, held, cache=cache)
    tokens = [(0, position) for position in range(150)]
    whole = ask(memory, held, tokens)
    for size in (1, 3, 16, 17, 70):
        parts = [ask(memory, held, tokens[at : at + size]) for at in range(0, 150, size)]
        np.testing.assert_array_equal(np.concatenate(parts), whole)


@every_level
@every_cache
def test_long_contexts_get_the_same_bits_in_any_batch(level: str, cache: str) -> None:
    shape, lengths = Shape(1, 3, 32), (1400, 1399, 700, 515, 40)
    held = content(shape, len(lengths), max(lengths))
    memory = paged(level, shape, held, cache=cache)
    last = [(sequence, length - 1) for sequence, length in enumerate(lengths)]
    draft = [(0, position) for position in range(1390, 1400)]
    chunk = [(1, position) for position in range(1300, 1399)]
    alone = {token: ask(memory, held, [token])[0] for token in [*last, *draft, *chunk]}
    for tokens in (last, last[::-1], draft, chunk, draft + chunk + last[2:], last[2:] + draft[-3:] + chunk[:50]):
        for token, row in zip(tokens, ask(memory, held, tokens), strict=True):
            np.testing.assert_array_equal(row, alone[token])


@every_level
@every_cache
@pytest.mark.parametrize("common", [16, 64, 200, 576])
def test_shared_blocks_give_the_bits_of_copies(level: str, cache: str, common: int) -> None:
    shape, length = Shape(2, 3, 48), 640
    held = content(shape, 6, length, common=common)
    shared = paged(level, shape, held, cache=cache, common=common, seed=1)
    copied = paged(level, shape, held, cache=cache, seed=2)
    ends = (639, 600, common, common - 1, 575, 63)
    for tokens in (
        list(enumerate(ends)),
        [(sequence, end - back) for sequence, end in enumerate(ends) for back in (2, 1, 0)],
        [(sequence, position) for sequence in (0, 3) for position in range(common - 10, common + 20)],
    ):
        np.testing.assert_array_equal(ask(shared, held, tokens), ask(copied, held, tokens))


@every_level
def test_many_sequences_in_any_order_share_their_prefixes(level: str) -> None:
    shape, held = Shape(1, 4, 32), content(Shape(1, 4, 32), 2, 300)
    first, second = (paged(level, shape, held, seed=seed) for seed in (1, 2))
    mixed = Paged(first.store, np.ascontiguousarray(np.tile(first.tables, (20, 1))))
    tokens = [(sequence, 299 - 7 * (sequence // 2)) for sequence in np.random.default_rng(0).permutation(40).tolist()]
    queries = Content(np.tile(held.keys, (20, 1, 1, 1)), held.values, np.tile(held.queries, (20, 1, 1, 1)))
    out = ask(mixed, queries, tokens)
    alone = [ask(second, held, [(sequence % 2, position)]) for sequence, position in tokens]
    expected = np.concatenate(alone)
    np.testing.assert_array_equal(out, expected)


@every_level
@every_cache
@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_a_damaged_query_spoils_its_own_head_alone(level: str, cache: str, wrong: float) -> None:
    shape, held = Shape(2, 3, 64), content(Shape(2, 3, 64), 2, 100)
    memory = paged(level, shape, held, cache=cache)
    tokens = [(0, position) for position in range(100)] + [(1, 99)]
    expected = ask(memory, held, tokens)
    held.queries[0, 60, 4, 7] = wrong
    out = ask(memory, held, tokens)
    assert np.isnan(out[60, 4]).all()
    out[60, 4] = expected[60, 4]
    np.testing.assert_array_equal(out, expected)


@every_level
@every_cache
@pytest.mark.parametrize("part", ["keys", "values"])
def test_a_damaged_position_spoils_only_those_who_see_it(level: str, cache: str, part: str) -> None:
    shape, held = Shape(2, 3, 64), content(Shape(2, 3, 64), 2, 130)
    tokens = [(sequence, position) for sequence in (0, 1) for position in range(130)]
    expected = ask(paged(level, shape, held, cache=cache), held, tokens)
    getattr(held, part)[0, 70, 1, 5] = np.nan
    out = ask(paged(level, shape, held, cache=cache), held, tokens)
    assert np.isnan(out[70:130, 3:]).any(axis=-1).all()
    out[70:130, 3:] = expected[70:130, 3:]
    np.testing.assert_array_equal(out, expected)


@every_level
def test_large_scores_neither_overflow_nor_lose_the_winner(level: str) -> None:
    shape, held = Shape(1, 2, 16), content(Shape(1, 2, 16), 1, 700)
    held.keys[0, 650] = 100
    held.queries[0, 699] = 100
    out = ask(paged(level, shape, held), held, [(0, 699)])[0]
    winner = torch.from_numpy(held.values[0, 650]).bfloat16().float().numpy()
    np.testing.assert_allclose(out, np.tile(winner, (2, 1)), rtol=1e-6)


@every_level
@every_cache
def test_equal_scores_give_the_mean_of_the_values(level: str, cache: str) -> None:
    shape, held = Shape(1, 1, 16), content(Shape(1, 1, 16), 1, 600)
    held.keys[:] = 0
    held.values[:] = np.arange(16)
    out = ask(paged(level, shape, held, cache=cache), held, [(0, position) for position in (0, 15, 64, 599)])
    step = 15 / 127 if cache == "int8" else 0.0
    np.testing.assert_allclose(out, np.tile(np.arange(16), (4, 1, 1)), rtol=1e-6, atol=step / 2)

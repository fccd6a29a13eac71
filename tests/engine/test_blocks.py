from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.engine.blocks import BlockPool, extend_digests
from seatrial.errors import UsageError


def digests_of(tokens: list[int], block_tokens: int = 2) -> list[bytes]:
    digests: list[bytes] = []
    extend_digests(digests, tokens, block_tokens)
    return digests


def fill(pool: BlockPool, tokens: list[int]) -> list[int]:
    """Blocks of a sequence that computed `tokens`, published one by one; held by it."""
    blocks: list[int] = []
    for digest in digests_of(tokens, pool.block_tokens):
        blocks.append(pool.publish(pool.take(), digest, blocks[-1] if blocks else None))
    return blocks


@given(st.lists(st.integers(0, 2**31 - 1), max_size=40), st.lists(st.integers(1, 7), max_size=12), st.integers(1, 5))
def test_digests_added_bit_by_bit_are_those_of_the_whole(
    tokens: list[int], steps: list[int], block_tokens: int
) -> None:
    digests: list[bytes] = []
    seen = 0
    for step in [*steps, len(tokens)]:
        seen = min(len(tokens), seen + step)
        extend_digests(digests, tokens[:seen], block_tokens)
    assert digests == digests_of(tokens, block_tokens)
    assert len(digests) == len(tokens) // block_tokens


def test_a_digest_covers_all_tokens_before_it() -> None:
    first, second = digests_of([1, 2, 7, 8]), digests_of([1, 3, 7, 8])
    assert first[1] != second[1]
    assert digests_of([7, 8]) != first[1:]
    assert digests_of([1, 256]) != digests_of([256, 1])


def test_every_block_is_given_once_and_counted() -> None:
    pool = BlockPool(5, 2)
    blocks = [pool.take() for _ in range(5)]
    assert sorted(blocks) == [0, 1, 2, 3, 4]
    assert (pool.num_free, pool.num_used, pool.num_kept) == (0, 5, 0)
    pool.release(blocks[:3])
    assert (pool.num_free, pool.num_used, pool.num_kept) == (3, 2, 0)
    assert {pool.take() for _ in range(3)} == set(blocks[:3])


def test_known_content_is_found_up_to_the_first_unknown_block() -> None:
    pool = BlockPool(8, 2)
    blocks = fill(pool, [1, 2, 3, 4, 5, 6])
    assert pool.longest_prefix(digests_of([1, 2, 3, 4, 9, 9])) == blocks[:2]
    assert pool.longest_prefix(digests_of([9, 9, 3, 4])) == []
    pool.release(blocks)
    assert pool.num_kept == 3
    pool.share(blocks[:2])
    assert (pool.num_used, pool.num_kept, pool.num_hits) == (2, 1, 2)
    pool.share(blocks[:1])
    assert [pool.num_users(block) for block in blocks] == [2, 1, 0]
    pool.release(blocks[:2])
    assert [pool.num_users(block) for block in blocks] == [1, 0, 0]


def test_blank_blocks_go_first_then_the_least_recently_used_its_last_block_first() -> None:
    pool = BlockPool(6, 2)
    old, new = fill(pool, [1, 1, 2, 2]), fill(pool, [3, 3, 4, 4])
    pool.release(old)
    pool.release(new)
    pool.share(old)  # used again: now `new` is the older one
    pool.release(old)
    taken = [pool.take() for _ in range(6)]
    assert set(taken[:2]).isdisjoint(old + new)
    assert taken[2:] == [new[1], new[0], old[1], old[0]]
    assert pool.num_evictions == 4
    assert pool.longest_prefix(digests_of([1, 1, 2, 2])) == []


def test_a_beginning_that_is_shared_outlives_what_follows_it() -> None:
    pool = BlockPool(4, 2)
    blocks = fill(pool, [1, 1, 2, 2])
    pool.share(blocks[:1])
    pool.release(blocks)
    other = [blocks[0], pool.publish(pool.take(), digests_of([1, 1, 3, 3])[1], blocks[0])]
    pool.release(other)
    assert [pool.take() for _ in range(4)][-1] == blocks[0]


def test_the_same_content_computed_twice_becomes_one_block() -> None:
    pool = BlockPool(4, 2)
    first = fill(pool, [1, 2])
    second = fill(pool, [1, 2])
    assert first == second
    assert (pool.num_used, pool.num_users(first[0])) == (1, 2)
    pool.release(first)
    pool.release(second)
    third = fill(pool, [1, 2])  # also where the known one is kept, not used
    assert third == first
    assert (pool.num_used, pool.num_kept) == (1, 0)


def test_forgotten_content_is_not_found_nor_what_was_computed_on_it() -> None:
    pool = BlockPool(8, 2)
    base = fill(pool, [1, 1])
    child = fill(pool, [1, 1, 2, 2])
    stranger = fill(pool, [5, 5])
    pool.release(child)
    pool.forget(base)
    assert pool.longest_prefix(digests_of([1, 1, 2, 2])) == []
    assert pool.longest_prefix(digests_of([5, 5])) == stranger
    assert pool.num_users(base[0]) == 1
    assert (pool.num_used, pool.num_kept) == (2, 0)

    fill(pool, [1, 1])  # computed anew: it is known again, what stood on the old one is not
    assert len(pool.longest_prefix(digests_of([1, 1, 2, 2]))) == 1


def test_what_is_computed_on_forgotten_content_stays_private() -> None:
    pool = BlockPool(8, 2)
    mine = fill(pool, [1, 1])
    pool.forget(mine)
    fill(pool, [1, 1])
    digest = digests_of([1, 1, 2, 2])[1]
    block = pool.take()
    assert pool.publish(block, digest, mine[0]) == block
    assert len(pool.longest_prefix(digests_of([1, 1, 2, 2]))) == 1
    pool.release([*mine, block])
    assert pool.num_kept == 0


def test_giving_back_twice_is_caught() -> None:
    pool = BlockPool(2, 2)
    block = pool.take()
    pool.release([block])
    with pytest.raises(AssertionError, match="twice"):
        pool.release([block])


@pytest.mark.parametrize(("num_blocks", "block_tokens"), [(0, 16), (4, 0), (-1, 16)])
def test_an_empty_pool_is_refused(num_blocks: int, block_tokens: int) -> None:
    with pytest.raises(UsageError, match=f"{num_blocks} blocks of {block_tokens} positions"):
        BlockPool(num_blocks, block_tokens)

"""The memory of the KV cache in blocks: who uses which, and which content is known. Torch-free integers only.

In: requests for a block, and the digest of a block's content once it is full and computed. Out: block numbers. A block
is *used* (one or more sequences hold it), *kept* (nobody holds it, its content can still be found) or *blank*.

A digest covers a block's tokens and all tokens before them, so equal digests mean equal keys and values. Each digest
belongs to at most one block, and a sequence that holds a known block holds the known blocks before it too. It gives
them back last first, so a kept block never outlives the one before it: what is found is found from the first token on.
"""

from __future__ import annotations

import struct
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from hashlib import blake2b

from seatrial.errors import UsageError

_DIGEST_BYTES = 16


class BlockPool:
    """Blocks 0 to `num_blocks` - 1 of `block_tokens` positions each, counted by users and findable by content."""

    def __init__(self, num_blocks: int, block_tokens: int) -> None:
        if num_blocks < 1 or block_tokens < 1:
            raise UsageError(
                f"A cache of {num_blocks} blocks of {block_tokens} positions holds nothing; "
                "it must have at least 1 of each. Give it more memory."
            )
        self.num_blocks = num_blocks
        self.block_tokens = block_tokens
        self.num_hits = 0
        self.num_evictions = 0
        self._num_users = [0] * num_blocks
        self._digests: list[bytes | None] = [None] * num_blocks
        self._parents: list[bytes | None] = [None] * num_blocks
        self._known: dict[bytes, int] = {}
        self._blank = list(range(num_blocks - 1, -1, -1))
        self._kept: OrderedDict[int, None] = OrderedDict()

    @property
    def num_free(self) -> int:
        """Blocks that `take` can give: blank ones and kept ones."""
        return len(self._blank) + len(self._kept)

    @property
    def num_kept(self) -> int:
        """Free blocks whose content can still be found."""
        return len(self._kept)

    @property
    def num_used(self) -> int:
        """Blocks that some sequence holds."""
        return self.num_blocks - self.num_free

    def num_users(self, block: int) -> int:
        """How many sequences hold `block`."""
        return self._num_users[block]

    def num_blocks_for(self, num_tokens: int) -> int:
        """Blocks that hold `num_tokens` positions. Example: 16 positions a block, 33 tokens: 3 blocks."""
        return -(-num_tokens // self.block_tokens)

    def take(self) -> int:
        """A block for one user to write: a blank one, else the kept one that was used least recently.

        The caller has looked at `num_free`.
        """
        if self._blank:
            block = self._blank.pop()
        else:
            block, _ = self._kept.popitem(last=False)
            self._drop_digest(block)
            self.num_evictions += 1
        self._num_users[block] = 1
        return block

    def longest_prefix(self, digests: Iterable[bytes]) -> list[int]:
        """The blocks that hold the first of `digests`, up to the first one that is unknown. Takes no reference."""
        blocks: list[int] = []
        for digest in digests:
            block = self._known.get(digest)
            if block is None:
                break
            blocks.append(block)
        return blocks

    def share(self, blocks: Iterable[int]) -> None:
        """Another user for each of `blocks`, which `longest_prefix` just found."""
        for block in blocks:
            self._add_user(block)
            self.num_hits += 1

    def publish(self, block: int, digest: bytes, parent: int | None) -> int:
        """Make a full, computed block findable; return the block to use from now on.

        `parent` is the block before it in its sequence. Where another block already holds the same content, that one
        is returned with the caller as a user and `block` goes back. A block whose parent was forgotten stays private.
        """
        parent_digest = None if parent is None else self._digests[parent]
        if parent is not None and parent_digest is None:
            return block
        known = self._known.get(digest)
        if known is None:
            self._known[digest] = block
            self._digests[block], self._parents[block] = digest, parent_digest
            return block
        if known != block:
            self._add_user(known)
            self.release((block,))
        return known

    def release(self, blocks: Sequence[int]) -> None:
        """One user less for each block of a sequence, given in order of position."""
        for block in reversed(blocks):
            assert self._num_users[block] > 0, f"block {block} was given back twice"
            self._num_users[block] -= 1
            if self._num_users[block]:
                continue
            if self._digests[block] is None:
                self._blank.append(block)
            else:
                self._kept[block] = None

    def forget(self, blocks: Iterable[int]) -> None:
        """Never find these blocks again, nor anything computed on top of them. Their users keep them.

        Looks at every known block; for failures, which are rare.
        """
        doomed = {self._digests[block] for block in blocks} - {None}
        for digest, block in list(self._known.items()):  # parents stand before their children
            if digest in doomed or self._parents[block] in doomed:
                doomed.add(digest)
                self._drop_digest(block)
                if block in self._kept:
                    del self._kept[block]
                    self._blank.append(block)

    def _add_user(self, block: int) -> None:
        if not self._num_users[block]:
            del self._kept[block]
        self._num_users[block] += 1

    def _drop_digest(self, block: int) -> None:
        digest = self._digests[block]
        assert digest is not None
        del self._known[digest]
        self._digests[block] = self._parents[block] = None


def extend_digests(digests: list[bytes], tokens: Sequence[int], block_tokens: int) -> None:
    """Append the digests of the full blocks of `tokens` that `digests` does not have yet.

    Digest i is BLAKE2b (RFC 7693) of digest i - 1 and the ids of block i as little-endian int64, which holds those of
    pictures' rows too. Example: blocks of 16, 40 tokens, one digest known: the digest of tokens 16 to 31 is added; 32
    to 39 do not fill a block.
    """
    ids = struct.Struct(f"<{block_tokens}q")
    parent = digests[-1] if digests else b""
    for start in range(len(digests) * block_tokens, len(tokens) - block_tokens + 1, block_tokens):
        content = ids.pack(*tokens[start : start + block_tokens])
        parent = blake2b(parent + content, digest_size=_DIGEST_BYTES).digest()
        digests.append(parent)

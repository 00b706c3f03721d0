"""The vectors of one space in memory, a byte a number, and which of them point the same way. Meant for threads.

A vector of n numbers takes n bytes here instead of 4 n; its cosine with another is off by less than a hundredth.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

BLOCK = 1024
"""Vectors that are held, and compared, at once: what it takes of memory at a time stays within a processor's own."""
MILLION = 1_000_000
"""Scores are whole millionths, so that a page can go on exactly where the last one ended."""

_Bytes = NDArray[np.int8]


class Block:
    """Vectors of up to BLOCK records."""

    __slots__ = ("lengths", "numbers", "vectors")

    def __init__(self, dimensions: int) -> None:
        self.vectors: _Bytes = np.zeros((BLOCK, dimensions), np.int8)
        # What to multiply with for length 1; 0 where there is no record.
        self.lengths = np.zeros(BLOCK, np.float32)
        self.numbers = np.zeros(BLOCK, np.int64)


class Vectors:
    """Each record's vector by the record's number. Never used by two threads at once."""

    def __init__(self, dimensions: int) -> None:
        self.dimensions = dimensions
        self._blocks: list[Block] = []
        self._places: dict[int, int] = {}
        self._odd: set[int] = set()
        """Records whose vectors are of another length, and are compared with none."""

    def __len__(self) -> int:
        return len(self._places) + len(self._odd)

    def put(self, rows: Sequence[tuple[int, bytes]]) -> None:
        """Add the vectors of records, or change those that are known; of one record the last counts."""
        fitting = {number: packed for number, packed in rows if len(packed) == 4 * self.dimensions}
        for odd in {number for number, _ in rows} - fitting.keys():
            self._odd.add(odd)
            self._clear(odd)
        self._odd -= fitting.keys()
        if not fitting:
            return
        places = np.array([self._places.setdefault(number, len(self._places)) for number in fitting])
        while len(self._places) > len(self._blocks) * BLOCK:
            self._blocks.append(Block(self.dimensions))
        small, lengths = _small(np.frombuffer(b"".join(fitting.values()), "<f4").reshape(-1, self.dimensions))
        numbers = np.fromiter(fitting, np.int64, len(fitting))
        for at in np.unique(places // BLOCK):
            block, mine = self._blocks[at], places // BLOCK == at
            there = places[mine] % BLOCK
            block.vectors[there], block.lengths[there], block.numbers[there] = small[mine], lengths[mine], numbers[mine]

    def nearest(
        self, packed: bytes, most: int, *, but: int, after: tuple[int, int] | None = None, least: int = 0
    ) -> list[tuple[int, int]]:
        """Return score and number of up to `most` records, best first, of the same score newest first.

        `but`: the record that is compared; `after`: the last one seen; `least`: the lowest score that counts.
        """
        if not self._blocks or len(packed) != 4 * self.dimensions:
            return []
        small, lengths = _small(np.frombuffer(packed, "<f4").reshape(1, -1))
        scores = self._scores(small[0].astype(np.float32), lengths[0])
        numbers = np.concatenate([block.numbers for block in self._blocks])
        keep = (scores >= least) & (numbers != but) & (numbers != 0)
        if after is not None:
            keep &= (scores < after[0]) | ((scores == after[0]) & (numbers < after[1]))
        scores, numbers = scores[keep], numbers[keep]
        if len(scores) > most:
            # Not those of the last score alone: of the same score it is the newest that count.
            edge = np.partition(scores, len(scores) - most)[len(scores) - most]
            scores, numbers = scores[scores >= edge], numbers[scores >= edge]
        order = np.lexsort((-numbers, -scores))[:most]
        return [(int(scores[at]), int(numbers[at])) for at in order]

    def _scores(self, wanted: NDArray[np.float32], length: np.float32) -> NDArray[np.int64]:
        found = np.empty(len(self._blocks) * BLOCK, np.float32)
        wide = np.empty((BLOCK, self.dimensions), np.float32)
        for at, block in enumerate(self._blocks):
            part = found[at * BLOCK : (at + 1) * BLOCK]
            np.copyto(wide, block.vectors)
            # Not a product of matrices: that would take every core, and let them spin between two blocks.
            np.einsum("ij,j->i", wide, wanted, out=part)
            part *= block.lengths
        found *= length * MILLION
        return np.rint(found).astype(np.int64)

    def _clear(self, number: int) -> None:
        at = self._places.get(number)
        if at is not None:
            # Its place stays its own: it may come back.
            block = self._blocks[at // BLOCK]
            block.vectors[at % BLOCK], block.lengths[at % BLOCK], block.numbers[at % BLOCK] = 0, 0, 0


def _small(vectors: NDArray[np.float32]) -> tuple[_Bytes, NDArray[np.float32]]:
    """Return vectors in bytes, and what to multiply each with for length 1; 0 for one without a direction."""
    finite = np.nan_to_num(vectors, nan=0.0, posinf=0.0, neginf=0.0)
    largest = np.abs(finite).max(axis=1, keepdims=True)
    small = np.rint(finite / np.where(largest > 0, largest, 1) * 127).astype(np.int8)
    lengths = np.linalg.norm(small.astype(np.float32), axis=1)
    return small, np.divide(1, lengths, out=np.zeros_like(lengths), where=lengths > 0)

"""Which perceptual hashes are alike: 64 bits each, of which few differ. Plain reckoning, meant for a thread."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from itertools import combinations

GROUP_DISTANCE_MOST = 4
_BANDS = (0x7FF, 0x7FF << 11, 0x7FF << 22, 0x7FF << 33, 0x3FF << 44, 0x3FF << 54)
# At most four differing bits leave two of the six bands as they are, so who is alike meets in one of these.
_MASKS = [one | other for one, other in combinations(_BANDS, 2)]
_CROWD = 32
_NEIGHBOURS = 8


def nearest(spots: Sequence[int], wanted: int, distance: int) -> list[tuple[int, int]]:
    """Return the distance and place of every hash at most `distance` bits from `wanted`, nearest first, then last."""
    found = [(bits, -at) for at, other in enumerate(spots) if (bits := (other ^ wanted).bit_count()) <= distance]
    found.sort()
    return [(bits, -at) for bits, at in found]


def groups(spots: Sequence[int], distance: int) -> list[list[int]]:
    """Return the places of the hashes that are like another one, those of a group together, largest group first.

    A group is a chain: each is at most `distance` bits from another one. In a crowd that shares a third
    of their bits only neighbours in the order of numbers are held against each other, else it would take minutes.
    """
    joined = _Joined(spots)
    if distance:
        for mask in _MASKS:
            _join(joined, mask, distance)
    sizes = Counter(map(joined.first, spots))
    chains: defaultdict[int, list[int]] = defaultdict(list)
    for at, one in enumerate(spots):
        if sizes[first := joined.first(one)] > 1:
            chains[first].append(at)
    return sorted(chains.values(), key=lambda chain: (-len(chain), -chain[0]))


class _Joined:
    """Which hashes belong together, each chain known by one of them."""

    def __init__(self, spots: Iterable[int]) -> None:
        self._above = {one: one for one in spots}

    @property
    def all(self) -> Iterable[int]:
        return self._above

    def first(self, one: int) -> int:
        above = self._above
        while (up := above[one]) != one:
            above[one] = one = above[up]
        return one

    def join(self, one: int, other: int) -> None:
        self._above[self.first(other)] = self.first(one)


def _join(joined: _Joined, mask: int, distance: int) -> None:
    # Sorted, not put into buckets: to clean up after 100,000 lists would keep every other thread waiting.
    ordered = sorted(joined.all, key=mask.__and__)
    start = 0
    for at in range(1, len(ordered) + 1):
        if at == len(ordered) or (ordered[at] ^ ordered[start]) & mask:
            if at - start > 1:
                _join_bucket(joined, sorted(ordered[start:at]), distance)
            start = at


def _join_bucket(joined: _Joined, bucket: Sequence[int], distance: int) -> None:
    reach = len(bucket) if len(bucket) <= _CROWD else _NEIGHBOURS
    for at, one in enumerate(bucket):
        for other in bucket[at + 1 : at + 1 + reach]:
            if (one ^ other).bit_count() <= distance:
                joined.join(one, other)

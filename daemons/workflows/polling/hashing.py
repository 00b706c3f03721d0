"""Vectors of texts without a model: which words and pairs of words they hold, hashed to places (feature hashing).

Texts are near each other that share words; nobody here knows what a word means, or that two mean the same.
"""

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from hashlib import blake2b
from itertools import pairwise

DIMENSIONS = 512
SPACE = f"hashing-{DIMENSIONS}"
"""The name stands for how vectors are made: whatever changes that needs another one."""
PAIR_WEIGHT = 0.5

_WORD = re.compile(r"[^\W_]+")
# Scripts that put no spaces between words: there every two signs are a word.
_UNSPACED = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]+")
# They are in every text, so they tell none from another.
_COMMON = frozenset(
    {
        *(
            "a",
            "an",
            "and",
            "are",
            "as",
            "at",
            "be",
            "by",
            "for",
            "from",
            "has",
            "have",
            "he",
            "her",
            "his",
            "in",
            "is",
        ),
        *("it", "its", "of", "on", "or", "she", "that", "the", "their", "there", "they", "this", "to", "was", "were"),
        *("which", "who", "with"),
    }
)


def hashed(text: str) -> list[float]:
    """Return the vector of `text`, of length 1; all zeros where it holds no word."""
    words = [word for word in words_of(text) if word not in _COMMON]
    vector = [0.0] * DIMENSIONS
    for features, weight in ((Counter(words), 1.0), (Counter(map(" ".join, pairwise(words))), PAIR_WEIGHT)):
        for feature, count in features.items():
            number = int.from_bytes(blake2b(feature.encode(), digest_size=8).digest(), "little")
            # With a sign, so that what meets in one place by chance does not always add up.
            sign = -1 if number >> 63 else 1
            vector[number % DIMENSIONS] += sign * weight * (1 + math.log(count))
    length = math.hypot(*vector)
    return [value / length for value in vector] if length else vector


def words_of(text: str) -> Iterator[str]:
    """Yield the words of `text` as they are compared: in one case, in one spelling of each sign."""
    for found in _WORD.finditer(unicodedata.normalize("NFKC", text).casefold()):
        word = found[0]
        if _UNSPACED.search(word) is None:
            yield word
            continue
        at = 0
        for run in _UNSPACED.finditer(word):
            if run.start() > at:
                yield word[at : run.start()]
            signs = run[0]
            yield from (signs[place : place + 2] for place in range(max(1, len(signs) - 1)))
            at = run.end()
        if at < len(word):
            yield word[at:]

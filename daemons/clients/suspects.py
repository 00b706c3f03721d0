"""Pictures that got bad answers, so that one at which the server ends or hangs every time is known when it comes again.

Such a picture takes the server away from all others: nobody is left to ask whose fault it is. But others are answered
before it comes again.
"""

from collections import OrderedDict
from hashlib import sha256

REMEMBERED = 1000
GUILTY_AFTER = 3
"""Times after which it is the picture, as with those that end their worker process."""


class Suspects:
    """Counts, for each of the latest suspects, the times that others were answered in between."""

    def __init__(self) -> None:
        self._answers = 0
        self._seen: OrderedDict[bytes, tuple[int, int]] = OrderedDict()

    def answered(self) -> None:
        """Note that the server answered for some picture."""
        self._answers += 1

    def is_guilty(self, picture: bytes) -> bool:
        """Note a bad answer, and return whether it was one too many."""
        mark = sha256(picture).digest()
        times, answers = self._seen.pop(mark, (0, -1))
        if self._answers > answers:
            times += 1
        self._seen[mark] = (times, self._answers)
        if len(self._seen) > REMEMBERED:
            self._seen.popitem(last=False)
        return times >= GUILTY_AFTER

    def clear(self, picture: bytes) -> None:
        """Forget a picture that was described after all."""
        if self._seen:
            self._seen.pop(sha256(picture).digest(), None)

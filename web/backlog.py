"""What is kept for a socket that does not take its frames as fast as they come; bounded, however slow it is."""

from collections import deque
from collections.abc import Callable
from typing import Protocol

from web.frames import Frame

HELD_CHARACTERS = 200_000
"""What is kept for one slow client of the events socket."""
LINES_HELD = 100
PAGES_HELD = 20
"""Frames that are kept for one slow page."""


class Backlog(Protocol):
    """What waits for a slow socket."""

    has_overflowed: bool
    """Whether more came than is kept: all was let go, and the client has to be told again from where it is."""

    def put(self, frame: Frame) -> None: ...

    def pop(self) -> Frame | None:
        """Return the next frame to send, or None."""
        ...


class LatestWins:
    """Keeps the newest frame of each entity, and the newest log lines, in the order of their numbers; bounded."""

    def __init__(self, say_dropped: Callable[[int, int], str]) -> None:
        self.has_overflowed = False
        self._say_dropped = say_dropped
        self._frames: dict[object, Frame] = {}
        self._size = 0
        # Their numbers, oldest first; a dictionary because an empty one is a tenth of an empty deque.
        self._lines: dict[int, None] = {}
        self._dropped = 0

    def put(self, frame: Frame) -> None:
        if self.has_overflowed:
            return
        key: object = frame.key or frame.seq
        # Re-inserted at the end: a client that has seen number n has seen everything before it.
        old = self._frames.pop(key, None)
        self._frames[key] = frame
        self._size += len(frame.text) - (len(old.text) if old else 0)
        if frame.key is None:
            self._bound_lines(frame)
        if self._size > HELD_CHARACTERS:
            self._frames.clear()
            self._lines.clear()
            self._size = self._dropped = 0
            self.has_overflowed = True

    def _bound_lines(self, line: Frame) -> None:
        self._lines[line.seq] = None
        if len(self._lines) > LINES_HELD:
            oldest = next(iter(self._lines))
            del self._lines[oldest]
            self._size -= len(self._frames.pop(oldest).text)
            self._dropped += 1

    def pop(self) -> Frame | None:
        if not self._frames:
            return None
        first = next(iter(self._frames))
        if self._dropped:
            count, self._dropped = self._dropped, 0
            seq = self._frames[first].seq - 1
            return Frame(seq, None, self._say_dropped(seq, count))
        frame = self._frames.pop(first)
        self._lines.pop(frame.seq, None)
        self._size -= len(frame.text)
        return frame


class FewPages:
    """Keeps a few frames of page content; who needs more reads the page again."""

    def __init__(self) -> None:
        self.has_overflowed = False
        self._frames: deque[Frame] = deque()

    def put(self, frame: Frame) -> None:
        self._frames.append(frame)
        if self.has_overflowed or len(self._frames) > PAGES_HELD:
            self._frames.clear()
            self.has_overflowed = True

    def pop(self) -> Frame | None:
        return self._frames.popleft() if self._frames else None

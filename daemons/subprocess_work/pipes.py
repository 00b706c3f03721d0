"""The manager's ends of a worker's stdout and stderr: always drained, never more than their bounds."""

import asyncio
from collections import deque

from daemons.worker_process import LINE_LIMIT

_WAITING_BYTES = 1024 * 1024
_KEPT_LINES = 40
_KEPT_CHARACTERS = 500


class ResultLines(asyncio.Protocol):
    """Cuts stdout into lines; stops reading while too many of them wait, so a fast worker waits for a slow reader."""

    def __init__(self, changed: asyncio.Event) -> None:
        self._changed = changed
        self._lines: deque[bytes] = deque()
        self._waiting_bytes = 0
        self._rest = bytearray()
        self._transport: asyncio.ReadTransport | None = None
        self._is_paused = False
        self.is_too_long = False
        self.has_ended = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.ReadTransport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        if self.is_too_long:
            return
        self._rest += data
        *lines, rest = self._rest.split(b"\n")
        self.is_too_long = max(map(len, (*lines, rest))) > LINE_LIMIT
        self._rest = bytearray() if self.is_too_long else rest
        self._lines.extend(map(bytes, lines))
        self._waiting_bytes += len(data)
        self._pause_or_resume()
        self._changed.set()

    def take(self) -> bytes | None:
        """Return the oldest line that nobody took yet, or None."""
        if not self._lines:
            return None
        line = self._lines.popleft()
        self._waiting_bytes -= len(line) + 1
        self._pause_or_resume()
        return line

    def connection_lost(self, exc: Exception | None) -> None:
        self.has_ended = True
        self._changed.set()

    def _pause_or_resume(self) -> None:
        wanted = self._waiting_bytes > _WAITING_BYTES
        if self._transport is None or wanted == self._is_paused or self.has_ended:
            return
        self._is_paused = wanted
        if wanted:
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()


class LastLines(asyncio.Protocol):
    """Keeps the last lines of stderr and forgets the rest."""

    def __init__(self) -> None:
        self._lines: deque[str] = deque(maxlen=_KEPT_LINES)
        self._rest = b""
        self.changed = asyncio.Event()
        self.ended = asyncio.Event()

    def data_received(self, data: bytes) -> None:
        *lines, rest = (self._rest + data).split(b"\n")
        self._rest = rest[:_KEPT_CHARACTERS]
        self._lines.extend(_shown(line) for line in lines[-_KEPT_LINES:])
        self.changed.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self.ended.set()

    @property
    def lines(self) -> list[str]:
        """The last lines, each cut to a bound."""
        return [*self._lines, *([_shown(self._rest)] if self._rest else [])]


def _shown(line: bytes) -> str:
    return line[:_KEPT_CHARACTERS].decode("utf-8", "replace").rstrip()

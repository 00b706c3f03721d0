"""Signals that end the process, obeyed also while the event loop is blocked.

SIGTERM, SIGINT, SIGHUP ─▶ wakeup descriptor ─▶ thread ─▶ `requested` on the event loop
                                                  └─▶ 9.5 s later, or at the second signal: the end
"""

import asyncio
import os
import select
import signal
import threading
from types import TracebackType
from typing import Self

from daemons.clock import Clock

STOP_SECONDS = 9.5
"""From the first signal to the end of the process, whatever daemons and sockets do."""
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class StopSignals:
    """Catches the signals from enter to exit. Enter it in the main thread, before the event loop runs."""

    def __init__(self, clock: Clock, *, seconds: float = STOP_SECONDS, code: int = 0) -> None:
        """`seconds` after the first signal, or at the second, the process ends with `code`."""
        self._clock = clock
        self._seconds = seconds
        self._code = code
        self._lock = threading.Lock()
        self._is_requested = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._event: asyncio.Event | None = None

    def __enter__(self) -> Self:
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._writer, False)
        # The C handler writes the signal's number here even while Python code cannot run in the main thread;
        # a signal arrives there only if it has a Python handler, so each gets one that does nothing.
        self._earlier_wakeup = signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)
        # Who started us under nohup wants hang-ups ignored.
        caught = [number for number in SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
        self._earlier = {number: signal.signal(number, lambda *_: None) for number in caught}
        self._thread = threading.Thread(target=self._watch, name="daemondeck-signals", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            if self._is_requested:
                # Threads that do not end could still hold the interpreter's exit: the timer stays armed.
                return
        for number, handler in self._earlier.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._earlier_wakeup)
        os.close(self._writer)
        self._thread.join()
        os.close(self._reader)

    def requested(self) -> asyncio.Event:
        """Return the event that is set at the first signal. Call it on the running loop."""
        with self._lock:
            self._loop = asyncio.get_running_loop()
            self._event = asyncio.Event()
            if self._is_requested:
                self._event.set()
            return self._event

    # In the thread.

    def _watch(self) -> None:
        if not self._next_signal(None):
            return
        with self._lock:
            self._is_requested = True
            if self._loop is not None and self._event is not None and not self._loop.is_closed():
                self._loop.call_soon_threadsafe(self._event.set)
        self._next_signal(self._seconds)
        # asyncio.run never returns while a task swallows its cancellation. Everything durable is durable by now.
        os._exit(self._code)

    def _next_signal(self, seconds: float | None) -> bool:
        """Return True at the next of our signals, False after `seconds` or at the end of the pipe."""
        deadline = None if seconds is None else self._clock.monotonic() + seconds
        while True:
            left = None if deadline is None else max(0.0, deadline - self._clock.monotonic())
            readable, _, _ = select.select([self._reader], [], [], left)
            if not readable:
                return False
            number = os.read(self._reader, 1)
            if not number:
                return False
            if number[0] in self._earlier:
                return True

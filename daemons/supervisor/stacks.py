"""Where a task or a thread stands: the frames a person needs to find the line that waits."""

import asyncio
import linecache
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from types import CodeType, FrameType
from typing import Any

from daemons.values import JsonValue

FRAMES_SHOWN = 60
SLEEP: CodeType = asyncio.sleep.__code__
_TASKS_FOLLOWED = 20


@dataclass(frozen=True, slots=True)
class Frame:
    """One call that has not returned."""

    file: str
    line: int
    function: str
    code: str

    def as_dict(self) -> dict[str, JsonValue]:
        return {"file": self.file, "line": self.line, "function": self.function, "code": self.code}

    def __str__(self) -> str:
        return f"{self.file}:{self.line} in {self.function}: {self.code}"


@dataclass(frozen=True, slots=True)
class StackReport:
    """Where a daemon stood at one moment, outermost call first; not running: nowhere."""

    at: datetime
    running: bool
    frames: tuple[Frame, ...]

    def as_dict(self) -> dict[str, JsonValue]:
        """Return the stack of the HTTP API, the time still a datetime."""
        return {"at": self.at, "running": self.running, "frames": [frame.as_dict() for frame in self.frames]}


def stack_of_task(task: "asyncio.Task[Any]") -> tuple[Frame, ...]:
    """Return the calls of a waiting task and of the tasks it waits for, outermost first."""
    return tuple(_frame(frame.f_code, line) for frame, line in _waiting_calls(task))[-FRAMES_SHOWN:]


def codes_of_task(task: "asyncio.Task[Any]") -> list[CodeType]:
    """Return the code of each call of a waiting task, outermost first; cheaper than its stack."""
    return [frame.f_code for frame, _ in _waiting_calls(task)]


def stack_of_thread(thread_id: int) -> tuple[Frame, ...]:
    """Return the calls of a thread at this moment, outermost first, without the event loop's own."""
    frame = sys._current_frames().get(thread_id)
    found: list[tuple[FrameType, int]] = []
    while frame is not None:
        # A thread that is caught between two lines stands in none, whatever the type says.
        found.append((frame, frame.f_lineno or frame.f_code.co_firstlineno))
        frame = frame.f_back
    shown = [(frame, line) for frame, line in reversed(found) if not _is_of_loop(frame.f_code)]
    return tuple(_frame(frame.f_code, line) for frame, line in shown)[-FRAMES_SHOWN:]


def _waiting_calls(task: "asyncio.Task[Any]") -> Iterator[tuple[FrameType, int]]:
    """Walk the chain of awaits; a task that waits for another task goes on in that one."""
    for _ in range(_TASKS_FOLLOWED):
        awaited: Any = task.get_coro()
        while awaited is not None:
            frame = _attribute(awaited, "frame")
            if frame is not None:
                yield frame, frame.f_lineno
            awaited = _attribute(awaited, "await") or getattr(awaited, "gi_yieldfrom", None)
        # What a task waits for is not public; where it is hidden, the stack ends here.
        inner = getattr(task, "_fut_waiter", None)
        if not isinstance(inner, asyncio.Task):
            return
        task = inner


def _attribute(awaited: Any, what: str) -> Any:
    for kind in ("cr", "ag", "gi"):
        value = getattr(awaited, f"{kind}_{what}", None)
        if value is not None:
            return value
    return None


def _is_of_loop(code: CodeType) -> bool:
    directory, _, file = code.co_filename.rpartition("/")
    return directory.endswith("asyncio") and file in ("runners.py", "base_events.py", "events.py", "unix_events.py")


def _frame(code: CodeType, line: int) -> Frame:
    return Frame(code.co_filename, line, code.co_qualname, linecache.getline(code.co_filename, line).strip()[:200])

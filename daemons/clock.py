"""The only place that reads a clock, so that tests can own time."""

import asyncio
import os
import time
from collections.abc import Awaitable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_ZONES = "/zoneinfo/"


class Clock(Protocol):
    """Wall time, monotonic time and waiting, as one injectable thing."""

    def now(self) -> datetime:
        """Return the wall-clock time, aware, in UTC."""
        ...

    def monotonic(self) -> float:
        """Return seconds that never go back and ignore changes of the wall clock."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Return after `seconds`; zero only lets others run."""
        ...

    async def breathe(self, seconds: float) -> None:
        """Give others about `seconds` before going on. Nothing depends on it, so a test's clock only yields."""
        ...

    async def wait(self, event: asyncio.Event, timeout: float | None) -> bool:
        """Return True once `event` is set, False after `timeout` seconds."""
        ...

    async def settle(self, tasks: Iterable["asyncio.Future[Any]"], timeout: float) -> set["asyncio.Future[Any]"]:
        """Return those of `tasks` that are still pending after at most `timeout` seconds. Cancels nothing."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def breathe(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def wait(self, event: asyncio.Event, timeout: float | None) -> bool:
        if event.is_set():
            return True
        return await _first(event.wait(), timeout)

    async def settle(self, tasks: Iterable["asyncio.Future[Any]"], timeout: float) -> set["asyncio.Future[Any]"]:
        waiting = set(tasks)
        if not waiting:
            return set()
        _, pending = await asyncio.wait(waiting, timeout=timeout)
        return pending


async def _first(waiting: Awaitable[Any], timeout: float | None) -> bool:
    # asyncio.wait returns on time even when the awaited thing swallows cancellation; wait_for does not.
    task = asyncio.ensure_future(waiting)
    try:
        done, _ = await asyncio.wait({task}, timeout=timeout)
        return bool(done)
    finally:
        task.cancel()


def local_zone() -> str:
    """Return the name of this machine's zone, UTC if it has none."""
    linked = os.path.realpath("/etc/localtime")
    for name in (os.environ.get("TZ", "").removeprefix(":"), linked.partition(_ZONES)[2], _written_zone()):
        try:
            if name:
                return ZoneInfo(name).key
        except (ZoneInfoNotFoundError, ValueError, OSError):
            continue
    return "UTC"


def _written_zone() -> str:
    try:
        return Path("/etc/timezone").read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return ""

"""Looks on while records climb, wherever they do, until nothing is left to do or the time is over."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from daemons.cli.climbing_lines import ClimbingLines
from daemons.cli.exits import CommandError, Exit
from daemons.cli.switching import has_failed
from daemons.clock import Clock

LOOK_SECONDS = 0.25
DEAD_LOOKS = 20
"""Looks after which a daemon that does not run will not."""
LADDERS = {"stills": ("stills",), "footage": ("footage", "frames")}
NOTHING_ADDED = "No records: nothing is dropped"
"""Begins what the daemon says that has no folder to look into, and no records."""
NOT_CONFIGURED = "ERR_NOT_CONFIGURED"

Item = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Plan:
    """What was asked for."""

    type: str
    chosen: Mapping[str, Any]  #: options of the daemon that were given
    duration: float
    interval: float
    debug: bool

    @property
    def ladders(self) -> tuple[str, ...]:
        return LADDERS[self.type]

    def is_daemon(self, daemon: Mapping[str, Any]) -> bool:
        """Whether it is one of several daemons of the type, and has the folder that was named."""
        drop = self.chosen.get("drop_folder")
        return daemon["type"] == self.type and drop is not None and daemon["configuration"].get("drop_folder") == drop


class Side(Protocol):
    """Who has the records climb: a deck that runs, or this process."""

    async def daemon(self) -> Item:
        """Return the daemon as the API shows it."""
        ...

    async def news(self, ladder: str, after: int | None) -> Item:
        """Return what is new on a ladder as the API shows it."""
        ...


class Follower:
    """Follows one run. Make it before the daemon is started: what was tried before is not told."""

    def __init__(self, side: Side, plan: Plan, clock: Clock, lines: ClimbingLines) -> None:
        self._side = side
        self._plan = plan
        self._clock = clock
        self._lines = lines
        self._last: dict[str, int] = {}
        self._quiet_looks = self._dead_looks = 0

    async def prepare(self) -> None:
        """Note where the tries are that are told of from now on."""
        news = [await self._side.news(ladder, None) for ladder in self._plan.ladders]
        self._last = {found["ladder"]: found["last"] for found in news}
        self._lines.begin_after(news)

    async def follow(self, stop: asyncio.Event) -> str:
        """Return how it ended: "settled", "over", "stopped" or "failed"."""
        ends_at = self._clock.monotonic() + self._plan.duration
        while True:
            daemon = await self._side.daemon()
            if daemon["state"] == "running":
                news = await self._look()
                self._lines.hear(news, daemon)
                if self._is_settled(news, daemon):
                    self._lines.end_cycle()
                    return "settled"
            elif self._is_down(daemon):
                return "failed"
            left = ends_at - self._clock.monotonic()
            if left <= 0:
                self._lines.end_cycle()
                return "over"
            if await self._clock.wait(stop, min(LOOK_SECONDS, left)):
                return "stopped"

    async def look_again(self) -> None:
        """Tell what came of the steps that were in hand at the end."""
        self._lines.hear(await self._look(), await self._side.daemon())
        self._lines.end_cycle()

    async def _look(self) -> list[Item]:
        news = []
        for ladder in self._plan.ladders:
            found = await self._side.news(ladder, self._last[ladder])
            self._last[ladder] = found["last"]
            news.append(found)
        for error in (one["error"] for found in news for one in found["tries"]):
            while error is not None:
                if error["code"] == NOT_CONFIGURED:
                    raise CommandError(Exit.SETTINGS, error["message"], remedy=error.get("remedy"), code=NOT_CONFIGURED)
                error = error.get("cause")
        return news

    def _is_down(self, daemon: Item) -> bool:
        """Whether it has failed for good or was stopped by somebody; how it was before the start is told first."""
        is_down = daemon["state"] == "stopped" or (has_failed(daemon) and daemon["state"] != "backoff")
        self._dead_looks = self._dead_looks + 1 if is_down else 0
        return self._dead_looks >= DEAD_LOOKS

    def _is_settled(self, news: list[Item], daemon: Item) -> bool:
        # Twice: what the first look saw end may set something else going, such as writing it to another system.
        is_quiet = all(found["is_settled"] and not found["tries"] for found in news)
        has_records = any(found["total"] for found in news)
        self._quiet_looks = self._quiet_looks + 1 if is_quiet and (has_records or daemon["next_wake_at"]) else 0
        if self._quiet_looks < 2:
            return False
        if not has_records and str(daemon["current_status"] or "").startswith(NOTHING_ADDED):
            raise CommandError(
                Exit.SETTINGS,
                f"Nothing can climb: {self._plan.type} has no drop folder, and there are no records.",
                remedy="Name a folder with --drop DIR, or add records with `daemondeck records add`.",
                code=NOT_CONFIGURED,
            )
        return True

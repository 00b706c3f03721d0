"""Looks after a drop folder: all of it now and then, and at once what the watch has heard of."""

import asyncio
import math
import os
from collections.abc import Awaitable, Callable
from typing import Any

from daemons.errors import DaemonError
from daemons.folders.paths import wire_path
from daemons.folders.scan import DirectoryError
from daemons.folders.watch import FolderWatch, Place
from daemons.text import clean
from daemons.workflows.polling.intake import Intake
from daemons.workflows.polling.keeper import RecordKeeper
from daemons.workflows.polling.ladder import Ladder

DROP_FOLDER = "drop folder"
SHARE = 20
"""Of the time, looking through all of the folder may take a twentieth."""


class DropFolder:
    """Has the files of a folder become records of a ladder, for as long as somebody runs `look_after`."""

    def __init__(
        self,
        keeper: RecordKeeper,
        ladder: Ladder,
        endings: frozenset[bytes],
        report: Callable[[str, DaemonError], Awaitable[None]],
    ) -> None:
        """`report` is told of what cannot be read, by its place; `endings` are those of the files to take."""
        self.fault: DirectoryError | None = None
        """Why the folder cannot be looked through now."""
        self._keeper = keeper
        self._clock = keeper.clock
        self._ladder = ladder
        self._endings = endings
        self._report = report
        self._looked_through: bytes | None = None
        self._due = -math.inf

    async def look_after(self, options: Callable[[], Any]) -> None:
        """Never return. `options` gives what is set now: the folder may be another, or none, from look to look."""
        heard = asyncio.Event()
        async with FolderWatch(self._clock, heard.set) as watch:
            while True:
                heard.clear()  # before looking: what comes meanwhile is another look's
                await self._clock.wait(heard, await self._look(watch, options()))

    async def _look(self, watch: FolderWatch, options: Any) -> float:
        """Return after how many seconds to look again even if nothing is heard."""
        interval = float(options.interval)
        if options.drop_folder is None:
            self.expect(False)
            await self._forget(watch, None)
            return interval
        place, began = os.fsencode(options.drop_folder), self._clock.monotonic()
        await watch.follow(Place(place, recursive=True))
        self.expect(True)
        is_whole = place != self._looked_through or began >= self._due
        intake = Intake(self._keeper, self._ladder, place, self._endings, self._clock)
        try:
            await intake.look(None if is_whole else watch.take())
        except DirectoryError as error:
            known = self.fault
            # Whatever comes back in its place has to be looked through and watched anew.
            await self._forget(watch, error)
            if known is None or known.message != error.message:
                await self._report(clean(str(options.drop_folder), 200), error)
            return interval
        self.fault = None
        if is_whole:
            self._looked_through = place
            self._due = began + max(interval, SHARE * (self._clock.monotonic() - began))
        watch.add(intake.young)
        self.expect(bool(intake.young))
        for skipped in intake.skipped:
            await self._report(clean(wire_path(skipped.path), 200), skipped.error)
        return min(intake.seconds_until_settled(), max(0.1, self._due - self._clock.monotonic()))

    async def _forget(self, watch: FolderWatch, fault: DirectoryError | None) -> None:
        self.fault, self._looked_through = fault, None
        await watch.follow(None)

    def expect(self, more: bool) -> None:
        """Note whether more records may come out of the folder in a moment."""
        place = (self._ladder.name, DROP_FOLDER)
        (self._keeper.expected.add if more else self._keeper.expected.discard)(place)

"""Makes records of what lies in a drop folder: by looking through it now and then, and when something changes."""

import math
from collections.abc import Iterable

from daemons.clock import Clock
from daemons.folders.paths import joined, wire_path
from daemons.folders.scan import FolderScan, Found, Skipped
from daemons.text import clean
from daemons.workflows.polling.keeper import NewRecord, RecordKeeper
from daemons.workflows.polling.ladder import Ladder

SETTLED_SECONDS = 2.0
"""A file that changed less than this ago may still be written to: it is looked at again after as long."""
BY = "drop folder"


class Intake:
    """One drop folder of one ladder."""

    def __init__(
        self, keeper: RecordKeeper, ladder: Ladder, folder: bytes, endings: frozenset[bytes], clock: Clock
    ) -> None:
        self._keeper = keeper
        self._ladder = ladder
        self._folder = folder
        self._endings = endings
        self._clock = clock
        self.young: set[bytes] = set()
        """Of the last look: files that may still be written to."""
        self.skipped: list[Skipped] = []
        """Of the last look: what could not be looked at."""

    async def look(self, within: Iterable[bytes] | None = None) -> int:
        """Return how many records were made of what is new, or only of what is `within`. Raises DirectoryError."""
        made = 0
        self.young = set()
        scan = FolderScan(self._folder, endings=self._endings)
        async for found in scan.batches(within=within):
            settled = [one for one in found if not self._is_young(one)]
            self.young.update({one.path for one in found} - {one.path for one in settled})
            made += await self._take(settled)
        self.skipped = scan.skipped
        return made

    async def _take(self, found: list[Found]) -> int:
        sources = {wire_path(joined(self._folder, one.path)): one for one in found}
        unknown = await self._keeper.unknown(self._ladder.name, list(sources))
        status = self._ladder.statuses[0]
        new = [
            NewRecord(self._ladder.name, status, source, clean(source.rpartition("/")[2], 255)) for source in unknown
        ]
        await self._keeper.add(new, by=BY)
        return len(new)

    def _is_young(self, found: Found) -> bool:
        # A time in the future is some other machine's clock, and says nothing.
        age = self._clock.now().timestamp() - found.mtime_ns / 1e9
        return 0 <= age < SETTLED_SECONDS

    def seconds_until_settled(self) -> float:
        """Return after how many seconds young files are to be looked at again, infinity where there are none."""
        return SETTLED_SECONDS if self.young else math.inf

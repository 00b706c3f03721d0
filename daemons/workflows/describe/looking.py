"""Looks through a folder and says what is to be described: what is new, what changed, what came back."""

import asyncio
import os
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from functools import partial

from daemons.clock import Clock
from daemons.folders.paths import joined
from daemons.folders.scan import FolderScan, Found, Skipped
from daemons.folders.wanted import ALL, Wanted
from daemons.workflows.describe.keeper import DescriptionKeeper, FileStamp, Way

SETTLED_SECONDS = 2.0
"""A file that changed less than this ago may still be written to: it is looked at again after as long."""


@dataclass(slots=True)
class Look:
    """What one look came to."""

    pending: deque[FileStamp] = field(default_factory=deque)
    found: int = 0
    new: int = 0
    """How many of them nothing was known of."""
    young: set[bytes] = field(default_factory=set)
    """Files that may still be written to."""
    skipped: list[Skipped] = field(default_factory=list)
    gone: int = 0


class FolderLooker:
    """Looks through one folder again and again, and remembers nothing but how many files it cannot account for."""

    def __init__(self, keeper: DescriptionKeeper, way: Way, *, recursive: bool, wanted: Wanted = ALL) -> None:
        self.way = way
        self._keeper = keeper
        self.records = keeper.folder(way)
        self._recursive = recursive
        self._wanted = wanted
        self._unseen = 0

    async def look(self, tell: Callable[[int], Awaitable[None]], within: Iterable[bytes] | None = None) -> Look:
        """Look through the folder, or only at what is `within` these paths. Raises DirectoryError.

        `tell` is awaited with the number of images found so far.
        """
        look, known = Look(), 0
        scan = FolderScan(self.way.folder, recursive=self._recursive, wanted=self._wanted)
        async for found in scan.batches(within=within):
            look.young.update(one.path for one in found if self._is_young(one))
            compared = await self.records.compare([FileStamp(one.path, one.size, one.mtime_ns) for one in found])
            look.pending.extend(stamp for stamp in compared.pending if stamp.path not in look.young)
            known += compared.known
            if compared.returned:
                await self._keeper.mark_gone(compared.returned, gone=False)
            await tell(scan.found)
        look.found, look.new, look.skipped = scan.found, scan.found - known, scan.skipped
        if within is None:
            look.gone = await self._mark_what_is_gone(known)
        return look

    def _is_young(self, found: Found) -> bool:
        # A time in the future is some other machine's clock, and says nothing.
        age = self._clock.now().timestamp() - found.mtime_ns / 1e9
        return 0 <= age < SETTLED_SECONDS

    async def _mark_what_is_gone(self, known: int) -> int:
        """Mark descriptions of files that are not there any more; return how many were new among them."""
        present = (await self.records.counts()).present
        # Files that are there and were not come by (excluded by now, or in a folder that cannot be read) are
        # counted once: without a change there is nothing to look for.
        if present - known == self._unseen:
            return 0
        gone = 0
        async for page in self.records.present():
            missing = await asyncio.to_thread(partial(_missing, self.way.folder, page))
            if missing:
                await self._keeper.mark_gone(missing, gone=True)
            gone += len(missing)
        self._unseen = present - known - gone
        return gone

    @property
    def _clock(self) -> Clock:
        return self._keeper.clock


def _missing(folder: bytes, page: Iterable[tuple[str, bytes]]) -> list[str]:
    return [description_id for description_id, path in page if not os.path.lexists(joined(folder, path))]

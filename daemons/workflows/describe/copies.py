"""Finds among the files of a batch those whose content is described already, wherever it was when it was.

Only files of a size that is known are read for it; most photographs have a size of their own.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import Row

from daemons.workflows.describe.batch import Batch, Outcome, Workers
from daemons.workflows.describe.keeper import FileStamp, FolderRecords, Way
from daemons.workflows.describe.settling import Settling

_ASKED_AT_ONCE = 500


class Sorted(NamedTuple):
    """Files to describe now, and files with the same content as one of them."""

    fresh: list[FileStamp]
    twins: list[FileStamp]


class Copies:
    """Takes over descriptions for moved, copied and merely touched files."""

    def __init__(self, workers: Workers, way: Way, records: FolderRecords, settling: Settling) -> None:
        self._workers = workers
        self._way = way
        self._records = records
        self._settling = settling

    async def take_over(self, stamps: Sequence[FileStamp]) -> Sorted:
        """Settle those of `stamps` whose content is described, and sort the rest."""
        contents = await self._contents(await self._suspects(stamps))
        originals = await self._originals(sorted(set(contents.values())))
        found = Sorted([], [])
        fresh: set[str] = set()
        for stamp in stamps:
            content = contents.get(stamp)
            if content in originals:
                await self._settle(stamp, originals[content])
            elif content in fresh:
                found.twins.append(stamp)
            else:
                found.fresh.append(stamp)
                fresh |= {content} if content else set()
        return found

    async def _settle(self, stamp: FileStamp, original: Row[Any]) -> None:
        if original.digest == self._way.digest(stamp.path):
            await self._settling.keep(stamp)
        else:
            await self._settling.copy(stamp, original)

    async def _suspects(self, stamps: Sequence[FileStamp]) -> list[FileStamp]:
        counts = Counter(stamp.size for stamp in stamps)
        known = {size for size, count in counts.items() if count > 1}
        sizes = sorted(counts)
        for at in range(0, len(sizes), _ASKED_AT_ONCE):
            known |= await self._records.sizes_known(sizes[at : at + _ASKED_AT_ONCE])
        return [stamp for stamp in stamps if stamp.size in known]

    async def _contents(self, stamps: Sequence[FileStamp]) -> dict[FileStamp, str]:
        """Return the SHA-256 sums of these files; one that cannot be read is left to the describer to name."""
        by_path = {self._settling.path_of(stamp): stamp for stamp in stamps}
        contents: dict[FileStamp, str] = {}

        async def accept(outcome: Outcome) -> None:
            if outcome.sha256 is not None:
                contents[by_path[outcome.path]] = outcome.sha256

        await Batch(self._workers, list(by_path), describer="hash").run(accept)
        return contents

    async def _originals(self, contents: Sequence[str]) -> dict[str | None, Row[Any]]:
        found: dict[str | None, Row[Any]] = {}
        for at in range(0, len(contents), _ASKED_AT_ONCE):
            found.update(await self._records.same_content(contents[at : at + _ASKED_AT_ONCE]))
        return found

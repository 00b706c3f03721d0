"""The single things that daemons work on, as their workflows' keepers know them."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from daemons.errors import DaemonError
from daemons.failure_marks import FailureMarks
from daemons.items import ItemStatistics
from daemons.options import ConfiguredOptions, DaemonOptions
from daemons.readings import Readings
from daemons.registry import Registry
from daemons.values import DaemonRow
from daemons.workflow import Items, Keepers

TOTAL = "found"
"""The figure by which a daemon tells how many things there are in all."""
HOUR = timedelta(hours=1)
_EVER = datetime(1970, 1, 1, tzinfo=UTC)


class ItemWork:
    """Finds the keeper of a daemon's things, and asks it with the options that hold for the daemon."""

    def __init__(
        self,
        registry: Registry,
        settings: ConfiguredOptions,
        keepers: Keepers,
        readings: Readings,
        marks: FailureMarks,
    ) -> None:
        self._registry = registry
        self._settings = settings
        self._keepers = keepers
        self._readings = readings
        self._marks = marks

    def keeper_of(self, row: DaemonRow) -> tuple[Items, DaemonOptions] | None:
        """Return who knows the things of a daemon, and its options; None where nobody does."""
        keeper = self._keepers.items_of(row.type)
        if keeper is None:
            return None
        try:
            return keeper, self._registry.effective(row, self._settings)[0]
        except DaemonError:
            # With options that are not valid it works on nothing.
            return None

    async def statistics(self, row: DaemonRow, since: datetime, step: timedelta = HOUR) -> ItemStatistics | None:
        """Return what became of the things of a daemon since then, None where nobody knows any."""
        known = self.keeper_of(row)
        found = await known[0].item_statistics(known[1], since, step) if known else None
        if found is None:
            return None
        counted = await self._readings.metrics(row.id, since=_EVER, name=TOTAL, limit=1)
        return replace(found, total=int(counted[-1].last)) if counted else found

    async def failures(self, row: DaemonRow, since: datetime) -> tuple[int, int] | None:
        """Return how many things of a daemon failed since then and how many were settled; None where nobody knows.

        What was skipped or muted counts as settled only.
        """
        known = self.keeper_of(row)
        if known is None:
            return None
        marks = await self._marks.of(row.id)
        excused = {code: until for code, mark in marks.items() if (until := self._marks.excuses_until(mark))}
        return await known[0].item_failures(known[1], since, excused)

"""The only writer of records, and how they are read back."""

import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from pydantic import BaseModel

from daemons.database.transaction import Transaction
from daemons.errors import UnknownName
from daemons.events import Event
from daemons.values import Page
from daemons.workflow import KeeperTools
from daemons.workflows.polling.keeper import importing, lists, moving, remotes
from daemons.workflows.polling.keeper.adding import add
from daemons.workflows.polling.keeper.awaiting import Awaiting
from daemons.workflows.polling.keeper.brought import Brought, brought_of
from daemons.workflows.polling.keeper.claiming import claim, due_of, has_open, next_due, take_back
from daemons.workflows.polling.keeper.families import wake
from daemons.workflows.polling.keeper.figures import StepFigures, figures
from daemons.workflows.polling.keeper.importing import ADDED_AT_ONCE, Imported
from daemons.workflows.polling.keeper.likeness import Like, NothingToCompare, SimilarRecords, nothing_to_compare
from daemons.workflows.polling.keeper.lists import LIMIT_MOST, STATES, Column, RecordFilter
from daemons.workflows.polling.keeper.moving import LOCK_SECONDS, NotThere, RecordLocked, StatusNotOnLadder
from daemons.workflows.polling.keeper.neighbours import neighbours
from daemons.workflows.polling.keeper.news import News, last_try, standing, tries_after
from daemons.workflows.polling.keeper.row_files import OWN_COLUMNS, Kind, Refused, Row, kind_of, read_rows
from daemons.workflows.polling.keeper.rows import TOPIC, StaleRecord, UnknownRecord, record_told
from daemons.workflows.polling.keeper.settling import Settled, release, settle
from daemons.workflows.polling.keeper.small_copies import NoSmallCopy, SmallCopies
from daemons.workflows.polling.keeper.waiting import Stuck, Waiting, waiting
from daemons.workflows.polling.ladder import Ladder
from daemons.workflows.polling.ladders import LADDERS
from daemons.workflows.polling.records import NewRecord, Reason, Record, Try
from daemons.workflows.polling.suggestions import OWN_FIELDS, Origin, Suggestion, empty_fields, suggestions_of

__all__ = [
    "LIMIT_MOST",
    "LOCK_SECONDS",
    "OWN_COLUMNS",
    "STATES",
    "TOPIC",
    "Brought",
    "Column",
    "Imported",
    "Kind",
    "Ladder",
    "Like",
    "NewRecord",
    "News",
    "NoSmallCopy",
    "NotThere",
    "NothingToCompare",
    "Origin",
    "Reason",
    "Record",
    "RecordFilter",
    "RecordKeeper",
    "RecordLocked",
    "Refused",
    "Row",
    "Settled",
    "StaleRecord",
    "StatusNotOnLadder",
    "StepFigures",
    "Stuck",
    "Suggestion",
    "Try",
    "UnknownRecord",
    "Waiting",
    "brought_of",
    "kind_of",
    "nothing_to_compare",
    "read_rows",
]


class RecordKeeper:
    """Reads records, and writes them for people and other systems; for steps, a job does by `claim` and `settle`."""

    def __init__(self, tools: KeeperTools, ladders: Mapping[str, Ladder] = LADDERS) -> None:
        self._database = tools.database
        self._bus = tools.bus
        self.clock = tools.clock
        self.workers = tools.workers
        self.folder: Path = tools.data_dir / "records"
        """For files of records that are kept nowhere else, such as frames of a clip."""
        self.ladders = dict(ladders)
        self.similar = SimilarRecords(tools.database, tools.clock, self.ladders)
        self.pictures = SmallCopies(self.folder / "thumbnails")
        self.awaiting = Awaiting(self.ladders)
        """How many records wait for a person, while the keeper is open: `len(keeper.awaiting)`."""
        self.expected: set[tuple[str, str]] = set()
        """Where more records may come from in a moment, by ladder, noted by the daemon that looks there."""
        self._open = ExitStack()

    async def __aenter__(self) -> Self:
        self._open.enter_context(self._bus.listen(self.awaiting.hear))
        await self.awaiting.read(self._database)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()

    def ladder(self, name: str) -> Ladder:
        """Return a ladder. Raises UnknownName."""
        if name not in self.ladders:
            raise UnknownName(f"There is no ladder {name}. There are: {', '.join(sorted(self.ladders))}.")
        return self.ladders[name]

    @contextmanager
    def hearing(self, wake: Callable[[], None], ladders: Collection[str]) -> Iterator[None]:
        """Call `wake` whenever a record of these ladders was written to."""

        def hear(event: Event) -> None:
            if (record := record_told(event)) is not None and record.ladder in ladders:
                wake()

        with self._bus.listen(hear):
            yield

    # For people and other systems.

    async def add(self, new: Sequence[NewRecord], *, by: str) -> Sequence[Record]:
        """Return the record of each source, a new one or the one that is there. Raises Invalid, UnknownName."""
        for one in new:
            self.ladder(one.ladder)
        made = []
        for at in range(0, len(new), ADDED_AT_ONCE):
            unit = partial(add, ladders=self.ladders, new=new[at : at + ADDED_AT_ONCE], by=by)
            made += await self._database.write(unit)
        return made

    async def bring_in(self, brought: Sequence[Brought], *, by: str, dry_run: bool = False) -> Imported:
        """Add what a file brings and is not known yet; each was made by `brought_of`."""
        return await importing.bring_in(self._database, self.ladders, brought, by=by, dry_run=dry_run)

    async def edit(self, record_id: str, fields: Mapping[str, Any], *, who: str, revision: int | None = None) -> Record:
        """Store what a person wrote, see `moving.edit`."""
        unit = partial(
            moving.edit, ladders=self.ladders, record_id=record_id, fields=fields, who=who, revision=revision
        )
        return await self._database.write(unit)

    async def move(
        self, record_id: str, status: str, *, who: str, note: str | None = None, revision: int | None = None
    ) -> Record:
        """Put a record at a status, see `moving.move`."""
        unit = partial(
            moving.move, ladders=self.ladders, record_id=record_id, status=status, who=who, note=note, revision=revision
        )
        return await self._database.write(unit)

    async def force_resume(self, record_id: str, *, who: str) -> Record:
        """Have a record that waits for a person go on as it is. Raises as `move`, and Conflict where none waits."""
        record = await self.get(record_id)
        ladder = self.ladder(record.ladder)
        if ladder.forced is None or record.status != ladder.awaiting:
            raise NotThere(f"{record.code} does not wait for anybody: it is at {record.status}.")
        return await self.move(record.id, ladder.forced, who=who, revision=record.revision)

    async def skip(self, record_id: str, *, who: str) -> Record:
        """Move a record on as if its step had been done. Raises as `move`, and Conflict where no step is left."""
        record = await self.get(record_id)
        step = self.ladder(record.ladder).next_step(record)
        if step is None or step.to == record.status:
            raise NotThere(f"{record.code} has no step that could be left out.")
        note = f"{step.name} was left out."
        return await self.move(record.id, step.to, who=who, note=note, revision=record.revision)

    async def retry(self, record_id: str, *, who: str) -> Record:
        """Have the step be tried now, see `moving.retry`."""
        return await self._database.write(partial(moving.retry, ladders=self.ladders, record_id=record_id, who=who))

    async def lock(self, record_id: str, *, who: str) -> Record:
        """Make a record's form that person's for a while, see `moving.lock`."""
        return await self._database.write(partial(moving.lock, record_id=record_id, who=who))

    async def unlock(self, record_id: str, *, who: str) -> Record:
        """Give a record's form back."""
        return await self._database.write(partial(moving.unlock, record_id=record_id, who=who))

    async def get(self, name: str, ladder: str | None = None) -> Record:
        """Return the record of that id, or code. Raises UnknownRecord."""
        return await lists.find(self._database, name, ladder)

    async def list(self, chosen: RecordFilter, *, before: int | None = None, limit: int = 50) -> Page:
        """Return the newest records that meet every condition; `next` is the number to go on before.

        Raises UnknownName for a ladder or state that does not exist, Invalid for a limit out of range.
        """
        return await lists.page(self._database, self.ladders, chosen, before, limit)

    async def board(self, ladder: str) -> Sequence[Column]:
        """Return what stands at each status of a ladder. Raises UnknownName."""
        return await lists.columns(self._database, self.ladder(ladder), self.clock.now())

    async def oldest(self, ladder: str, status: str, limit: int = 50) -> Sequence[Record]:
        """Return those that stand at a status longest."""
        return await lists.oldest(self._database, ladder, status, limit)

    async def waiting(self, records: Collection[Record]) -> Mapping[str, Waiting]:
        """Return, by their ids, what those of `records` wait for that are held up by others below them."""
        return await waiting(self._database, self.ladders, records)

    async def story(self, record: Record) -> Sequence[Try]:
        """Return the newest tries and moves of a record, newest first."""
        return await lists.story(self._database, record.number)

    async def suggestions(self, record: Record, form: type[BaseModel]) -> Sequence[Suggestion]:
        """Return what would fill the empty fields of `form`, from the record itself and those beside it."""
        shared = [name for name in empty_fields(record, form) if name not in OWN_FIELDS]
        return suggestions_of(record, form, await neighbours(self._database, record, shared))

    async def figures(self, ladder: str, hours: float = 24) -> Sequence[StepFigures]:
        """Return how each step of a ladder went of late. Raises UnknownName."""
        since = self.clock.now() - timedelta(hours=hours)
        return await figures(self._database, self.ladder(ladder), since)

    async def news(self, ladder: str, after: int | None = None, *, limit: int = LIMIT_MOST) -> News:
        """Return how a ladder's records stand, and the tries after that of the number `after`; without one, none.

        The standing is read first: what it tells of may be among the tries, never the other way round.
        """
        mine = self.ladder(ladder)
        is_expecting = any(name == ladder for name, _ in self.expected)
        counts = await standing(self._database, mine)
        if after is None:
            return News(ladder, counts, is_expecting, (), await last_try(self._database))
        tries = await tries_after(self._database, ladder, after, limit)
        return News(ladder, counts, is_expecting, tries, tries[-1].number if tries else after)

    async def unknown(self, ladder: str, sources: Sequence[str]) -> Sequence[str]:
        """Return those of `sources` that there is no record of."""
        return await lists.unknown(self._database, ladder, sources)

    async def seconds_until_due(self, ladders: Collection[str]) -> float:
        """Return in how many seconds the next step of a record is due: 0 where one is now, infinity where none is."""
        row = await self._database.fetch_one(due_of(ladders))
        due: datetime | None = row[0] if row else None
        return math.inf if due is None else max(0.0, (due - self.clock.now()).total_seconds())

    # For a store that is another system.

    async def take_remote(
        self, ladder: str, seen: Sequence[remotes.Seen], spell: remotes.Spell, *, by: str
    ) -> tuple[int, int, int]:
        """Take over what is in another system; return how many were added, changed, and left while a form is open."""
        mine = self.ladder(ladder)
        asked = [one.remote_id for one in seen]
        known: dict[str, str | None] = {}
        for at in range(0, len(asked), lists.ASKED_AT_ONCE):
            rows = await self._database.fetch(remotes.revisions_of(mine.name, asked[at : at + lists.ASKED_AT_ONCE]))
            known |= dict(map(tuple, rows))
        differ = [one for one in seen if known.get(one.remote_id, "") != one.revision]
        counts = (0, 0, 0)
        for at in range(0, len(differ), remotes.TAKEN_AT_ONCE):
            part = differ[at : at + remotes.TAKEN_AT_ONCE]
            unit = partial(remotes.take, ladders=self.ladders, ladder=mine.name, seen=part, spell=spell, by=by)
            added, changed, left = await self._database.write(unit)
            counts = (counts[0] + added, counts[1] + changed, counts[2] + left)
        return counts

    async def unsent(self, ladder: str, *, limit: int = 100, after: int = 0) -> Sequence[remotes.Unsent]:
        """Return records with a number above `after` that differ from what the other system has of them."""
        rows = await self._database.fetch(remotes.unsent_of(ladder, limit, after))
        if not rows:
            return []
        since = min(remotes.told_of(row.remote_seen) for row in rows)
        tries = await self._database.fetch(remotes.tries_of([row.number for row in rows], since))
        return remotes.unsent(rows, tries)

    async def note_sending(self, sending: Sequence[tuple[remotes.Unsent, remotes.Side]]) -> None:
        """Note what is about to be written into the other system."""
        await self._database.write(partial(remotes.note_sending, sending=sending))

    async def note_sent(self, sent: Sequence[remotes.Sent], spell: remotes.Spell, *, by: str) -> None:
        """Note what the other system has now, and take over what others had changed there."""
        await self._database.write(partial(remotes.note_sent, ladders=self.ladders, sent=sent, spell=spell, by=by))

    async def note_gone(self, record_ids: Sequence[str]) -> None:
        """Note that records were deleted in the other system; here they go on."""
        await self._database.write(partial(remotes.note_gone, record_ids=record_ids))

    async def open_remote(self, ladder: str) -> Mapping[str, str]:
        """Return the records that are not complete and have nothing to be sent: their ids by those there."""
        rows = await self._database.fetch(remotes.open_of(ladder))
        return dict(map(tuple, rows))

    # For the job that has them climb: units of its own transactions.

    def claim(
        self, tx: Transaction, ladders: Collection[str], job_id: str, attempt: int, limit: int
    ) -> tuple[Sequence[Record], datetime | None]:
        """Return records that are held by this attempt now, and when the next one is due."""
        taken = claim(tx, ladders, job_id, attempt, limit) if limit else []
        return taken, next_due(tx, ladders)

    def has_open(self, tx: Transaction, ladders: Collection[str]) -> bool:
        """Whether a record of these ladders is due, now or later, or held."""
        return has_open(tx, ladders)

    def take_back(self, tx: Transaction) -> int:
        """Free what is held by attempts that are over; return how many there were."""
        return take_back(tx, self.ladders)

    def wake(self, tx: Transaction) -> int:
        """Have those go on that nothing below them holds up any more, and that nobody told, see `families.wake`."""
        return wake(tx, self.ladders)

    def settle(self, tx: Transaction, job_id: str, attempt: int, settled: Sequence[Settled]) -> Sequence[Record | None]:
        """Store what steps came to, see `settling.settle`."""
        return settle(tx, self.ladders, job_id, attempt, settled)

    def release(self, tx: Transaction, records: Sequence[Record]) -> None:
        """Give back what was taken in hand, nothing counted."""
        release(tx, records)

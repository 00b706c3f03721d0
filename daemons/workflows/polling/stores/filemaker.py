"""Records of a FileMaker layout climb here, and what they come to is written back there.

pull ─▶ find those at each status that is not the end ─▶ the keeper takes what is new or was changed there
push ─▶ what differs here ─▶ note what is about to be written ─▶ write with the modId ─▶ note what is there now

What somebody moved or wrote there is taken as it is. What could not be written stays noted here until it can.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from daemons.clients.errors import NotConfigured, ServerAway
from daemons.clients.filemaker import FileMakerClient, FileMakerRecord
from daemons.clients.filemaker.errors import FieldMissing, RecordMissing
from daemons.clients.filemaker.finding import exact
from daemons.clock import Clock
from daemons.errors import DaemonError
from daemons.values import JsonValue
from daemons.workflows.polling.keeper import RecordKeeper
from daemons.workflows.polling.keeper.remotes import Seen, Sent, Side, Unsent
from daemons.workflows.polling.records import MOVED, Record, Try
from daemons.workflows.polling.stores.filemaker_fields import FieldMap

BY = "FileMaker"
"""Who changed a record where that was done there."""
TAKEN_AT_ONCE, SENT_AT_ONCE, LOOKED_UP_AT_ONCE = 200, 20, 20
LOOK_UP_SECONDS = 600.0
"""So often one is looked at that stands there where none is found, such as at a status of no ladder."""
LAYOUT_SECONDS = 600.0
"""So long a layout's fields are believed to be as they were."""
FIRST_WAIT, LONGEST_WAIT = 10.0, 600.0
"""Seconds until a record that FileMaker did not take is sent again; each time doubles them."""


@dataclass(slots=True)
class Pulled:
    """What came of a pull."""

    found: int = 0
    added: int = 0
    changed: int = 0
    left: int = 0  #: because somebody writes into their forms; they come at the next pull
    gone: int = 0  #: deleted there


@dataclass(slots=True)
class Pushed:
    """What came of a push."""

    sent: int = 0
    gone: int = 0
    failed: list[tuple[str, DaemonError]] = field(default_factory=list)
    """Codes of records that FileMaker did not take, and why. They are sent again later; the others are not held up."""


class FileMakerStore:
    """One ladder and its layout. Raises NotConfigured where it has none.

    `pull` and `push` raise ServerAway, or BadAnswer, when FileMaker cannot be worked with now: call them again later.
    """

    def __init__(self, keeper: RecordKeeper, client: FileMakerClient, ladder: str, clock: Clock) -> None:
        layouts = client.settings.layouts()
        if ladder not in layouts:
            raise NotConfigured(f"filemaker.{ladder}.layout")
        self.layout = layouts[ladder]
        self._keeper = keeper
        self._client = client
        self._ladder = keeper.ladder(ladder)
        self._clock = clock
        self._one = asyncio.Lock()
        """Pull and push would take each other's writes for somebody else's."""
        self._map: tuple[float, FieldMap] | None = None
        self._looked_at: dict[str, float] = {}
        self._tries: dict[str, int] = {}
        self._not_before: dict[str, float] = {}

    async def missing(self) -> Sequence[str]:
        """Return the fields that the settings name and the layout does not have; the others are worked with."""
        return (await self._fields()).missing

    async def pull(self) -> Pulled:
        """Add and update our records by those there that are not at an end."""
        async with self._one:
            names, pulled, batch, there = await self._fields(), Pulled(), list[Seen](), set[str]()
            statuses = [status for status in self._ladder.statuses if status not in self._ladder.final]
            query = [{self.layout.status: exact(status)} for status in statuses]
            async for record in self._client.find(self.layout.layout, query, sort=self.layout.sort):
                # FileMaker does not tell upper case from lower, and somebody may just have moved it.
                if record.text(self.layout.status) in statuses:
                    pulled.found += 1
                    there.add(record.record_id)
                    batch.append(names.seen(record))
                if len(batch) >= TAKEN_AT_ONCE:
                    await self._take(batch, names, pulled)
            await self._take(batch, names, pulled)
            await self._look_up(there, names, pulled)
            return pulled

    async def push(self) -> Pushed:
        """Write back what was changed here and is not there yet, record by record."""
        async with self._one:
            names, pushed, after = await self._fields(), Pushed(), 0
            while unsent := await self._keeper.unsent(self._ladder.name, limit=SENT_AT_ONCE, after=after):
                after = unsent[-1].record.number
                now = self._clock.monotonic()
                due = [one for one in unsent if self._not_before.get(one.record.id, now) <= now]
                await self._send(due, names, pushed)
            return pushed

    # Taking.

    async def _take(self, batch: list[Seen], names: FieldMap, pulled: Pulled) -> None:
        added, changed, left = await self._keeper.take_remote(self._ladder.name, batch, names.spell, by=BY)
        pulled.added += added
        pulled.changed += changed
        pulled.left += left
        batch.clear()

    async def _look_up(self, there: set[str], names: FieldMap, pulled: Pulled) -> None:
        """Look at those of ours that are under way and were not found: moved to an end or elsewhere, or deleted."""
        ours, now = await self._keeper.open_remote(self._ladder.name), self._clock.monotonic()
        lost = [one for one in ours if one not in there]
        looked_at = self._looked_at = {one: self._looked_at[one] for one in lost if one in self._looked_at}
        due = [one for one in lost if now - looked_at.get(one, -LOOK_UP_SECONDS) >= LOOK_UP_SECONDS]
        batch, gone = list[Seen](), list[str]()
        for remote_id in due[:LOOKED_UP_AT_ONCE]:
            looked_at[remote_id] = now
            try:
                batch.append(names.seen(await self._client.get(self.layout.layout, remote_id)))
            except RecordMissing:
                gone.append(ours[remote_id])
        await self._take(batch, names, pulled)
        if gone:
            await self._keeper.note_gone(gone)
        pulled.gone += len(gone)

    # Sending.

    async def _send(self, unsent: Sequence[Unsent], names: FieldMap, pushed: Pushed) -> None:
        wanted = [(one, Side(one.record.status, names.writable(one.record.fields))) for one in unsent]
        if not wanted:
            return
        await self._keeper.note_sending(wanted)
        answers = await asyncio.gather(*(self._write(*one, names) for one in wanted), return_exceptions=True)
        sent, gone, fatal = list[Sent](), list[str](), list[BaseException]()
        for one, answer in zip(unsent, answers, strict=True):
            if isinstance(answer, FileMakerRecord):
                sent.append(Sent(one, names.seen(answer)))
                self._tries.pop(one.record.id, None)
                self._not_before.pop(one.record.id, None)
            elif isinstance(answer, RecordMissing):
                gone.append(one.record.id)
            elif isinstance(answer, DaemonError) and not isinstance(answer, ServerAway):
                self._put_off(one.record.id)
                pushed.failed.append((one.record.code, answer))
            else:
                fatal.append(answer)
        # What is there is noted, whatever became of the rest.
        await self._keeper.note_sent(sent, names.spell, by=BY)
        if gone:
            await self._keeper.note_gone(gone)
        pushed.sent += len(sent)
        pushed.gone += len(gone)
        if fatal:
            if isinstance(fatal[0], FieldMissing):
                self._map = None
            raise fatal[0]

    async def _write(self, unsent: Unsent, wanted: Side, names: FieldMap) -> FileMakerRecord:
        base, lines = unsent.base, lines_of(unsent) if names.console else []

        def change(there: FileMakerRecord) -> Mapping[str, JsonValue]:
            side, fields = names.side(there), dict[str, JsonValue]()
            # Where somebody else has changed it too, theirs stays.
            if wanted.status != base.status == side.status:
                fields[self.layout.status] = wanted.status
            for name, value in wanted.fields.items():
                before = base.fields.get(name, "")
                if side.fields.get(name, "") == before and value not in (before, names.respelled(name, before)):
                    fields[names.theirs(name)] = value
            if added := [line for line in lines if line not in there.text(names.console)]:
                text = there.text(names.console)
                fields[names.console] = "\n".join([*([text.rstrip("\n")] if text.strip() else []), *added])
            return fields

        # Without the console, what is known will do: FileMaker refuses the write where it is not true any more.
        known = None if lines else names.as_record(unsent.remote_id, unsent.remote_revision, base)
        return await self._client.merge(self.layout.layout, unsent.remote_id, change, known=known)

    def _put_off(self, record_id: str) -> None:
        tries = self._tries[record_id] = self._tries.get(record_id, 0) + 1
        seconds = min(LONGEST_WAIT, FIRST_WAIT * 2 ** min(tries - 1, 10))
        self._not_before[record_id] = self._clock.monotonic() + seconds

    async def _fields(self) -> FieldMap:
        now = self._clock.monotonic()
        if self._map is None or now - self._map[0] >= LAYOUT_SECONDS:
            kinds = await self._client.fields(self.layout.layout)
            if self.layout.status not in kinds:
                raise FieldMissing(f"The layout {self.layout.layout} has no field {self.layout.status or 'status'}.")
            self._map = (now, FieldMap(self.layout, kinds))
        return self._map[1]


def lines_of(unsent: Unsent) -> list[str]:
    """Return what happened to a record, a line each, for its console there."""
    lines = [_line(one) for one in unsent.tries if not (one.outcome == MOVED and one.by == BY)]
    return lines + ([_waiting(unsent.record, unsent.tries[-1])] if lines and unsent.record.reasons else [])


def _line(one: Try) -> str:
    when = one.started_at.strftime("%Y-%m-%d %H:%M:%S")
    if one.outcome == MOVED:
        said = f"{one.by} moved it from {one.old} to {one.new}"
    elif one.error is not None:
        said = f"{one.step} {one.outcome} (try {one.attempt}): {one.error.message}"
    elif one.new != one.old:
        said = f"{one.step} {one.outcome} in {one.seconds:.1f} s: {one.new}"
    else:
        said = f"{one.step} {one.outcome} in {one.seconds:.1f} s"
    note = f" {' '.join(one.note.split())}" if one.note else ""
    return f"[{when} UTC] {' '.join(said.split())}{note}"


def _waiting(record: Record, last: Try) -> str:
    reasons = " ".join(reason.sentence for reason in record.reasons)
    return f"[{last.started_at.strftime('%Y-%m-%d %H:%M:%S')} UTC] {record.status}: {' '.join(reasons.split())}"

"""Keeps who is told of what, and each message: the only writer of both tables."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, time, timedelta
from enum import StrEnum
from typing import Any, cast
from uuid import uuid4
from zoneinfo import ZoneInfo

from sqlalchemy import Row, Table, delete, insert, select, update

from daemons.database import Database
from daemons.database.transaction import Transaction
from daemons.errors import Conflict, Invalid, NotFound
from daemons.events import ItemChanged
from daemons.models import DeliveryTable, NoticeTargetTable
from daemons.text import clean
from daemons.timetable import zone_of
from daemons.values import MASK, JsonValue

TOPIC = "notices"
TITLE_CHARACTERS = 255
BODY_CHARACTERS = 4_000
DETAIL_CHARACTERS = 500
_T = cast(Table, NoticeTargetTable.__table__)
_D = cast(Table, DeliveryTable.__table__)


class Topic(StrEnum):
    """What a target may want to hear of."""

    DAEMONS = "daemons"  #: a daemon failed, is stuck or silent, or too many of its jobs fail
    STORAGE = "storage"  #: a disk is low, a folder is gone, the database cannot be written
    DECK = "deck"  #: a worker is lost, the event loop is blocked, a plug-in did not load
    INPUT = "input"  #: a daemon or job asks a person
    DRAINED = "drained"  #: the last job ended


class StaleTarget(Conflict):
    """The target was changed by somebody else meanwhile."""

    code = "ERR_STALE_EDIT"
    remedy = "Read the target again and repeat the change on what you see."

    def __init__(self, expected: int, actual: int) -> None:
        super().__init__(f"The change was made on revision {expected}, but the target is at revision {actual}.")
        self.expected = expected
        self.actual = actual


class Outcome(StrEnum):
    """What became of a message."""

    WAITING = "waiting"  #: to be sent, or tried again
    SENT = "sent"
    FAILED = "failed"  #: given up after several tries
    DROPPED = "dropped"  #: it was over before it was sent


@dataclass(frozen=True, slots=True)
class Target:
    """Somebody or something that is told. `url` and `secret` are for the sender alone."""

    id: str
    name: str
    kind: str
    url: str
    secret: str | None
    events: list[str]
    enabled: bool
    quiet_from: str | None
    quiet_until: str | None
    errors_at_once: bool
    zone: str
    revision: int
    created_at: datetime

    def as_dict(self) -> dict[str, JsonValue]:
        """Return the target of the HTTP API: of its address only the kind of service is shown."""
        shown = {name: getattr(self, name) for name in self.__slots__}
        scheme = self.url.partition("://")[0]
        return {**shown, "url": f"{scheme}://{MASK}", "secret": MASK if self.secret else None}

    def held_until(self, now: datetime, *, is_urgent: bool) -> datetime | None:
        """Return until when a message waits for the end of the quiet hours, or None if it may go now."""
        return None if is_urgent and self.errors_at_once else self.quiet_end(now)

    def quiet_end(self, now: datetime) -> datetime | None:
        """Return when the quiet hours end that `now` falls into, or None."""
        if self.quiet_from is None or self.quiet_until is None:
            return None
        local = now.astimezone(ZoneInfo(self.zone))
        begins, ends = time.fromisoformat(self.quiet_from), time.fromisoformat(self.quiet_until)
        at = local.time()
        is_quiet = begins <= at < ends if begins <= ends else at >= begins or at < ends
        if not is_quiet:
            return None
        end = local.replace(hour=ends.hour, minute=ends.minute, second=0, microsecond=0)
        return end if end > local else end + timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Delivery:
    """One message to one target."""

    id: int
    target_id: str | None
    target_name: str
    incident_id: str | None
    kind: str
    urgent: bool
    title: str
    body: str
    outcome: Outcome
    detail: str | None
    tries: int
    next_try_at: datetime | None
    created_at: datetime
    finished_at: datetime | None

    def as_dict(self) -> dict[str, JsonValue]:
        return {name: getattr(self, name) for name in self.__slots__} | {"outcome": self.outcome.value}


class Notices:
    """Reads and changes targets and deliveries."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # Targets.

    async def targets(self) -> Sequence[Target]:
        """Return all targets, by name."""
        return [_target(row) for row in await self._database.fetch(select(_T).order_by(_T.c.name))]

    async def target(self, name: str) -> Target:
        """Return one target. Raises NotFound."""
        row = await self._database.fetch_one(select(_T).where(_T.c.name == name))
        if row is None:
            raise _unknown(name)
        return _target(row)

    async def add(self, name: str, values: Mapping[str, Any]) -> Target:
        """Add a target. Raises Conflict for a taken name, Invalid for what it cannot be."""
        check_target(values)

        def unit(tx: Transaction) -> Target:
            if tx.execute(select(_T.c.id).where(_T.c.name == name)).first():
                raise Conflict(f"There is a target named {name} already.", code="ERR_NAME_TAKEN")
            row = {**values, "id": str(uuid4()), "name": name, "created_at": tx.now, "revision": 1}
            return _target(tx.execute(insert(_T).returning(_T), row).one())

        return await self._database.write(unit)

    async def edit(self, name: str, values: Mapping[str, Any], *, revision: int | None = None) -> Target:
        """Change what is given; a mask in place of the address or the secret keeps it.

        Raises NotFound, StaleTarget or Invalid.
        """
        kept = {key: value for key, value in values.items() if MASK not in str(value)}

        def unit(tx: Transaction) -> Target:
            row = tx.execute(select(_T).where(_T.c.name == name).with_for_update()).first()
            if row is None:
                raise _unknown(name)
            if revision not in (None, row.revision):
                raise StaleTarget(revision or 0, row.revision)
            check_target({**row._mapping, **kept})
            changed = {**kept, "revision": row.revision + 1}
            return _target(tx.execute(update(_T).where(_T.c.id == row.id).values(changed).returning(_T)).one())

        return await self._database.write(unit)

    async def remove(self, name: str) -> None:
        """Delete a target; what was sent to it stays in the log. Raises NotFound."""

        def unit(tx: Transaction) -> None:
            row = tx.execute(select(_T).where(_T.c.name == name)).first()
            if row is None:
                raise _unknown(name)
            waiting = (_D.c.target_id == row.id, _D.c.outcome == Outcome.WAITING.value)
            tx.execute(update(_D).where(*waiting).values(outcome=Outcome.DROPPED.value, finished_at=tx.now))
            tx.execute(update(_D).where(_D.c.target_id == row.id).values(target_id=None))
            tx.execute(delete(_T).where(_T.c.id == row.id))

        await self._database.write(unit)

    # Messages.

    async def deliveries(self, *, before: int | None = None, limit: int = 50) -> Sequence[Delivery]:
        """Return the newest messages."""
        statement = select(_D)
        if before is not None:
            statement = statement.where(_D.c.id < before)
        return [_delivery(row) for row in await self._database.fetch(statement.order_by(_D.c.id.desc()).limit(limit))]

    async def delivery(self, number: int) -> Delivery:
        """Return one message. Raises NotFound."""
        row = await self._database.fetch_one(select(_D).where(_D.c.id == number))
        if row is None:
            raise NotFound(f"There is no message {number}.", code="ERR_UNKNOWN_MESSAGE")
        return _delivery(row)

    async def due(self, now: datetime) -> Sequence[Delivery]:
        """Return the messages that are to be sent now, oldest first."""
        waiting = (_D.c.outcome == Outcome.WAITING.value, _D.c.next_try_at <= now)
        rows = await self._database.fetch(select(_D).where(*waiting).order_by(_D.c.id).limit(200))
        return [_delivery(row) for row in rows]

    async def write_one(self, target: Target, kind: str, title: str, body: str) -> Delivery:
        """Write one message to one target, quiet hours or not."""
        return await self._database.write(lambda tx: _write(tx, target, kind, title, body, None, tx.now))

    async def tell_all(self, topic: Topic, kind: str, title: str, body: str) -> None:
        """Write a message that is no incident to each target that wants it."""
        await self._database.write(lambda tx: write_to_all(tx, topic, kind, title, body, incident_id=None))

    async def claim(self, delivery: Delivery, until: datetime) -> bool:
        """Count a try before it is made, so that a crash is one try, and nobody else makes it until then."""
        same = (_D.c.id == delivery.id, _D.c.tries == delivery.tries, _D.c.outcome == Outcome.WAITING.value)
        taken = update(_D).where(*same).values(tries=delivery.tries + 1, next_try_at=until)
        return bool(await self._database.write(lambda tx: tx.execute(taken).rowcount))

    async def hold(self, deliveries: Sequence[Delivery], until: datetime) -> None:
        """Have messages wait that are due, in quiet hours that began meanwhile."""
        waiting = (_D.c.id.in_([one.id for one in deliveries]), _D.c.outcome == Outcome.WAITING.value)
        later = update(_D).where(*waiting, _D.c.next_try_at < until).values(next_try_at=until)
        await self._database.write(lambda tx: tx.execute(later), durable=False)

    async def settle(
        self, delivery: Delivery, outcome: Outcome, detail: str | None, next_try_at: datetime | None = None
    ) -> None:
        """Keep how a try ended."""

        def unit(tx: Transaction) -> None:
            over = None if outcome is Outcome.WAITING else tx.now
            values = {"outcome": outcome.value, "detail": detail and clean(detail, DETAIL_CHARACTERS)}
            changed = {**values, "next_try_at": next_try_at, "finished_at": over}
            # Only the try that was claimed last says how it ended.
            claimed = (_D.c.id == delivery.id, _D.c.tries == delivery.tries + 1, _D.c.outcome == Outcome.WAITING.value)
            if tx.execute(update(_D).where(*claimed).values(changed)).rowcount == 0:
                return
            tx.announce(ItemChanged(TOPIC, str(delivery.id), {"id": delivery.id, "outcome": outcome.value}))

        await self._database.write(unit)

    async def prune(self, older_than: datetime) -> None:
        """Forget messages that are long over."""
        await self._database.write(
            lambda tx: tx.execute(delete(_D).where(_D.c.finished_at < older_than)), durable=False
        )


def write_to_all(
    tx: Transaction,
    topic: Topic,
    kind: str,
    title: str,
    body: str,
    *,
    incident_id: str | None,
    only: set[str | None] | None = None,
    is_urgent: bool = False,
) -> None:
    """Write a message to each enabled target that wants `topic`; in its quiet hours it waits, unless errors do not."""
    for row in tx.execute(select(_T).where(_T.c.enabled.is_(True))).all():
        target = _target(row)
        if topic in target.events and (only is None or target.id in only):
            at = target.held_until(tx.now, is_urgent=is_urgent) or tx.now
            _write(tx, target, kind, title, body, incident_id, at, is_urgent=is_urgent)


def write_summaries(tx: Transaction, title: str, body: str, *, incident_id: str, only: set[str | None]) -> None:
    """Write to each of these targets that has quiet hours now what came and went in them, for when they end."""
    for row in tx.execute(select(_T).where(_T.c.enabled.is_(True), _T.c.id.in_(only - {None}))).all():
        if end := _target(row).quiet_end(tx.now):
            _write(tx, _target(row), "summary", title, body, incident_id, end)


def drop_unsent(tx: Transaction, incident_id: str) -> set[str | None]:
    """Drop the messages of an incident that nobody tried to send yet; return whose they were."""
    unsent = (_D.c.incident_id == incident_id, _D.c.outcome == Outcome.WAITING.value, _D.c.tries == 0)
    dropped = update(_D).where(*unsent).values(outcome=Outcome.DROPPED.value, finished_at=tx.now)
    return set(tx.execute(dropped.returning(_D.c.target_id)).scalars())


def told_of(tx: Transaction, incident_id: str) -> set[str | None]:
    """Return the targets that were told of an incident, or that it is being tried to tell."""
    told = (_D.c.incident_id == incident_id, _D.c.outcome != Outcome.DROPPED.value)
    return set(tx.execute(select(_D.c.target_id).where(*told)).scalars())


def check_target(values: Mapping[str, Any]) -> None:
    """Raise Invalid naming what a target cannot be."""
    unknown = [topic for topic in values["events"] if topic not in list(Topic)]
    if unknown:
        raise Invalid(f"There is no topic {unknown[0]!s:.50}; there are {', '.join(Topic)}.", code="ERR_INVALID_TARGET")
    zone_of(values["zone"])
    if (values.get("quiet_from") is None) != (values.get("quiet_until") is None):
        raise Invalid("Quiet hours need a beginning and an end.", code="ERR_INVALID_TARGET")
    for at in (values.get("quiet_from"), values.get("quiet_until")):
        try:
            if at is not None and len(at) != 5:
                raise ValueError
            time.fromisoformat(at or "00:00")
        except ValueError:
            raise Invalid("Quiet hours are written as 22:00.", code="ERR_INVALID_TARGET") from None
    if values["kind"] not in ("webhook", "apprise"):
        raise Invalid("A target is a webhook or an address for apprise.", code="ERR_INVALID_TARGET")
    if "://" not in values["url"]:
        raise Invalid("The address needs a scheme, such as https:// or ntfy://.", code="ERR_INVALID_TARGET")
    if values["kind"] == "webhook" and not values["url"].startswith(("http://", "https://")):
        raise Invalid("A webhook's address begins with https:// or http://.", code="ERR_INVALID_TARGET")


def _write(
    tx: Transaction,
    target: Target,
    kind: str,
    title: str,
    body: str,
    incident_id: str | None,
    at: datetime,
    *,
    is_urgent: bool = False,
) -> Delivery:
    row = {
        "target_id": target.id,
        "target_name": target.name,
        "incident_id": incident_id,
        "kind": kind,
        "urgent": is_urgent,
        "title": clean(title, TITLE_CHARACTERS),
        "body": clean(body, BODY_CHARACTERS, keep_newlines=True),
        "outcome": Outcome.WAITING.value,
        "next_try_at": at,
        "created_at": tx.now,
    }
    made = _delivery(tx.execute(insert(_D).returning(_D), row).one())
    tx.announce(ItemChanged(TOPIC, str(made.id), {"id": made.id, "outcome": made.outcome.value}))
    return made


def _unknown(name: str) -> NotFound:
    return NotFound(f"There is no target named {clean(name, 63)}.", code="ERR_UNKNOWN_TARGET")


def _target(row: Row[Any]) -> Target:
    return Target(**{name: getattr(row, name) for name in Target.__slots__})


def _delivery(row: Row[Any]) -> Delivery:
    found = Delivery(**{name: getattr(row, name) for name in Delivery.__slots__})
    return replace(found, outcome=Outcome(found.outcome))

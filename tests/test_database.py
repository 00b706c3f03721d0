"""The promises of the one door to the data, kept the same way by both databases."""

import asyncio
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import create_engine, func, insert, literal, select, text
from sqlalchemy.exc import DBAPIError, IntegrityError

from daemons.bus import Bus
from daemons.clock import SystemClock
from daemons.database import Database, engines
from daemons.database.engines import normalise_url
from daemons.database.transaction import Transaction, Unit
from daemons.errors import Fatal, Invalid, Unavailable
from daemons.events import JobRemoved
from daemons.models import AuditTable, DaemonTable, LogTable, MetricTable
from tests.fake_clock import FakeClock
from tests.recorder import Recorder


def line(message: str) -> Unit[str]:
    """Write one log line, announce it and return its text."""

    def unit(tx: Transaction) -> str:
        tx.execute(insert(LogTable), {"at": tx.now, "level": "info", "message": message})
        tx.announce(JobRemoved(message))
        return message

    return unit


async def messages(database: Database) -> list[str]:
    return [row.message for row in await database.fetch(select(LogTable.message).order_by(LogTable.id))]


async def test_a_unit_returns_its_result_after_its_commit(database: Database) -> None:
    assert await database.write(line("one")) == "one"
    assert await messages(database) == ["one"]


async def test_a_unit_that_raises_leaves_nothing_and_says_nothing(database: Database, events: Recorder) -> None:
    def fail(tx: Transaction) -> None:
        line("half")(tx)
        raise Invalid("no")

    with pytest.raises(Invalid, match="no"):
        await database.write(fail)

    assert await messages(database) == []
    assert events.all == []
    assert await database.write(line("next")) == "next"


async def test_a_broken_rule_of_the_tables_reaches_the_caller_as_it_is(database: Database) -> None:
    with pytest.raises(IntegrityError):
        await database.write(lambda tx: tx.execute(insert(LogTable), {"at": None, "level": "info", "message": "x"}))

    assert await database.write(line("next")) == "next"


async def test_what_a_unit_announces_is_heard_before_its_caller_goes_on(database: Database, events: Recorder) -> None:
    await database.write(line("one"))

    assert events.all == [JobRemoved("one")]


async def test_many_callers_are_each_answered_with_their_own(database: Database, events: Recorder) -> None:
    def refuse(tx: Transaction) -> str:
        line("refused")(tx)
        raise Invalid("refused")

    units = [refuse if number % 7 == 0 else line(str(number)) for number in range(100)]
    answers = await asyncio.gather(*(database.write(unit) for unit in units), return_exceptions=True)

    expected = [str(number) for number in range(100) if number % 7]
    assert [answer for answer in answers if isinstance(answer, str)] == expected
    assert sum(isinstance(answer, Invalid) for answer in answers) == 15
    assert sorted(await messages(database)) == sorted(expected)
    assert sorted(event.id for event in events.seen(JobRemoved)) == sorted(expected)


async def test_announcements_of_one_writer_keep_their_order(database: Database, events: Recorder) -> None:
    for number in range(20):
        await database.write(line(str(number)), durable=False)

    assert [event.id for event in events.seen(JobRemoved)] == [str(number) for number in range(20)]


async def test_a_listener_that_raises_keeps_no_caller_waiting(database: Database, bus: Bus) -> None:
    complaints: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: complaints.append(context))

    def listener(event: object) -> None:
        raise RuntimeError("a listener's mistake")

    with bus.listen(listener):
        assert await database.write(line("one")) == "one"
        assert await database.write(line("two")) == "two"

    assert [str(complaint["exception"]) for complaint in complaints] == ["a listener's mistake"] * len(complaints)


async def test_a_cancelled_callers_running_unit_is_committed_and_announced(
    database: Database, database_url: str, clock: FakeClock, events: Recorder, bus: Bus
) -> None:
    async with Database(database_url, clock, bus) as other:  # on its way out it waits for all that is in line
        caller = asyncio.create_task(other.write(line("one")))
        await asyncio.sleep(0)
        caller.cancel()
        with pytest.raises(asyncio.CancelledError):
            await caller
        await other.write(line("two"))

    # It was in line or running. Whichever it was, what is there was announced, and what is not was not.
    # Sorted, for on PostgreSQL two writers may finish in any order.
    assert "two" in await messages(database)
    assert sorted(await messages(database)) == sorted(event.id for event in events.seen(JobRemoved))


async def test_units_in_line_are_committed_when_the_database_closes(
    database_url: str, clock: FakeClock, events: Recorder, bus: Bus
) -> None:
    async with Database(database_url, clock, bus) as database:
        callers = [asyncio.create_task(database.write(line(str(number)))) for number in range(50)]
        await asyncio.sleep(0)

    assert await asyncio.gather(*callers) == [str(number) for number in range(50)]
    with pytest.raises(Unavailable, match="closing"):
        await database.write(line("late"))


async def test_one_reading_is_one_moments_picture(database: Database) -> None:
    count = select(func.count()).select_from(LogTable)

    async with database.read() as connection:
        before = await connection.scalar(count)
        await database.write(line("meanwhile"))
        assert await connection.scalar(count) == before

    assert (await database.fetch_one(count)) == (1,)


async def test_a_reading_connection_cannot_write(database: Database) -> None:
    with pytest.raises((DBAPIError, Unavailable)):
        async with database.read() as connection:
            await connection.execute(insert(LogTable), {"at": SystemClock().now(), "level": "info", "message": "x"})

    assert await messages(database) == []


async def test_who_finds_no_connection_to_read_with_is_told_so(
    database_url: str, clock: FakeClock, bus: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "READ_WAIT", 0.05)
    monkeypatch.setattr(engines, "READERS", 1)

    async with Database(database_url, clock, bus) as database, database.read():
        with pytest.raises(Unavailable) as refused:
            await database.fetch(select(literal(1)))
        assert await database.write(line("writing goes on")) == "writing goes on"

    assert refused.value.error_code == "ERR_BUSY"


async def test_a_reading_that_takes_too_long_is_ended(
    database_url: str, bus: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "STATEMENT_TIMEOUT", 0.2)
    endless = text("WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT (n + 1) % 1000 FROM c) SELECT count(*) FROM c")

    async with Database(database_url, SystemClock(), bus) as database:
        with pytest.raises(Unavailable) as refused:
            await database.fetch(endless)
        assert await database.fetch(select(literal(1))) == [(1,)]

    assert refused.value.error_code == "ERR_DATABASE_SLOW"


async def test_a_cancelled_reading_leaves_its_connection_fit_for_the_next(
    database_url: str, clock: FakeClock, bus: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "READERS", 1)

    async with Database(database_url, clock, bus) as database:

        async def look() -> None:
            async with database.read() as connection:
                await connection.execute(select(LogTable))
                await asyncio.Event().wait()

        for number in range(5):
            reader = asyncio.create_task(look())
            await clock.idle()
            reader.cancel()
            await asyncio.wait({reader})
            await database.write(line(str(number)))
            # A connection still inside the cancelled reading would show the picture of then.
            assert len(await messages(database)) == number + 1


@pytest.mark.parametrize("text", ["", "plain", "naïve 東京 👩\u200d👧", "nul \0 inside", 'quote " and \\ \u2028'])
async def test_json_reads_back_as_it_was_written(database: Database, text: str) -> None:
    value = {"text": text, "nested": [1, 2.5, None, True, {"a": text}], text: "as a key"}

    def unit(tx: Transaction) -> None:
        tx.execute(
            insert(DaemonTable),
            {
                "id": "d",
                "name": "d",
                "type": "t",
                "enabled": True,
                "auto_start": False,
                "desired": "off",
                "state": "stopped",
                "configuration": value,
                "created_at": tx.now,
                "updated_at": tx.now,
            },
        )

    await database.write(unit)

    row = await database.fetch_one(select(DaemonTable.configuration))
    assert row is not None and row.configuration == value


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    moment=st.datetimes(datetime(1970, 1, 2), datetime(2200, 1, 1)),  # noqa: DTZ001 - the zone is drawn apart
    minutes=st.integers(-14 * 60, 14 * 60),
)
def test_a_time_of_any_zone_reads_back_equal_and_in_utc(moment: datetime, minutes: int, times: "Times") -> None:
    aware = moment.replace(tzinfo=timezone(timedelta(minutes=minutes)))

    read = times.through(aware)

    assert read == aware
    assert read.utcoffset() == timedelta(0)


class Times:
    """Writes a time and reads it back, through the types of our columns."""

    def __init__(self, url: str) -> None:
        self._engine = create_engine(normalise_url(url))

    def through(self, moment: datetime) -> datetime:
        with self._engine.connect() as connection:
            connection.execute(insert(LogTable), {"at": moment, "level": "info", "message": "x"})
            read = connection.scalars(select(LogTable.at).order_by(LogTable.id.desc())).first()
            connection.rollback()
        assert read is not None
        return read

    def close(self) -> None:
        self._engine.dispose()


@pytest.fixture
def times(database_url: str) -> Any:
    times = Times(database_url)
    yield times
    times.close()


async def test_a_time_without_a_zone_is_refused(database: Database) -> None:
    naive = datetime(2030, 1, 1)  # noqa: DTZ001 - that is the point

    with pytest.raises(Exception, match="without a zone"):
        await database.write(lambda tx: tx.execute(insert(LogTable), {"at": naive, "level": "info", "message": "x"}))


async def test_a_list_of_parameters_is_written_in_one_go(database: Database) -> None:
    def unit(tx: Transaction) -> None:
        rows = [{"at": tx.now, "level": "info", "message": str(number)} for number in range(1000)]
        tx.execute(insert(LogTable), rows)

    await database.write(unit)

    assert len(await messages(database)) == 1000


async def test_results_left_unread_do_not_spoil_the_commit(database: Database) -> None:
    def unit(tx: Transaction) -> None:
        row = {"at": tx.now, "who": "me", "origin": "here", "action": "look", "outcome": "ok"}
        tx.execute(insert(AuditTable).returning(AuditTable.id), row)
        tx.execute(select(AuditTable))

    await asyncio.gather(*(database.write(unit) for _ in range(5)))

    assert len(await database.fetch(select(AuditTable))) == 5


@pytest.mark.parametrize("number", [0.1, 1e308, -5e-324, 2.0**53 + 2])
async def test_floats_keep_every_digit(database: Database, number: float) -> None:
    def unit(tx: Transaction) -> None:
        tx.execute(
            text(
                "INSERT INTO daemons (id, name, type, enabled, auto_start, desired, state, configuration, "
                "created_at, updated_at) VALUES ('d', 'd', 't', true, true, 'off', 'stopped', '{}', "
                "'2030-01-01 00:00:00', '2030-01-01 00:00:00')"
            )
        )
        tx.execute(
            insert(MetricTable),
            {"daemon_id": "d", "name": "n", "at": tx.now, "count": 1}
            | dict.fromkeys(("total", "minimum", "maximum", "last"), number),
        )

    await database.write(unit)

    row = await database.fetch_one(select(MetricTable.last))
    assert row is not None and row.last == number


@pytest.mark.parametrize(
    ("written", "understood"),
    [
        ("sqlite:////data/deck.db", "sqlite:////data/deck.db"),
        ("sqlite+aiosqlite:////data/deck.db", "sqlite:////data/deck.db"),
        ("postgres://me@host/deck", "postgresql+psycopg://me@host/deck"),
        ("postgresql+asyncpg://me@host/deck", "postgresql+psycopg://me@host/deck"),
    ],
)
def test_addresses_are_understood_without_a_driver(written: str, understood: str) -> None:
    assert normalise_url(written).render_as_string() == understood


@pytest.mark.parametrize("address", ["mysql://host/deck", "sqlite://", "sqlite:///:memory:", "deck.db", ""])
def test_other_databases_are_refused_with_a_remedy(address: str) -> None:
    with pytest.raises(Fatal) as refused:
        normalise_url(address)

    assert refused.value.error_code == "ERR_DATABASE_URL"
    assert refused.value.remedy is not None

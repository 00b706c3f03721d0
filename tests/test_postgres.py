"""What PostgreSQL may do to a unit, and what its caller is told."""

import asyncio
from collections.abc import AsyncIterator

import psycopg
import pytest
from sqlalchemy import insert, select, text
from sqlalchemy.exc import DBAPIError

from daemons.bus import Bus
from daemons.clock import SystemClock
from daemons.database import Database, engines, postgres
from daemons.database.transaction import Transaction, Unit
from daemons.errors import Unavailable
from daemons.events import JobRemoved
from daemons.models import JobCountTable
from tests.recorder import Recorder
from tests.test_database import line, messages

pytestmark = pytest.mark.databases("postgresql")


@pytest.fixture
async def database(database_url: str, bus: Bus) -> AsyncIterator[Database]:
    async with Database(database_url, SystemClock(), bus) as database:
        yield database


def failing_at_first(statement: str, times: int = 1) -> Unit[int]:
    """Write a line, then run `statement`, `times` times; after that write the line alone."""
    runs = 0

    def unit(tx: Transaction) -> int:
        nonlocal runs
        runs += 1
        line(f"run {runs}")(tx)
        if runs <= times:
            tx.execute(text(statement))
        return runs

    return unit


def raising(state: str) -> str:
    return f"DO $$ BEGIN RAISE EXCEPTION 'made by the test' USING ERRCODE = '{state}'; END $$"


END_OURSELVES = "SELECT pg_terminate_backend(pg_backend_pid())"


@pytest.mark.parametrize("statement", [raising("40001"), raising("40P01"), END_OURSELVES])
async def test_what_another_try_mends_is_tried_again(database: Database, events: Recorder, statement: str) -> None:
    assert await database.write(failing_at_first(statement)) == 2

    assert await messages(database) == ["run 2"]
    assert events.all == [JobRemoved("run 2")]


async def test_trying_again_comes_to_an_end(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres, "REPEATS", 3)

    with pytest.raises(Unavailable) as refused:
        await database.write(failing_at_first(raising("40001"), times=10))

    assert refused.value.error_code == "ERR_BUSY"
    assert await messages(database) == []


@pytest.mark.parametrize(
    ("state", "code"),
    [
        ("53100", "ERR_DISK_FULL"),
        ("53200", "ERR_MEMORY"),
        ("55P03", "ERR_BUSY"),
        ("57014", "ERR_DATABASE_SLOW"),
        ("25006", "ERR_READ_ONLY"),
    ],
)
async def test_what_the_server_complains_of_is_said_in_words(database: Database, state: str, code: str) -> None:
    with pytest.raises(Unavailable) as refused:
        await database.write(failing_at_first(raising(state)))

    assert refused.value.error_code == code


async def test_a_mistake_of_the_unit_reaches_its_caller_as_it_is(database: Database) -> None:
    with pytest.raises(DBAPIError, match="no_such_table"):
        await database.write(failing_at_first("SELECT * FROM no_such_table"))


async def test_two_units_that_block_each_other_both_succeed(database: Database, database_url: str) -> None:
    async with await psycopg.AsyncConnection.connect(plain(database_url), autocommit=True) as setup:
        name = database.url.database
        await setup.execute(f"ALTER DATABASE {name} SET deadlock_timeout = '20ms'")
    await database.write(lambda tx: tx.execute(insert(JobCountTable), [count("a"), count("b")]))

    def crossing(first: str, second: str) -> Unit[None]:
        def unit(tx: Transaction) -> None:
            for name in (first, second):
                tx.execute(text(f"UPDATE job_counts SET count = count + 1 WHERE type = '{name}'"))
                tx.execute(text("SELECT pg_sleep(0.05)"))

        return unit

    await asyncio.gather(*(database.write(crossing(*names)) for names in ("ab", "ba", "ab", "ba")))

    assert {row.count_ for row in await database.fetch(select(JobCountTable.count.label("count_")))} == {4}


def count(name: str) -> dict[str, object]:
    return {"day": "2030-01-01", "type": name, "state": "completed", "count": 0}


def plain(url: str) -> str:
    return url.replace("postgresql+psycopg", "postgresql")


async def test_a_connection_lost_while_committing_is_told_as_doubt(database: Database, events: Recorder) -> None:
    def prepare(tx: Transaction) -> None:
        tx.execute(
            text(
                "CREATE FUNCTION ending() RETURNS trigger LANGUAGE plpgsql AS "
                "$$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END $$"
            )
        )
        tx.execute(
            text(
                "CREATE CONSTRAINT TRIGGER ending AFTER INSERT ON logs "
                "DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION ending()"
            )
        )

    await database.write(prepare)

    with pytest.raises(Unavailable) as refused:
        await database.write(line("in doubt"))

    assert refused.value.error_code == "ERR_COMMIT_IN_DOUBT"
    assert events.all == []
    assert await messages(database) == []


async def test_a_server_that_does_not_answer_in_time_is_told_as_doubt(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "ANSWER_WITHIN", 0.1)

    with pytest.raises(Unavailable) as refused:
        await database.write(failing_at_first("SELECT pg_sleep(5)"))

    assert refused.value.error_code == "ERR_COMMIT_IN_DOUBT"
    monkeypatch.undo()
    assert await database.write(line("next")) == "next"


async def test_a_statement_that_takes_too_long_is_ended(
    database_url: str, bus: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "STATEMENT_TIMEOUT", 0.1)

    async with Database(database_url, SystemClock(), bus) as database:
        for ask in (database.write(failing_at_first("SELECT pg_sleep(5)")), database.fetch(text("SELECT pg_sleep(5)"))):
            with pytest.raises(Unavailable) as refused:
                await ask
            assert refused.value.error_code == "ERR_DATABASE_SLOW"


async def test_a_lock_held_too_long_by_another_program_is_refused(
    database_url: str, bus: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "LOCK_TIMEOUT", 0.1)

    async with (
        Database(database_url, SystemClock(), bus) as database,
        await psycopg.AsyncConnection.connect(plain(database_url)) as intruder,
    ):
        await intruder.execute("LOCK TABLE logs")
        with pytest.raises(Unavailable) as refused:
            await database.write(line("refused"))
        await intruder.rollback()
        assert await database.write(line("next")) == "next"

    assert refused.value.error_code == "ERR_BUSY"


async def test_who_finds_no_connection_to_write_with_is_told_so(
    database_url: str, bus: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "WRITERS", 1)
    monkeypatch.setattr(postgres, "WRITE_WAIT", 0.1)

    async with Database(database_url, SystemClock(), bus) as database:
        slow = asyncio.create_task(database.write(failing_at_first("SELECT pg_sleep(1)")))
        await asyncio.sleep(0)
        with pytest.raises(Unavailable) as refused:
            await database.write(line("refused"))
        assert await database.fetch(text("SELECT 1")) == [(1,)]
        await slow

    assert refused.value.error_code == "ERR_BUSY"


async def test_a_server_that_is_not_there_is_said_so(bus: Bus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres, "REPEATS", 2)

    async with Database("postgresql://nobody@127.0.0.1:1/deck", SystemClock(), bus) as database:
        for ask in (database.write(line("refused")), database.fetch(text("SELECT 1"))):
            with pytest.raises(Unavailable) as refused:
                await ask
            assert refused.value.error_code == "ERR_DATABASE_AWAY"


async def test_connections_lost_while_idle_are_not_noticed(database: Database, database_url: str) -> None:
    await asyncio.gather(*(database.write(line(name)) for name in "abc"), *(database.fetch(text("SELECT 1")),))
    async with await psycopg.AsyncConnection.connect(plain(database_url), autocommit=True) as killer:
        await killer.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )

    assert await database.write(line("d")) == "d"
    assert sorted(await messages(database)) == ["a", "b", "c", "d"]


@pytest.mark.parametrize(("durable", "setting"), [(True, "on"), (False, "off")])
async def test_only_durable_commits_wait_for_the_disk(database: Database, durable: bool, setting: str) -> None:
    def unit(tx: Transaction) -> object:
        return tx.execute(text("SELECT current_setting('synchronous_commit')")).scalar()

    assert await database.write(unit, durable=durable) == setting


async def test_a_cancelled_caller_loses_neither_commit_nor_announcement(database: Database, events: Recorder) -> None:
    def unit(tx: Transaction) -> None:
        tx.execute(text("SELECT pg_sleep(0.1)"))
        line("one")(tx)

    caller = asyncio.create_task(database.write(unit))
    await asyncio.sleep(0)
    caller.cancel()

    await events.next(JobRemoved, lambda event: event.id == "one")
    assert await messages(database) == ["one"]

"""The thread that writes to SQLite: what it sends, in which order, and that nothing ends it."""

import asyncio
import json
import shutil
import sqlite3
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event, insert, select, text
from sqlalchemy.exc import IntegrityError

from daemons.bus import Bus
from daemons.database import Database, engines
from daemons.database.transaction import Transaction
from daemons.errors import Invalid, StorageFull, Unavailable
from daemons.events import JobRemoved
from daemons.models import LogTable
from tests.fake_clock import FakeClock
from tests.recorder import Recorder
from tests.test_database import line, messages

pytestmark = pytest.mark.databases("sqlite")


class Connection(sqlite3.Connection):
    """A connection that notes what it is told, and refuses it where a test says so."""

    refuse: dict[str, BaseException]

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self.refuse = {}
        super().__init__(*arguments, **options)

    def execute(self, sql: str, *arguments: Any) -> sqlite3.Cursor:
        if error := self.refuse.pop(sql, None):
            raise error
        return super().execute(sql, *arguments)


class Wire:
    """Everything that goes over the writing connections of a test, one after the other."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.refuse: dict[str, BaseException] = {}
        self.connections = 0

    def count(self, statement: str) -> int:
        return sum(told.startswith(statement) for told in self.told)


@pytest.fixture
def wire() -> Iterator[Wire]:
    """Watch the writing connection from its first statement."""
    wire = Wire()

    def connect(dialect: Any, record: Any, arguments: Any, parameters: dict[str, Any]) -> None:
        if not dialect.is_async:
            parameters["factory"] = Connection

    def connected(raw: Any, record: Any) -> None:
        if isinstance(raw, Connection):
            wire.connections += 1
            raw.refuse = wire.refuse
            raw.set_trace_callback(wire.told.append)

    event.listen(Engine, "do_connect", connect)
    event.listen(Engine, "connect", connected)
    yield wire
    event.remove(Engine, "do_connect", connect)
    event.remove(Engine, "connect", connected)


@pytest.fixture
async def database(wire: Wire, database_url: str, clock: FakeClock, bus: Bus) -> AsyncIterator[Database]:
    async with Database(database_url, clock, bus) as database:
        wire.told.clear()
        yield database


class Gate:
    """A unit that keeps the thread busy until the test opens it, so that others have to stand in line."""

    def __init__(self) -> None:
        self.entered = asyncio.Event()
        self._opened = threading.Event()
        self._loop = asyncio.get_running_loop()

    def unit(self, tx: Transaction) -> None:
        self._loop.call_soon_threadsafe(self.entered.set)
        assert self._opened.wait(10)

    def open(self) -> None:
        self._opened.set()


async def together(database: Database, *units: Callable[[Transaction], Any], durable: bool = True) -> list[Any]:
    """Submit `units` so that they are one batch, and return their answers."""
    gate = Gate()
    async with asyncio.TaskGroup() as group:
        group.create_task(database.write(gate.unit, durable=durable))
        await gate.entered.wait()
        answers = asyncio.gather(*(database.write(unit, durable=durable) for unit in units), return_exceptions=True)
        await asyncio.sleep(0)
        gate.open()
    return await answers


def failing(tx: Transaction) -> None:
    line("half of a failure")(tx)
    raise Invalid("no")


# What it sends.


async def test_waiting_units_share_one_commit(database: Database, wire: Wire) -> None:
    answers = await together(database, *(line(str(number)) for number in range(50)))

    assert answers == [str(number) for number in range(50)]
    assert wire.count("COMMIT") == 2


async def test_a_failing_neighbour_takes_only_its_own_rows_along(database: Database, events: Recorder) -> None:
    answers = await together(database, line("before"), failing, line("after"))

    assert [str(answer) for answer in answers] == ["before", "no", "after"]
    assert await messages(database) == ["before", "after"]
    assert [event.id for event in events.seen(JobRemoved)] == ["before", "after"]


async def test_a_unit_alone_that_fails_is_rolled_back_and_nothing_more(database: Database, wire: Wire) -> None:
    with pytest.raises(Invalid):
        await database.write(failing)

    assert [told.split()[0] for told in wire.told] == ["PRAGMA", "BEGIN", "INSERT", "ROLLBACK"]


async def test_a_durable_unit_is_committed_with_full_and_another_with_normal(database: Database, wire: Wire) -> None:
    await database.write(line("kept"), durable=True)
    await database.write(line("latest wins"), durable=False)
    await database.write(line("latest wins"), durable=False)
    await database.write(line("kept"), durable=True)

    kept = [told for told in wire.told if told.startswith(("PRAGMA", "COMMIT"))]
    full, normal = "PRAGMA synchronous=FULL", "PRAGMA synchronous=NORMAL"
    assert kept == [full, "COMMIT", normal, "COMMIT", "COMMIT", full, "COMMIT"]


async def test_one_durable_unit_makes_its_whole_batch_durable(database: Database, wire: Wire) -> None:
    gate = Gate()
    callers = [asyncio.create_task(database.write(gate.unit, durable=False))]
    await gate.entered.wait()
    callers += [
        asyncio.create_task(database.write(line("a"), durable=False)),
        asyncio.create_task(database.write(line("b"), durable=True)),
    ]
    await asyncio.sleep(0)
    gate.open()
    await asyncio.gather(*callers)

    assert wire.told[wire.told.index("PRAGMA synchronous=FULL") + 1].startswith("BEGIN IMMEDIATE")


async def test_a_cancelled_unit_in_line_never_runs(database: Database) -> None:
    gate = Gate()
    running = asyncio.create_task(database.write(gate.unit))
    await gate.entered.wait()
    waiting = asyncio.create_task(database.write(line("never")))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.wait({waiting})
    gate.open()
    await running
    await database.write(line("next"))

    assert await messages(database) == ["next"]


async def test_a_cancelled_callers_unit_that_runs_is_committed(database: Database, events: Recorder) -> None:
    gate = Gate()

    def unit(tx: Transaction) -> None:
        line("one")(tx)
        gate.unit(tx)

    caller = asyncio.create_task(database.write(unit))
    await gate.entered.wait()
    caller.cancel()
    await asyncio.wait({caller})
    gate.open()

    await events.next(JobRemoved, lambda event: event.id == "one")
    assert await messages(database) == ["one"]


# What breaks a transaction.


def huge(tx: Transaction) -> None:
    tx.execute(insert(LogTable), {"at": tx.now, "level": "info", "message": "x" * 2_000_000})


async def limit_size(database: Database, pages: int) -> None:
    await database.write(lambda tx: tx.execute(text(f"PRAGMA max_page_count={pages}")).scalar())


async def test_a_full_disk_in_one_unit_does_not_lose_its_neighbours(database: Database, events: Recorder) -> None:
    await limit_size(database, 150)

    answers = await together(database, line("before"), huge, line("after"))

    assert answers[::2] == ["before", "after"]
    assert isinstance(answers[1], StorageFull)
    assert await messages(database) == ["before", "after"]
    assert [event.id for event in events.seen(JobRemoved)] == ["before", "after"]


async def test_a_unit_that_hides_the_end_of_the_transaction_is_not_acknowledged(database: Database) -> None:
    await limit_size(database, 150)

    def hiding(tx: Transaction) -> str:
        line("lost")(tx)
        try:
            tx.execute(text("INSERT OR ROLLBACK INTO daemon_metrics (daemon_id) VALUES (NULL)"))
        except IntegrityError:
            return "all is well"
        return "it did not fail"

    answers = await together(database, line("before"), hiding, line("after"))

    assert answers[::2] == ["before", "after"]
    assert isinstance(answers[1], Unavailable)
    assert await messages(database) == ["before", "after"]


def refusal(code: int, message: str = "refused by the test") -> sqlite3.OperationalError:
    error = sqlite3.OperationalError(message)
    error.sqlite_errorcode = code
    return error


async def test_a_commit_that_finds_the_disk_full_is_tried_unit_by_unit(
    database: Database, wire: Wire, events: Recorder
) -> None:
    gate = Gate()
    callers = [asyncio.create_task(database.write(gate.unit))]
    await gate.entered.wait()
    callers += [asyncio.create_task(database.write(line(name))) for name in "abc"]
    await asyncio.sleep(0)
    gate.open()
    await callers[0]
    wire.refuse["COMMIT"] = refusal(sqlite3.SQLITE_FULL)
    await asyncio.gather(*callers, return_exceptions=True)

    assert await messages(database) == ["a", "b", "c"]
    assert [event.id for event in events.seen(JobRemoved)] == ["a", "b", "c"]


async def test_a_commit_that_the_disk_refuses_fails_all_and_opens_the_file_anew(
    database: Database, wire: Wire, events: Recorder
) -> None:
    wire.refuse["COMMIT"] = refusal(sqlite3.SQLITE_IOERR_FSYNC)

    with pytest.raises(Unavailable) as refused:
        await database.write(line("in doubt"))

    assert refused.value.error_code == "ERR_DISK"
    assert await database.write(line("next")) == "next"
    assert wire.connections == 2
    assert [event.id for event in events.seen(JobRemoved)] == ["next"]


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (sqlite3.SQLITE_READONLY_DBMOVED, "ERR_READ_ONLY"),
        (sqlite3.SQLITE_IOERR_WRITE, "ERR_DISK"),
        (sqlite3.SQLITE_FULL, "ERR_DISK_FULL"),
        (sqlite3.SQLITE_CORRUPT, "ERR_DATABASE_CORRUPT"),
        (sqlite3.SQLITE_NOMEM, "ERR_MEMORY"),
        (sqlite3.SQLITE_MISUSE, "ERR_INTERNAL"),
    ],
)
async def test_what_the_database_complains_of_is_said_in_words_and_survived(
    database: Database, wire: Wire, code: int, expected: str
) -> None:
    wire.refuse["BEGIN IMMEDIATE"] = refusal(code)

    with pytest.raises(Unavailable) as refused:
        await database.write(line("refused"))

    assert refused.value.error_code == expected
    assert await database.write(line("next")) == "next"


# What would end the thread.


@pytest.mark.parametrize(
    "error", [SystemExit(3), KeyboardInterrupt(), StopIteration(), MemoryError(), RecursionError()]
)
async def test_whatever_a_unit_raises_reaches_its_caller_and_ends_nothing(
    database: Database, error: BaseException
) -> None:
    def unit(tx: Transaction) -> None:
        raise error

    answers = await together(database, line("before"), unit, line("after"))

    assert answers[::2] == ["before", "after"]
    survives = isinstance(error, MemoryError | RecursionError)
    assert isinstance(answers[1], type(error) if survives else RuntimeError)
    assert await database.write(line("next")) == "next"


async def test_a_connection_that_breaks_is_replaced(database: Database, wire: Wire) -> None:
    wire.refuse["ROLLBACK"] = sqlite3.ProgrammingError("Cannot operate on a closed database.")

    with pytest.raises(Unavailable) as refused:
        await database.write(failing)

    assert refused.value.error_code == "ERR_INTERNAL"
    assert await database.write(line("next")) == "next"
    assert wire.connections == 2


async def test_a_database_that_cannot_be_opened_says_so(tmp_path: Path, clock: FakeClock, bus: Bus) -> None:
    with pytest.raises(Unavailable) as refused:
        async with Database(f"sqlite:///{tmp_path}", clock, bus):
            raise AssertionError("it must not open")

    assert refused.value.error_code == "ERR_DISK"


# Another program's lock.


@pytest.fixture
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "BUSY_WAIT", 0.02)


@pytest.fixture
def intruder(database_url: str) -> Iterator[sqlite3.Connection]:
    """Another program's connection."""
    connection = sqlite3.connect(database_url.removeprefix("sqlite:///"), isolation_level=None)
    yield connection
    connection.close()


async def test_a_lock_held_too_long_is_refused_and_others_get_their_own_time(
    short_waits: None, database: Database, intruder: sqlite3.Connection, clock: FakeClock
) -> None:
    intruder.execute("BEGIN IMMEDIATE")
    early = asyncio.create_task(database.write(line("early")))
    await clock.advance(3)
    late = asyncio.create_task(database.write(line("late")))
    await clock.advance(2)

    with pytest.raises(Unavailable) as refused:
        await early
    assert refused.value.error_code == "ERR_BUSY"
    assert not late.done()

    intruder.execute("COMMIT")
    assert await late == "late"
    assert await messages(database) == ["late"]


async def test_readers_do_not_wait_for_another_programs_lock(
    short_waits: None, database: Database, intruder: sqlite3.Connection
) -> None:
    await database.write(line("one"))
    intruder.execute("BEGIN IMMEDIATE")
    caller = asyncio.create_task(database.write(line("two")))

    assert await messages(database) == ["one"]

    intruder.execute("COMMIT")
    assert await caller == "two"


async def test_closing_does_not_wait_for_another_programs_lock(
    short_waits: None, database_url: str, clock: FakeClock, bus: Bus, intruder: sqlite3.Connection
) -> None:
    async with Database(database_url, clock, bus) as database:
        intruder.execute("BEGIN IMMEDIATE")
        caller = asyncio.create_task(database.write(line("one")))
        await asyncio.sleep(0)

    with pytest.raises(Unavailable):
        await caller


async def test_no_write_begins_as_a_reader(database: Database, wire: Wire) -> None:
    """A transaction that reads first and writes later fails at once when somebody wrote in between."""
    await together(database, lambda tx: tx.execute(select(LogTable)).all(), line("one"))

    begins = [told for told in wire.told if told.startswith("BEGIN")]
    assert set(begins) == {"BEGIN IMMEDIATE"}


# A disk that is really full.

ON_A_SMALL_DISK = """
mount -t tmpfs -o size={size}k tmpfs {folder} && cd {root} && exec {python} -m tests.full_disk {folder}
"""


def test_a_full_disk_refuses_new_work_lets_the_purge_run_and_heals(tmp_path: Path) -> None:
    folder = tmp_path / "small"
    folder.mkdir()
    script = ON_A_SMALL_DISK.format(size=12_000, folder=folder, root=Path.cwd(), python=sys.executable)
    probe = subprocess.run(
        ["unshare", "-rm", "mount", "-t", "tmpfs", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if probe.returncode != 0:
        pytest.skip(f"no small disk can be made here: {probe.stderr.decode().strip()}")

    done = subprocess.run(
        ["unshare", "-rm", "sh", "-c", script], capture_output=True, text=True, check=False, timeout=60
    )

    assert done.stdout.splitlines()[-1:] == ["healed"], done.stdout + done.stderr


@pytest.mark.parametrize("failure", ["fdatasync:1", "fdatasync:7", "fdatasync:30", "pwrite64:25", "pwrite64:60"])
def test_a_call_that_the_disk_fails_is_told_once_and_loses_nothing(
    database_url: str, failure: str, tmp_path: Path
) -> None:
    if shutil.which("strace") is None:
        pytest.skip("no strace to make the disk fail with")
    call, when = failure.split(":")
    inject = ["-e", f"trace={call}", "-e", f"inject={call}:error=EIO:when={when}"]
    program = [sys.executable, "-m", "tests.failing_disk", database_url]

    done = subprocess.run(
        ["strace", "-f", "-o", str(tmp_path / "trace"), *inject, *program], capture_output=True, text=True, check=False
    )
    if "ptrace" in done.stderr:
        pytest.skip(f"strace may not trace here: {done.stderr.strip()}")

    told = json.loads(done.stdout)
    assert told["refused"] == ["ERR_DISK"]
    assert told["there"] == told["acknowledged"]
    assert len(told["there"]) == 39

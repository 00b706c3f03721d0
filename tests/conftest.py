"""What every test may ask for: a clock it owns, a bus with a recorder, a migrated database of each kind."""

import asyncio.constants
import gc
import linecache
import shutil
import signal
import traceback
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Dialect, Engine
from sqlalchemy.engine.default import DefaultDialect

from daemons.bus import Bus
from daemons.clock import SystemClock
from daemons.database import Database
from daemons.schema import upgrade
from tests.fake_clock import FakeClock
from tests.forked import empty_database
from tests.postgres_server import PostgresServer, open_server
from tests.recorder import Recorder

DATABASES = ("sqlite", "postgresql")
STACK_DEPTH = 3
"""Lines that asyncio keeps, while it is debugged, of where a future was made; whole stacks take a third of the time."""


def pytest_configure(config: pytest.Config) -> None:
    # Whoever runs the tests in the background has these ignored, and so would every deck that a test starts.
    for number, handler in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, handler)
    asyncio.constants.DEBUG_STACK_DEPTH = STACK_DEPTH
    # What is written in C asks without a depth.
    traceback.extract_stack.__defaults__ = (None, STACK_DEPTH)
    # For each line it asks the disk whether the file is still the same: nobody edits what is being tested.
    linecache.checkcache = lambda filename=None: None
    _share_compiled_statements()
    config.addinivalue_line(
        "markers", "databases(*kinds): run only on these kinds of database, of sqlite and postgresql"
    )


def _share_compiled_statements() -> None:
    # Each test has engines of its own, which would all compile the same statements: a sixth of the time.
    caches: dict[type[Dialect], Any] = {}
    make = Engine.__init__

    def make_with_cache(self: Engine, *args: Any, **options: Any) -> None:
        make(self, *args, **options)
        self._compiled_cache = caches.setdefault(type(self.dialect), self._compiled_cache)

    Engine.__init__ = make_with_cache
    DefaultDialect.__eq__ = lambda self, other: type(self) is type(other)
    DefaultDialect.__hash__ = lambda self: hash(type(self))


def pytest_collection_finish() -> None:
    # As the served deck does once it is imported: else each look for garbage goes through all modules.
    gc.collect()
    gc.freeze()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "database_kind" in metafunc.fixturenames:
        marker = metafunc.definition.get_closest_marker("databases")
        metafunc.parametrize("database_kind", marker.args if marker else DATABASES, scope="session")


@pytest.fixture
def clock() -> FakeClock:
    """Return a clock that stands still until the test moves it."""
    return FakeClock()


@pytest.fixture
def bus() -> Bus:
    """Return the bus that the database of the test announces on."""
    return Bus()


@pytest.fixture
async def events(bus: Bus) -> AsyncIterator[Recorder]:
    """Record what the bus tells from here on."""
    recorder = Recorder()
    with bus.listen(recorder.record):
        yield recorder


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """Run a PostgreSQL server for the whole test run."""
    with open_server() as server:
        yield server


@pytest.fixture(scope="session")
def postgres_template(postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Return the name of a migrated PostgreSQL database to copy."""
    name = postgres.create()
    upgrade(postgres.url(name).render_as_string(hide_password=False), tmp_path_factory.mktemp("data"), SystemClock())
    yield name
    postgres.drop(name)


@pytest.fixture
def database_url(database_kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    """Return the address of a migrated, empty database of the test's own, of each kind in turn."""
    if database_kind == "sqlite":
        path = tmp_path / "daemondeck.db"
        shutil.copyfile(empty_database(), path)
        yield f"sqlite:///{path}"
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    name = server.create(request.getfixturevalue("postgres_template"))
    yield server.url(name).render_as_string(hide_password=False)
    server.drop(name)


@pytest.fixture
async def database(database_url: str, clock: FakeClock, bus: Bus) -> AsyncIterator[Database]:
    """Open the test's own database, of each kind in turn; it announces on `bus`."""
    async with Database(database_url, clock, bus) as database:
        yield database

"""How connections are made: one that writes and a few that read, on SQLite and on PostgreSQL."""

from typing import Any

from sqlalchemy import Engine, create_engine, event, make_url
from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry, NullPool

from daemons.clock import Clock
from daemons.errors import Fatal
from daemons.json_values import json_text

READERS = 4
"""Connections that only read, each of its own thread on SQLite."""
READ_WAIT = 2.0
"""Seconds a reader waits for one of them."""
BUSY_WAIT = 1.0
"""Seconds SQLite itself waits for a lock before it says so; the writer asks again until its own budget is spent."""
WAL_BYTES_KEPT = 64 * 1024 * 1024
STATEMENT_TIMEOUT = 8.0
"""Seconds after which PostgreSQL gives up on one statement, and SQLite on one reading."""
LOCK_TIMEOUT = 5.0
"""Seconds PostgreSQL waits for a lock."""

_STEPS_BETWEEN_LOOKS = 50_000


def normalise_url(url: str) -> URL:
    """Turn the ways people write a database's address into the one we use.

    `sqlite:///path` and `postgresql://…` (also `postgres://`) name no driver; ours are chosen here.
    Raises Fatal for any other database.
    """
    try:
        parsed = make_url(url.replace("postgres://", "postgresql://", 1))
    except ArgumentError as error:
        raise _unusable("database_url is not the address of a database") from error
    kind = parsed.get_backend_name()
    if kind == "sqlite" and parsed.database not in (None, "", ":memory:"):
        return parsed.set(drivername="sqlite")
    if kind == "postgresql":
        return parsed.set(drivername="postgresql+psycopg")
    raise _unusable(f"{parsed.drivername} is not a database this program can use")


def _unusable(message: str) -> Fatal:
    return Fatal(
        f"{message}.",
        remedy="Set database_url to sqlite:///FILE or postgresql://USER@HOST/NAME.",
        code="ERR_DATABASE_URL",
    )


def sqlite_engine(url: URL) -> Engine:
    """Make the engine of the writing connection: WAL, foreign keys, transactions begun by hand."""
    engine = create_engine(
        url,
        poolclass=NullPool,
        json_serializer=json_text,
        isolation_level="AUTOCOMMIT",
        connect_args={"timeout": BUSY_WAIT, "check_same_thread": False},
    )

    @event.listens_for(engine, "connect")
    def prepare(raw: Any, record: object) -> None:
        for pragma in (
            "journal_mode=WAL",
            "foreign_keys=ON",
            "temp_store=MEMORY",
            "cache_size=-4000",
            f"journal_size_limit={WAL_BYTES_KEPT}",
            # On macOS an ordinary fsync does not reach the disk; elsewhere these change nothing.
            "fullfsync=ON",
            "checkpoint_fullfsync=ON",
        ):
            raw.execute(f"PRAGMA {pragma}")

    return engine


def sqlite_readers(url: URL, clock: Clock) -> AsyncEngine:
    """Make the engine of the reading connections: they cannot write, leave checkpoints to the writer, and give up."""
    engine = create_async_engine(
        url.set(drivername="sqlite+aiosqlite"),
        isolation_level="AUTOCOMMIT",
        pool_size=READERS,
        max_overflow=0,
        pool_timeout=READ_WAIT,
    )

    @event.listens_for(engine.sync_engine, "connect")
    def prepare(raw: Any, record: ConnectionPoolEntry) -> None:
        cursor = raw.cursor()
        cursor.execute("PRAGMA query_only=ON")
        cursor.execute("PRAGMA wal_autocheckpoint=0")
        cursor.close()

        def is_late() -> bool:
            return bool(clock.monotonic() > record.info["deadline"])

        # Cancelling does not stop a statement in SQLite's thread; the next reader would wait for its end.
        raw.run_async(lambda connection: connection.set_progress_handler(is_late, _STEPS_BETWEEN_LOOKS))

    @event.listens_for(engine.sync_engine, "checkout")
    def begin(raw: object, record: ConnectionPoolEntry, proxy: object) -> None:
        record.info["deadline"] = clock.monotonic() + STATEMENT_TIMEOUT

    return engine


def postgres_readers(url: URL) -> AsyncEngine:
    """Make the engine of the reading connections: of their own, so that writers never keep a page waiting."""
    return postgres_engine(url, READERS, READ_WAIT)


def postgres_engine(url: URL, size: int, wait: float) -> AsyncEngine:
    """Make an engine of `size` connections; who finds none free waits `wait` seconds."""
    settings = {
        "statement_timeout": _milliseconds(STATEMENT_TIMEOUT),
        "lock_timeout": _milliseconds(LOCK_TIMEOUT),
        # A frozen manager must not hold its rows' locks for as long as it is frozen.
        "idle_in_transaction_session_timeout": _milliseconds(3 * STATEMENT_TIMEOUT),
        "timezone": "UTC",
    }
    return create_async_engine(
        url,
        json_serializer=json_text,
        pool_size=size,
        max_overflow=0,
        pool_timeout=wait,
        pool_pre_ping=True,
        connect_args={
            "options": " ".join(f"-c {name}={value}" for name, value in settings.items()),
            "application_name": "daemondeck",
            "connect_timeout": 5,
            "keepalives_idle": 10,
            "keepalives_interval": 5,
            "keepalives_count": 3,
            "tcp_user_timeout": _milliseconds(STATEMENT_TIMEOUT),
        },
    )


def _milliseconds(seconds: float) -> int:
    return int(seconds * 1000)

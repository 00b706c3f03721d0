"""What the databases complain of, in words that say what to do."""

import sqlite3
from collections.abc import Callable
from typing import Any

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from daemons.errors import StorageFull, Unavailable

REPEATABLE_STATES = frozenset({"40001", "40P01"})
"""A serialization failure and a deadlock: PostgreSQL asks to try the same again."""

_BITS_OF_PRIMARY_CODE = 0xFF
_SHARED_MEMORY_COULD_NOT_GROW = 4874  # SQLITE_IOERR_SHMSIZE, by another name a full disk


def _locked() -> Unavailable:
    return Unavailable("Another program holds the database's write lock.")


def _read_only() -> Unavailable:
    return Unavailable(
        "The database cannot be written: it is read-only.",
        code="ERR_READ_ONLY",
        remedy="Make the data directory writable for this user.",
    )


def _disk() -> Unavailable:
    return Unavailable(
        "The disk refused a read or write of the database.",
        code="ERR_DISK",
        remedy="Check the disk; what was being written may or may not be there.",
    )


def _corrupt() -> Unavailable:
    return Unavailable(
        "The database file is damaged.",
        code="ERR_DATABASE_CORRUPT",
        remedy="Restart the service: it moves the damaged file aside; the last backup is in the data directory.",
    )


def _away() -> Unavailable:
    return Unavailable("The database does not answer.", code="ERR_DATABASE_AWAY")


def _slow() -> Unavailable:
    return Unavailable("The database took too long to answer.", code="ERR_DATABASE_SLOW")


def _memory() -> Unavailable:
    return Unavailable("There is too little memory for the database.", code="ERR_MEMORY")


_SQLITE: dict[int, Callable[[], Unavailable]] = {
    sqlite3.SQLITE_FULL: StorageFull,
    sqlite3.SQLITE_BUSY: _locked,
    sqlite3.SQLITE_LOCKED: _locked,
    sqlite3.SQLITE_READONLY: _read_only,
    sqlite3.SQLITE_PERM: _read_only,
    sqlite3.SQLITE_CANTOPEN: _disk,
    sqlite3.SQLITE_IOERR: _disk,
    sqlite3.SQLITE_PROTOCOL: _disk,
    sqlite3.SQLITE_CORRUPT: _corrupt,
    sqlite3.SQLITE_NOTADB: _corrupt,
    sqlite3.SQLITE_NOMEM: _memory,
    sqlite3.SQLITE_INTERRUPT: _slow,
}

_POSTGRES: dict[str, Callable[[], Unavailable]] = {
    "53100": StorageFull,
    "53200": _memory,
    "55P03": _locked,
    "57014": _slow,
    "25006": _read_only,
    **dict.fromkeys(REPEATABLE_STATES, _locked),
}


def translated(error: BaseException) -> BaseException:
    """Return `error`, or what it means to whoever cannot see the database. Meant to be raised `from error`."""
    if isinstance(error, PoolTimeout):
        return Unavailable("The database is busy: all its connections are in use.")
    if isinstance(error, StopIteration) or not isinstance(error, Exception):
        # A future refuses the first, and the event loop ends by others.
        return _caused(RuntimeError(f"a unit of work raised {type(error).__name__}"), error)
    make = _meaning(error)
    return error if make is None else _caused(make(), error)


def _caused(new: Exception, cause: BaseException) -> Exception:
    new.__cause__ = cause
    return new


def is_full(error: BaseException | None) -> bool:
    """Whether the database found the disk full."""
    return error is not None and _meaning(error) is StorageFull


def sqlite_code(error: BaseException | None) -> int | None:
    """Return SQLite's primary result code, if that is what `error` is about."""
    inner = error.orig if isinstance(error, DBAPIError) else error
    code = getattr(inner, "sqlite_errorcode", None) if isinstance(inner, sqlite3.Error) else None
    if code == _SHARED_MEMORY_COULD_NOT_GROW:
        return sqlite3.SQLITE_FULL
    return None if code is None else code & _BITS_OF_PRIMARY_CODE


def sql_state(error: BaseException) -> str | None:
    """Return PostgreSQL's five characters for what went wrong, if it said them."""
    inner: Any = error.orig if isinstance(error, DBAPIError) else error
    state = getattr(inner, "sqlstate", None)
    return state if isinstance(state, str) else None


def is_disconnect(error: BaseException) -> bool:
    """Whether the connection is gone: the server ended, was ended, or cannot be reached."""
    state = sql_state(error) or ""
    invalidated = isinstance(error, DBAPIError) and error.connection_invalidated
    unreachable = type(getattr(error, "orig", None)).__module__.startswith("psycopg") and (
        not state and type(getattr(error, "orig", None)).__name__ == "OperationalError"
    )
    return invalidated or unreachable or state.startswith(("08", "57P"))


def _meaning(error: BaseException) -> Callable[[], Unavailable] | None:
    code = sqlite_code(error)
    if code is not None:
        return _SQLITE.get(code)
    if make := _POSTGRES.get(sql_state(error) or ""):
        return make
    return _away if is_disconnect(error) or isinstance(error, TimeoutError) else None

"""How alembic meets our tables and both kinds of database."""

import importlib
import pkgutil
from pathlib import Path
from typing import Any

from alembic import context
from sqlalchemy import Column, Connection, MetaData, create_engine, event
from sqlalchemy.pool import NullPool

import daemons.workflows
from daemons import killpoints
from daemons.database.engines import normalise_url
from daemons.models import Base
from daemons.schema import sqlite_path
from daemons.schema.sqlite_file import require_usable
from daemons.settings import load_settings

_OF_ONE_KIND = ("descriptions_words", "descriptions_folder_path")
"""How the names of tables and indexes begin that no model knows of: a test looks that they work."""
_MANAGERS_TAKE_TURNS = 42_062_029
"""The number of the lock that one upgrade of a PostgreSQL database holds against another."""


def all_tables() -> MetaData:
    """Return our tables with those of every built-in workflow. Those of plug-ins are not ours to migrate."""
    for folder in pkgutil.iter_modules(daemons.workflows.__path__):
        if Path(daemons.workflows.__path__[0], folder.name, "tables.py").exists():
            importlib.import_module(f"daemons.workflows.{folder.name}.tables")
    return Base.metadata


def include_object(thing: object, name: str | None, kind: str, reflected: bool, compared: object) -> bool:
    """Leave the tables of plug-ins alone, what is of one kind of database only, and what SQLite cannot describe."""
    if (name or "").removeprefix("ix_").startswith(_OF_ONE_KIND) or (kind == "column" and name == "words"):
        return False
    if kind == "index" and context.get_bind().dialect.name == "sqlite":
        return name not in _indexes_on_expressions()
    return not (kind == "table" and (name or "").startswith("x_"))


def _indexes_on_expressions() -> set[Any]:
    indexes = (index for table in Base.metadata.tables.values() for index in table.indexes)
    return {index.name for index in indexes if not all(isinstance(part, Column) for part in index.expressions)}


def check_references(*_: Any, **__: Any) -> None:
    """Refuse a revision that leaves a row pointing nowhere: SQLite does not look while tables are rebuilt."""
    connection = context.get_bind()
    if connection.dialect.name == "sqlite":
        broken = connection.exec_driver_sql("PRAGMA foreign_key_check").fetchall()
        if broken:
            raise RuntimeError(f"rows point to rows that are not there: {broken[:5]}")
    killpoints.reach("migration written")


def migrate(address: str, tables: MetaData | None) -> None:
    """Run what alembic was asked for, each revision in one transaction on both kinds of database."""
    url, file = normalise_url(address), sqlite_path(address)
    is_sqlite = file is not None
    if file is not None:
        require_usable(file)
    engine = create_engine(url, poolclass=NullPool, **({"isolation_level": "AUTOCOMMIT"} if is_sqlite else {}))
    if is_sqlite:
        event.listen(engine, "connect", _prepare_sqlite)
        # The driver's own transactions leave table changes out.
        event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
    event.listen(engine, "before_cursor_execute", lambda *_: killpoints.reach("migration statement"))
    with engine.connect() as connection:
        if not is_sqlite:
            connection.exec_driver_sql(f"SELECT pg_advisory_lock({_MANAGERS_TAKE_TURNS})")
            connection.commit()
        _run(connection, tables)
    engine.dispose()


def _prepare_sqlite(raw: Any, record: object) -> None:
    raw.execute("PRAGMA journal_mode=WAL")
    raw.execute("PRAGMA synchronous=FULL")
    # Cannot be switched inside a transaction, and would delete the rows of others when a table is rebuilt.
    raw.execute("PRAGMA foreign_keys=OFF")


def _run(connection: Connection, tables: MetaData | None) -> None:
    context.configure(
        connection=connection,
        target_metadata=tables,
        transactional_ddl=True,
        transaction_per_migration=True,
        render_as_batch=True,
        compare_server_default=True,
        include_object=include_object,
        on_version_apply=check_references,
    )
    with context.begin_transaction():
        context.run_migrations()


given: str | None = context.config.attributes.get("url")
# To run revisions no model is needed, so a service's upgrade depends on no workflow.
migrate(given or load_settings().database_url, None if given else all_tables())

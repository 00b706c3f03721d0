"""The naive ways: what one would write first, and what the figures are held against."""

import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from sqlalchemy import event
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine

from daemons.models import Base, DaemonTable


class OrmStatuses:
    """Writes each status at once: one session, one object, one commit."""

    def __init__(self, database: Path, synchronous: str) -> None:
        self._engine = create_async_engine(f"sqlite+aiosqlite:///{database}", connect_args={"timeout": 30})
        self._sessions = async_sessionmaker(self._engine, expire_on_commit=False)

        @event.listens_for(self._engine.sync_engine, "connect")
        def prepare(raw: "object", record: object) -> None:
            cursor = raw.cursor()  # type: ignore[attr-defined]
            cursor.execute("PRAGMA journal_mode=WAL")
            cursor.execute(f"PRAGMA synchronous={synchronous}")
            cursor.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._engine.dispose()

    async def add(self, names: Sequence[str]) -> list[str]:
        """Make the tables and a row for each daemon; return their ids."""
        async with self._engine.begin() as connection:
            await connection.run_sync(Base.metadata.create_all)
        rows = [_row(name) for name in names]
        async with self._sessions() as session:
            session.add_all(rows)
            await session.commit()
        return [row.id for row in rows]

    async def update(self, daemon_id: str, message: str) -> None:
        """Return once the status is committed."""
        async with self._sessions() as session:
            row = await session.get_one(DaemonTable, daemon_id)
            row.current_status = message
            row.status_updated_at = datetime.now(UTC)
            await session.commit()


def _row(name: str) -> DaemonTable:
    now = datetime.now(UTC)
    return DaemonTable(
        id=str(uuid.uuid4()),
        name=name,
        type=name,
        enabled=True,
        auto_start=False,
        desired="on",
        state="running",
        configuration={},
        created_at=now,
        updated_at=now,
    )

"""The naive ways: what one would write first, and what the figures are held against."""

import asyncio
import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from sqlalchemy import event
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

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


class NaiveFanOut:
    """Tells all clients something, one awaited send after the other."""

    def __init__(self, text: Callable[[int], str]) -> None:
        self._text = text
        self._clients: set[WebSocket] = set()
        self._turn: asyncio.Task[None] | None = None
        self.app = Starlette(routes=[WebSocketRoute("/", self._connect)])

    async def tell(self, number: int, size: int) -> None:
        """Send one text of `size` characters, unless the last is still being sent."""
        if self._turn is None or self._turn.done():
            self._turn = asyncio.create_task(self._tell(self._text(size)))

    async def _tell(self, text: str) -> None:
        for client in list(self._clients):
            with suppress(WebSocketDisconnect):
                await client.send_text(text)

    async def _connect(self, client: WebSocket) -> None:
        await client.accept()
        self._clients.add(client)
        try:
            async for _ in client.iter_text():
                pass
        finally:
            self._clients.discard(client)

"""A real deck in a process of its own, to be talked to over its socket, signalled and killed."""

import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Self

import httpx2
from websockets.asyncio.client import ClientConnection, connect

from tests.forked import PROJECT, ForkedDeck, seed

TOKEN = "a-token-for-tests-only"
READY_SECONDS = 30.0
_ADDRESS = re.compile(rb"http://[^/\s]+")

Item = dict[str, Any]


def free_port() -> int:
    """Return a port of the loopback interface that nobody has at the moment."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def environment(
    data_dir: Path,
    plugins: Sequence[str],
    *,
    path: Sequence[Path] = (),
    variables: Mapping[str, str] | None = None,
    settings: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """Return the environment of a deck on `data_dir` that only what is named here decides."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("DAEMONDECK_")}
    ours = {
        "DAEMONDECK_DATA_DIR": str(data_dir),
        "DAEMONDECK_PORT": "0",
        "DAEMONDECK_TOKEN": TOKEN,
        "DAEMONDECK_PLUGINS": json.dumps(plugins),
        "PYTHONPATH": os.pathsep.join(map(str, [PROJECT, *path])),
        "PYTHONUNBUFFERED": "1",
    }
    named = {f"DAEMONDECK_{key.upper()}": value for key, value in (settings or {}).items()}
    return {**kept, **ours, **(variables or {}), **named}


class DeckProcess:
    """`daemondeck serve` on a data directory, from enter to exit; whoever leaves it alive has it killed.

    Entering waits until it serves, unless `awaits_ready` is False. `path`: folders of further plug-ins;
    `variables`: environment beyond our own settings; `wrapper`: a program that becomes the deck by itself.
    `has_tables`: whether it finds a database with empty tables where it has none yet.
    """

    forks: ClassVar = True
    """Whether decks are forked; whoever measures how long they take to start wants none of that."""

    def __init__(
        self,
        data_dir: Path,
        *arguments: str,
        plugins: Sequence[str] = ("tests.chaos.load",),
        path: Sequence[Path] = (),
        awaits_ready: bool = True,
        has_tables: bool = True,
        variables: Mapping[str, str] | None = None,
        wrapper: Sequence[str] = (),
        **settings: str,
    ) -> None:
        self._data_dir = data_dir
        self._arguments = arguments
        self._plugins = plugins
        self._path = path
        self._awaits_ready = awaits_ready
        self._has_tables = has_tables and "database_url" not in settings
        self._variables = variables or {}
        self._wrapper = wrapper
        self._settings = settings
        self.url = ""
        self.output: list[bytes] = []
        self.seconds_to_ready = 0.0

    async def __aenter__(self) -> Self:
        self._began = asyncio.get_running_loop().time()
        self.began_at = datetime.now(UTC)
        if self._has_tables:
            seed(self._data_dir)
        variables = environment(
            self._data_dir, self._plugins, path=self._path, variables=self._variables, settings=self._settings
        )
        if self.forks and not self._wrapper:
            self._process: ForkedDeck | subprocess.Popen[bytes] = ForkedDeck(["serve", *self._arguments], env=variables)
        else:
            self._process = subprocess.Popen(
                [*self._wrapper, sys.executable, "-m", "daemons", "serve", *self._arguments],
                cwd=PROJECT,
                env=variables,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._ending = asyncio.create_task(_end_of(self._process))
        self._told = asyncio.Event()
        self._reading = asyncio.create_task(self._read())
        headers = {"Authorization": f"Bearer {TOKEN}"}
        self.http = httpx2.AsyncClient(headers=headers, timeout=15, verify=False, trust_env=False)
        if self._awaits_ready:
            try:
                await self.ready()
            except BaseException:
                await self.__aexit__(None, None, None)
                raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.http.aclose()
        self.kill()
        await self.ended()

    async def ready(self) -> None:
        """Return once the deck serves. Raises AssertionError with what it said when it ends instead."""
        async with asyncio.timeout(READY_SECONDS):
            await self._told.wait()
        assert self.url, self.said
        self.http.base_url = self.url

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def said(self) -> str:
        """What the process has printed and logged so far."""
        return b"".join(self.output).decode(errors="replace")

    # Ending it.

    def kill(self) -> None:
        """End the process as a power cut would."""
        self.signal(signal.SIGKILL)

    def terminate(self) -> None:
        """Ask the process to end."""
        self.signal(signal.SIGTERM)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal, unless the process is gone already."""
        self._process.send_signal(number)

    async def ended(self, within: float = 30.0) -> int:
        """Return the exit code once the process is gone, minus the number of the signal that ended it."""
        async with asyncio.timeout(within):
            code = await asyncio.shield(self._ending)
            await self._reading
        return code

    # Watching it.

    @asynccontextmanager
    async def events(self, query: str) -> AsyncIterator["Events"]:
        """Open the events socket."""
        address = f"{self.url.replace('http', 'ws', 1)}/api/events?{query}"
        async with connect(address, additional_headers={"Authorization": f"Bearer {TOKEN}"}, proxy=None) as stream:
            yield Events(stream)

    async def until_daemon(self, name: str, is_it: Callable[[Item], bool], within: float = 30.0) -> Item:
        """Return the daemon as soon as it is seen to be as wanted."""
        async with self.events(f"topics=daemons&daemon={name}") as events:
            return await events.until(lambda item: item.get("name") == name and is_it(item), within)

    async def until_job(self, job_id: str, is_it: Callable[[Item], bool], within: float = 60.0) -> Item:
        """Return the job as soon as it is seen to be as wanted."""
        async with self.events(f"topics=jobs&job={job_id}") as events:
            return await events.until(lambda item: item.get("id") == job_id and is_it(item), within)

    async def running_after(self, name: str, within: float = 30.0) -> float:
        """Return how many seconds after the start the daemon `name` was seen running."""
        await self.until_daemon(name, lambda item: bool(item["state"] == "running"), within)
        return asyncio.get_running_loop().time() - self._began

    async def until_job_ended(self, job_id: str, within: float = 60.0) -> Item:
        """Return the job once it is completed, failed or cancelled."""
        return await self.until_job(job_id, has_ended, within)

    async def _read(self) -> None:
        assert self._process.stdout is not None
        loop, lines = asyncio.get_running_loop(), asyncio.StreamReader()
        transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), self._process.stdout)
        async for line in lines:
            self.output.append(line)
            if not self.url and b"Daemondeck" in line and (found := _ADDRESS.search(line)):
                self.url = found[0].decode()
                self.seconds_to_ready = asyncio.get_running_loop().time() - self._began
                self._told.set()
        transport.close()
        self._told.set()


async def _end_of(process: "ForkedDeck | subprocess.Popen[bytes]") -> int:
    """Return the exit code of `process` once it has ended."""
    loop, ended, pidfd = asyncio.get_running_loop(), asyncio.Event(), os.pidfd_open(process.pid)
    loop.add_reader(pidfd, ended.set)
    try:
        await ended.wait()
    finally:
        loop.remove_reader(pidfd)
        os.close(pidfd)
    return process.wait()


class Events:
    """The frames of an events socket, item by item."""

    def __init__(self, stream: ClientConnection) -> None:
        self.stream = stream

    async def until(self, is_it: Callable[[Item], bool], within: float = 30.0) -> Item:
        """Return the first daemon, job or log line from here on that is as wanted."""
        async with asyncio.timeout(within):
            async for text in self.stream:
                for item in _items(json.loads(text)):
                    if is_it(item):
                        return item
        raise AssertionError(f"the deck closed the socket: {self.stream.close_code}")


def has_ended(job: Item) -> bool:
    """Whether nothing will happen to the job any more."""
    return job["state"] in ("completed", "failed", "cancelled")


def _items(frame: Item) -> list[Item]:
    if frame["type"] not in ("snapshot", "daemon", "job", "log"):
        return []
    return list(frame["data"]["items"]) if frame["type"] == "snapshot" else [frame["data"]]

"""A real deck in a process of its own, to be talked to over its socket and to be killed."""

import asyncio
import json
import os
import re
import socket
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx2
from websockets.asyncio.client import connect

PROJECT = Path(__file__).parents[2]
TOKEN = "a-token-for-tests-only"  # noqa: S105
READY_SECONDS = 30.0
_ADDRESS = re.compile(rb"http://[^/\s]+")


def free_port() -> int:
    """Return a port of the loopback interface that nobody has at the moment."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


class DeckProcess:
    """`daemondeck serve` on a data directory, from enter to exit; whoever leaves it alive has it killed."""

    def __init__(self, data_dir: Path, **settings: str) -> None:
        self._data_dir = data_dir
        self._settings = settings
        self.url = ""
        self.output: list[bytes] = []

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._began = loop.time()
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "daemons",
            "serve",
            cwd=PROJECT,
            env=self._environment(),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
        )
        self._ready: asyncio.Future[str] = loop.create_future()
        self._reading = asyncio.create_task(self._read())
        async with asyncio.timeout(READY_SECONDS):
            self.url = await self._ready
        self.seconds_to_ready = loop.time() - self._began
        headers = {"Authorization": f"Bearer {TOKEN}"}
        self.http = httpx2.AsyncClient(base_url=self.url, headers=headers, timeout=15, trust_env=False)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.http.aclose()
        self.kill()
        await self.ended()

    @property
    def pid(self) -> int:
        return self._process.pid

    def kill(self) -> None:
        """End the process as a power cut would."""
        if self._process.returncode is None:
            self._process.kill()

    def terminate(self) -> None:
        """Ask the process to end."""
        self._process.terminate()

    async def ended(self, within: float = 30.0) -> int:
        """Return the exit code once the process is gone."""
        async with asyncio.timeout(within):
            await self._process.wait()
            await self._reading
        assert self._process.returncode is not None
        return self._process.returncode

    async def running_after(self, name: str, within: float = 30.0) -> float:
        """Return how many seconds after the start the daemon `name` was seen running."""
        await self._until_seen(f"topics=daemons&daemon={name}", lambda item: bool(item["state"] == "running"), within)
        return asyncio.get_running_loop().time() - self._began

    async def until_job_ended(self, job_id: str, within: float = 60.0) -> None:
        """Return once the job is completed, failed or cancelled."""
        ends = ("completed", "failed", "cancelled")
        await self._until_seen(f"topics=jobs&job={job_id}", lambda item: item["state"] in ends, within)

    async def _until_seen(self, wanted: str, is_it: Callable[[dict[str, Any]], bool], within: float) -> None:
        address = f"{self.url.replace('http', 'ws', 1)}/api/events?{wanted}"
        async with asyncio.timeout(within):
            async with connect(address, additional_headers={"Authorization": f"Bearer {TOKEN}"}) as socket:
                async for text in socket:
                    if any(is_it(item) for item in _items(json.loads(text))):
                        return
        raise AssertionError(f"never seen: {wanted}")

    def _environment(self) -> Mapping[str, str]:
        kept = {key: value for key, value in os.environ.items() if not key.startswith("DAEMONDECK_")}
        ours = {
            "DAEMONDECK_DATA_DIR": str(self._data_dir),
            "DAEMONDECK_PORT": "0",
            "DAEMONDECK_TOKEN": TOKEN,
            "DAEMONDECK_PLUGINS": '["tests.chaos.load"]',
            "PYTHONPATH": str(PROJECT),
            "PYTHONUNBUFFERED": "1",
        }
        return {**kept, **ours, **{f"DAEMONDECK_{key.upper()}": value for key, value in self._settings.items()}}

    async def _read(self) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            self.output.append(line)
            if not self._ready.done() and b"signin" in line and (found := _ADDRESS.search(line)):
                self._ready.set_result(found[0].decode())
        if not self._ready.done():
            self._ready.set_exception(AssertionError(b"".join(self.output).decode(errors="replace")))


def _items(frame: dict[str, Any]) -> list[dict[str, Any]]:
    if frame["type"] not in ("snapshot", "daemon", "job"):
        return []
    return list(frame["data"]["items"]) if frame["type"] == "snapshot" else [frame["data"]]

"""P13: how soon a deck serves, and what one weighs that has nothing to do."""

import asyncio
import contextlib
import os
import socket
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import psutil

from benchmarks.engine import folder
from benchmarks.report import Benchmark, Figure, Rounds, at_most, interleave
from daemons.service import open_service
from daemons.settings import Settings

DAEMONS = 50
MEGABYTE = 1024 * 1024
READY_SECONDS = 20.0
SETTLE_SECONDS = 3.0
"""Between being ready and being idle: the daemons start meanwhile."""
IDLE_SECONDS = 5.0
LIBRARIES = "aiosqlite, jinja2, pydantic_settings, sqlalchemy.ext.asyncio, starlette.applications, uvicorn, websockets"


async def start() -> list[Figure]:
    """P13: start, and idle."""
    with folder() as place:
        await _prepare(place)
        # The first start of an installation compiles its modules, if the installer has not; no later one does.
        await _seconds_to_ready(place)
        ready, imports = await interleave(lambda: _seconds_to_ready(place), _seconds_to_import)
        weight, cpu = await _idle(place)
    return [
        Figure(
            "start to /readyz 200",
            Rounds(ready, " s"),
            at_most(1.0, " s"),
            note=f"a process that only imports the libraries: {Rounds(imports, ' s')}",
        ),
        Figure(f"idle with {DAEMONS} running daemons: memory", Rounds([weight], " MB"), at_most(95, " MB")),
        Figure(f"idle with {DAEMONS} running daemons: CPU", Rounds(cpu, " % of a core"), at_most(1, " % of a core")),
    ]


async def _prepare(place: Path) -> None:
    """Migrate a database in which fifty daemons are wanted that sleep."""
    settings = Settings(data_dir=place, plugins=["benchmarks.work"])
    async with open_service(settings) as service:
        for number in range(DAEMONS):
            row = await service.add_daemon("bench_talker", f"sleeper_{number}", {"interval": 86_400.0})
            await service.roster.start(row.name)


async def _seconds_to_ready(place: Path) -> float:
    began = time.perf_counter()
    async with _deck(place):
        return time.perf_counter() - began


async def _seconds_to_import() -> float:
    began = time.perf_counter()
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", f"import {LIBRARIES}", env=_environment())
    await process.wait()
    return time.perf_counter() - began


async def _idle(place: Path) -> tuple[float, list[float]]:
    """Return the megabytes and the CPU per cent of an idle deck."""
    async with _deck(place) as process:
        await asyncio.sleep(SETTLE_SECONDS)
        cpu = []
        for _ in range(2):
            before = process.cpu_times()
            await asyncio.sleep(IDLE_SECONDS)
            after = process.cpu_times()
            cpu.append((after.user + after.system - before.user - before.system) / IDLE_SECONDS * 100)
        return process.memory_info().rss / MEGABYTE, cpu


@asynccontextmanager
async def _deck(place: Path) -> AsyncIterator[psutil.Process]:
    """Serve the data in a process of its own, from ready to ended."""
    port = _free_port()
    ours = {"DAEMONDECK_DATA_DIR": str(place), "DAEMONDECK_PLUGINS": '["benchmarks.work"]'}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "daemons", "serve", "--port", str(port)),
        env={**_environment(), **ours, "PYTHONPATH": str(Path.cwd())},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(READY_SECONDS):
            while not await _is_ready(port):
                if process.returncode is not None:
                    raise RuntimeError(f"the deck ended with {process.returncode}")
                await asyncio.sleep(0.005)
        yield psutil.Process(process.pid)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.wait()


def _environment() -> dict[str, str]:
    """Return what a user's process would see: none of our settings, and compiled modules kept as they usually are."""
    return {
        name: value
        for name, value in os.environ.items()
        if name != "PYTHONDONTWRITEBYTECODE" and not name.startswith("DAEMONDECK_")
    }


async def _is_ready(port: int) -> bool:
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    try:
        writer.write(f"GET /readyz HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n".encode())
        return b" 200 " in await reader.readline()
    except OSError:
        return False
    finally:
        writer.close()


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


BENCHMARKS = [
    Benchmark(
        "P13",
        "Start and idle",
        f"`daemondeck serve` as a process on a migrated database, {DAEMONS} daemons that were on; ready is the first "
        f"200 of /readyz. Idle: resident memory {SETTLE_SECONDS:.0f} s later, CPU over {IDLE_SECONDS:.0f} s.",
        start,
    )
]

"""Which processes run daemons and jobs, and which they started themselves."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import psutil
from pydantic import AwareDatetime
from starlette.requests import Request
from starlette.responses import Response

from daemons.leases import WorkerInfo
from web.api import shapes
from web.api.calls import Call
from web.context import service
from web.encoding import Listing

COMMAND_CHARACTERS = 200


class ProcessShape(shapes.Shape):
    """A process that a worker started; memory in bytes, CPU in seconds since it began."""

    pid: int
    command: str
    memory: int
    cpu_seconds: float
    started_at: AwareDatetime


class WorkerShape(shapes.Shape):
    """A process that runs daemons and jobs; of others than the one that answers, `processes` are not known."""

    id: str
    host: str
    pid: int
    this: bool
    alive: bool
    started_at: AwareDatetime
    beat_at: AwareDatetime
    daemons: int
    jobs: int
    memory: int | None
    cpu_seconds: float | None
    processes: list[ProcessShape]


class WorkerPage(shapes.Shape):
    items: list[WorkerShape]
    next: None


async def list_workers(request: Request) -> Response:
    return Listing(await workers_of(request))


async def workers_of(request: Request) -> list[dict[str, Any]]:
    """Return every worker as the list shows it."""
    workers = await service(request).leases.workers()
    own, children = await asyncio.to_thread(_own_processes)
    return [_worker(worker, own, children) for worker in workers]


def _worker(worker: WorkerInfo, own: dict[str, Any], children: list[dict[str, Any]]) -> dict[str, Any]:
    manager = worker.manager
    return {
        "id": manager.id,
        # What distinguishes the containers of one machine is for programs.
        "host": manager.host.split(" ")[0],
        "pid": manager.pid,
        "this": manager.is_this,
        "alive": not manager.is_dead,
        "started_at": worker.started_at,
        "beat_at": worker.beat_at,
        "daemons": worker.daemons,
        "jobs": worker.jobs,
        "memory": own["memory"] if manager.is_this else None,
        "cpu_seconds": own["cpu_seconds"] if manager.is_this else None,
        "processes": children if manager.is_this else [],
    }


def _own_processes() -> tuple[dict[str, Any], list[dict[str, Any]]]:
    this = psutil.Process()
    return _looked_at(this), [found for child in this.children(recursive=True) for found in _if_there(child)]


def _if_there(process: psutil.Process) -> Iterator[dict[str, Any]]:
    try:
        yield _looked_at(process)
    except psutil.Error:
        return  # It ended while we looked.


def _looked_at(process: psutil.Process) -> dict[str, Any]:
    with process.oneshot():
        times = process.cpu_times()
        return {
            "pid": process.pid,
            "command": " ".join(process.cmdline())[:COMMAND_CHARACTERS],
            "memory": process.memory_info().rss,
            "cpu_seconds": round(times.user + times.system, 3),
            "started_at": datetime.fromtimestamp(process.create_time(), UTC),
        }


CALLS = [
    Call(
        "GET",
        "/api/workers",
        list_workers,
        "Processes that run daemons and jobs, and those they started.",
        WorkerPage,
        command="daemondeck ps",
    )
]

"""Jobs and hands for the tests of dispatchers."""

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from sqlalchemy import insert, update

from daemons.database.transaction import Transaction
from daemons.errors import Unavailable
from daemons.events import JobChanged
from daemons.handlers import JobContext, job
from daemons.jobs import claims
from daemons.jobs.rows import JOBS
from daemons.models import ManagerTable
from daemons.orders import Created
from daemons.states import JobState
from daemons.values import Job
from tests.dispatch.job_deck import JobDeck

DYING_WORKER = Path(__file__).with_name("dying_worker.py")


class Number(BaseModel):
    value: int


@job("double")
async def double(ctx: JobContext, args: Number) -> Number:
    return Number(value=args.value * 2)


class Held:
    """A handler that begins, says so, and ends when told to."""

    def __init__(self, type: str = "held", **rules: Any) -> None:
        self.begun = asyncio.Event()
        self.release = asyncio.Event()
        self.runs: list[str] = []

        @job(type, **rules)
        async def held(ctx: JobContext) -> None:
            self.runs.append(ctx.job_id)
            self.begun.set()
            await self.release.wait()

        self.handler = held


def queued_after(attempt: int) -> Callable[[JobChanged], bool]:
    """Return whether an event shows a job in line again after so many attempts."""
    return lambda event: event.job.state is JobState.QUEUED and event.job.attempt == attempt


def claim_one(tx: Transaction, worker: str) -> list[Job]:
    return claims.claim(tx, worker, {"default": 1}, claims.Admission())


def give_to_another(tx: Transaction, job_id: str) -> None:
    make_managers(tx, "another")
    tx.execute(update(JOBS).where(JOBS.c.id == job_id).values(worker="another", attempt=JOBS.c.attempt + 1))


def make_managers(tx: Transaction, *ids: str) -> None:
    for manager in ids:
        values = {"id": manager, "host": "elsewhere", "pid": 1, "process_started": 0.0, "beat": 1}
        tx.execute(insert(ManagerTable), {**values, "started_at": tx.now, "beat_at": tx.now})


CALM = 10.0
"""Seconds after which everybody whom a busy database turned away has asked again."""


async def create_patiently(deck: JobDeck, args: Any, **wishes: Any) -> Created:
    """Order as a client does: a busy database says so, and one asks again."""
    while True:
        try:
            return await deck.orders.create("double", args, **wishes)
        except Unavailable:
            await asyncio.sleep(0)


async def worker_dies(database_url: str) -> int | None:
    child = await asyncio.create_subprocess_exec(sys.executable, str(DYING_WORKER), database_url)
    async with asyncio.timeout(20):
        return await child.wait()

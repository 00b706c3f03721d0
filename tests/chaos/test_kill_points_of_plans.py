"""A deck dies amid a due time, a slice of a bulk operation or a message: nothing is lost, and nothing done twice.

Only a message may come twice, with the same id: whether it arrived cannot be known by who died before the answer.
"""

import asyncio
import random
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
from sqlalchemy import Connection, Executable, create_engine, select, update

from daemons.bus import Bus
from daemons.clock import SystemClock
from daemons.database import Database
from daemons.database.engines import normalise_url
from daemons.models import DeliveryTable, IncidentTable, JobTable, ScheduleRunTable, ScheduleTable
from daemons.questions import NewQuestion, Questions
from tests.chaos.promises import Promises, let_all_work_through
from tests.chaos.test_kill_points import AT_A_MESSAGE, AT_A_SCHEDULE, AT_A_SLICE, KILLED
from tests.fakes.receiver import receiving

MISSED_HOURS = 5
MANY_JOBS = 120
"""More than two slices, so that one is done when the next dies."""
STEP = {"type": "chaos_step", "args": {"number": 1}}


class Rows:
    """The data of decks that are dead, seen and changed from outside."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def of(self, statement: Executable) -> list[Any]:
        with self._connection.begin():
            return list(self._connection.execute(statement).all())

    def change(self, statement: Executable) -> None:
        with self._connection.begin():
            self._connection.execute(statement)


@pytest.fixture
def promises(tmp_path: Path, database_url: str) -> Promises:
    return Promises(tmp_path, database_url, random.Random(7))


@pytest.fixture
def rows(database_url: str) -> Iterator[Rows]:
    engine = create_engine(normalise_url(database_url))
    with engine.connect() as connection:
        yield Rows(connection)
    engine.dispose()


async def die_at(promises: Promises, place: str) -> None:
    async with promises.deck(awaits_ready=False, kill_at=place) as deck:
        assert await deck.ended() == KILLED, place


@pytest.mark.timeout(60)
async def test_a_deck_that_dies_at_a_due_time_creates_each_job_once(promises: Promises, rows: Rows) -> None:
    when = {"kind": "interval", "expression": "1h", "zone": "UTC", "missed": "all"}
    what = {"action": "create_job", "job_type": STEP["type"], "args": STEP["args"]}
    async with promises.deck() as deck:
        made = await deck.http.post("/api/schedules", json={"name": "hourly", **when, **what})
        assert made.status_code == 201, made.text
    began = datetime.now(UTC) - timedelta(hours=MISSED_HOURS, minutes=5)
    due = [began + timedelta(hours=hour) for hour in range(1, MISSED_HOURS + 1)]
    rows.change(update(ScheduleTable).values(created_at=began, next_at=due[0]))

    for place in AT_A_SCHEDULE:
        await die_at(promises, place)

    assert (await promises.settle()).problems + promises.broken == []
    runs = rows.of(select(ScheduleRunTable.due_at, ScheduleRunTable.job_id).order_by(ScheduleRunTable.due_at))
    assert [run.due_at for run in runs] == due
    assert {run.job_id for run in runs} == {job.id for job in rows.of(select(JobTable.id))}
    assert len(rows.of(select(JobTable.id))) == MISSED_HOURS


@pytest.mark.databases("sqlite")
@pytest.mark.timeout(60)
async def test_a_deck_that_dies_in_a_slice_retries_each_job_once(promises: Promises, rows: Rows) -> None:
    async with promises.deck() as deck:
        for _ in range(MANY_JOBS):
            await deck.http.post("/api/jobs", json=STEP)
        await let_all_work_through(deck)

    first, *others = AT_A_SLICE
    async with promises.deck(kill_at=first) as deck:
        with suppress(httpx2.HTTPError):
            await deck.http.post("/api/jobs/bulk", json={"action": "retry", "q": "state:completed"})
        assert await deck.ended() == KILLED
    for place in others:
        await die_at(promises, place)

    # A job that was retried by a person had an end before, which the rows of others must not have.
    problems = [one for one in (await promises.settle()).problems if "has an accepted end too" not in one]
    assert problems + promises.broken == []
    async with promises.deck() as deck:
        [operation] = (await deck.http.get("/api/operations")).json()["items"]
    assert (operation["state"], operation["done"], operation["refused"]) == ("completed", MANY_JOBS, 0)
    # A job that ran when the deck died has one more attempt, and a crash to show for it.
    tried = [job.attempt - job.crashes for job in rows.of(select(JobTable.attempt, JobTable.crashes))]
    assert tried == [2] * MANY_JOBS


@pytest.mark.databases("postgresql")
@pytest.mark.timeout(60)
async def test_a_deck_that_dies_at_a_message_sends_it_at_least_once(
    promises: Promises, rows: Rows, database_url: str
) -> None:
    async with receiving() as receiver:
        target = {"name": "hook", "kind": "webhook", "url": receiver.url, "zone": "UTC"}
        async with promises.deck() as deck:
            assert (await deck.http.post("/api/notifications/targets", json=target)).status_code == 201
        await ask(database_url)

        for place in AT_A_MESSAGE:
            await die_at(promises, place)
            # Whoever dies while it sends is waited for; that time is over.
            rows.change(update(DeliveryTable).values(next_try_at=datetime.now(UTC) - timedelta(seconds=1)))
        async with promises.deck() as deck:
            await receiver.wait_for(2)
            async with asyncio.timeout(10):
                while (await delivered(deck.http))["outcome"] != "sent":
                    continue  # each answer takes its time

    [incident] = rows.of(select(IncidentTable.recovered_at))
    [delivery] = rows.of(select(DeliveryTable.tries, DeliveryTable.id))
    assert (incident.recovered_at, delivery.tries) == (None, 3)
    assert [receiver.body(at)["id"] for at in range(len(receiver.requests))] == [delivery.id] * 2


async def ask(database_url: str) -> None:
    clock, bus = SystemClock(), Bus()
    async with Database(database_url, clock, bus) as database:
        schema = {"type": "object", "properties": {"keep": {"type": "boolean"}}}
        await Questions(database, clock, bus).ask(NewQuestion("keep", "Keep this clip?", schema), lambda tx: None)


async def delivered(deck: httpx2.AsyncClient) -> dict[str, Any]:
    [only] = (await deck.get("/api/notifications/deliveries")).json()["items"]
    return dict(only)

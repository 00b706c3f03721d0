"""What the descriptions of a folder come to in figures, the same on every database."""

from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from daemons.database import Database
from daemons.errors import ErrorInfo
from daemons.workflow import Items
from daemons.workflows.describe.keeper import DescriptionKeeper, FileStamp, Finding, Way, record
from tests.engine_deck import keeper_tools
from tests.fake_clock import FakeClock

HOUR = timedelta(hours=1)


class Options(NamedTuple):
    directory: Path | None = Path("/pictures")
    describer: str = "basic"
    model: str = ""


@pytest.fixture
def keeper(database: Database, clock: FakeClock) -> DescriptionKeeper:
    return DescriptionKeeper(keeper_tools(database, clock))


async def settle(database: Database, name: str, seconds: float | None = None, **more: Any) -> None:
    """Write what describing one file came to."""
    way = Way(b"/pictures", "basic")
    finding = Finding(FileStamp(name.encode(), 1, 2), seconds, description="A picture.", **more)
    await database.write(lambda tx: record(tx, way, finding, "job-1"))


async def test_all_that_was_measured_is_summed_up(
    database: Database, clock: FakeClock, keeper: DescriptionKeeper
) -> None:
    await settle(database, "old.jpg", 1000.0)
    await clock.advance(86_400)
    began = clock.now()
    for number, seconds in enumerate((1.0, 2.0, 3.0, 10.0)):
        finish = "length" if number == 0 else "stop"
        await settle(database, f"{number}.jpg", seconds, finish=finish, prompt_tokens=100, output_tokens=8)
        await clock.advance(1800)
    for name in ("bad.jpg", "worse.jpg"):
        await settle(database, name, error=ErrorInfo("ERR_IMAGE_TRUNCATED", f"{name} is cut off."))

    found = await keeper.item_statistics(Options(), began, HOUR)

    assert found is not None
    assert (found.noun, found.done, found.failed, found.settled) == ("images", 5, 2, 6)
    assert found.success_rate == pytest.approx(5 / 7)
    assert (found.rate_last_hour, found.rate) == (3.0, 2.5)
    assert found.last is not None
    assert (found.last.at, found.last.state) == (clock.now(), "failed")
    assert found.seconds is not None
    assert found.as_dict()["seconds"] == {
        "items": 4,
        "mean": 4.0,
        "median": 2.5,
        "p95": 10.0,
        "shortest": 1.0,
        "longest": 10.0,
    }
    assert [(one.code, one.items) for one in found.codes] == [("ERR_IMAGE_TRUNCATED", 2)]
    assert [one["message"] for one in found.as_dict()["recent"]] == ["worse.jpg is cut off.", "bad.jpg is cut off."]
    assert found.as_dict()["answers"] == {
        "answers": 4,
        "cut": 1,
        "prompt_tokens": 400,
        "output_tokens": 32,
        "tokens_per_second": 2.0,
    }
    assert [(one.at - began, one.done, one.failed, one.seconds) for one in found.stretches] == [
        (timedelta(0), 2, 0, 1.5),
        (HOUR, 2, 0, 6.5),
        (2 * HOUR, 0, 2, None),
    ]
    assert isinstance(keeper, Items)


async def test_short_stretches_begin_on_round_times(
    database: Database, clock: FakeClock, keeper: DescriptionKeeper
) -> None:
    for number in range(4):
        await settle(database, f"{number}.jpg", 1.0)
        await clock.advance(70)

    found = await keeper.item_statistics(Options(), clock.now() - HOUR, timedelta(minutes=2))

    assert found is not None
    assert [(one.at.minute, one.done) for one in found.stretches] == [(0, 2), (2, 2)]
    # Younger than an hour, it is rated since it began.
    assert found.rate_last_hour == pytest.approx(4 * 3600 / 280)


async def test_what_somebody_has_seen_of_failures_needs_no_action(
    database: Database, clock: FakeClock, keeper: DescriptionKeeper
) -> None:
    since = clock.now()
    for number, code in enumerate(("ERR_SEEN", "ERR_OTHER", "ERR_SEEN")):
        await settle(database, f"{number}.jpg", error=ErrorInfo(code, "It is broken."))
        await clock.advance(60)
    await settle(database, "good.jpg", 1.0)

    assert await keeper.item_failures(Options(), since, {}) == (3, 4)
    assert await keeper.item_failures(Options(), since, {"ERR_SEEN": since + timedelta(seconds=90)}) == (2, 4)
    assert await keeper.item_failures(Options(None), since, {}) == (0, 0)


async def test_another_folder_or_none_counts_nothing(
    database: Database, clock: FakeClock, keeper: DescriptionKeeper
) -> None:
    await settle(database, "a.jpg", 1.0)
    since = clock.now() - HOUR

    other = await keeper.item_statistics(Options(Path("/others")), since, HOUR)

    assert other is not None
    assert (other.done, other.settled, other.success_rate, other.rate, other.last, other.seconds) == (
        *(0, 0, None, None, None, None),
    )
    assert await keeper.item_statistics(Options(None), since, HOUR) is None

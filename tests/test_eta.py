"""The end that is printed, driven as a daemon drives it: told by batches, measured by its line, put into words."""

import random
import re
from contextlib import AsyncExitStack
from statistics import median

import pytest

from daemons.bus import Bus
from daemons.cli.progress import time_left
from daemons.database import Database
from daemons.journal import Journal
from daemons.leases import Leases
from daemons.roster import DeclaredType, Roster
from daemons.states import DaemonState
from daemons.status import StatusBoard, StatusLine
from tests.fake_clock import FakeClock

RUNS = 200
ITEMS = 2_000
BATCH = 20
SIGMA = 1.35
"""Of log-normal times whose mean is two and a half times their median, as measured on 31,841 images."""
UNITS = {"s": 1, "min": 60, "h": 3_600, "d": 86_400}


def printed(line: StatusLine, board: StatusBoard, clock: FakeClock) -> tuple[float, float] | None:
    """Return the range that a person reads, in seconds from now; None before anything is told."""
    pace = board.get("watch").live.pace
    if pace is None or pace.ends_earliest is None or pace.ends_latest is None:
        return None
    left = [max(0.0, (end - clock.now()).total_seconds()) for end in (pace.ends_earliest, pace.ends_latest)]
    words = re.fullmatch(r", (?:([\d.]+)(?: (\w+))? to )?([\d.]+) (\w+) left", time_left(left))
    assert words is not None
    low, unit = (words[1], words[2] or words[4]) if words[1] else (words[3], words[4])
    return float(low) * UNITS[unit], float(words[3]) * UNITS[words[4]]


def run(line: StatusLine, board: StatusBoard, clock: FakeClock, seed: int) -> tuple[bool, float]:
    """Simulate one run that slows down to a half in its middle.

    Return whether every range printed from 10 % on holds the true end, and how many times its begin their ends are.
    """
    chance = random.Random(seed)
    times = [chance.lognormvariate(2.3, SIGMA) * (2 if number >= ITEMS / 2 else 1) for number in range(ITEMS)]
    end, at, held, widths = sum(times), 0.0, True, []
    line.progress(0, ITEMS)
    for done in range(BATCH, ITEMS, BATCH):
        seconds = sum(times[done - BATCH : done])
        clock.leap(seconds)
        at += seconds
        line.progress(done, ITEMS)
        told = printed(line, board, clock)
        if done >= ITEMS / 10:
            assert told is not None
            held = held and told[0] <= end - at <= told[1]
            widths.append(told[1] / max(1.0, told[0]))
    return held, median(widths)


@pytest.mark.databases("sqlite")
async def test_the_range_printed_from_ten_percent_on_holds_the_true_end(
    database: Database, clock: FakeClock, bus: Bus
) -> None:
    roster, journal = Roster(database), Journal(database, clock)
    board = StatusBoard(database, clock, bus, journal, roster)
    await roster.declare([DeclaredType("watch", "Watch", "")])
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(journal)
        await stack.enter_async_context(board)
        lease = await Leases(database, clock).take(board.get("watch").id)
        assert lease is not None
        await roster.move(lease, DaemonState.STARTING)
        line = await board.open(lease)

        runs = [run(line, board, clock, seed) for seed in range(RUNS)]

    # A run counts only if none of the ninety ranges was wrong.
    assert sum(held for held, _ in runs) >= 0.8 * RUNS
    # Half of it is the slowdown that nobody knows of beforehand: no honest range ends before twice its begin.
    assert median(width for _, width in runs) <= 4.0

"""A deck that is killed at random moments loses nothing it answered for. The long run is `kill_loop.py` itself."""

from pathlib import Path

import pytest

from tests.chaos.kill_loop import run


@pytest.mark.timeout(120)
async def test_nothing_acknowledged_is_lost_by_being_killed(database_url: str, tmp_path: Path) -> None:
    report = await run(tmp_path, database_url, cycles=6, seed=20260501)

    assert report.problems == []
    assert len(report.promises.jobs) > 0

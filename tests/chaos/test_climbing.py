"""A drop folder climbs to its end although the deck is killed: nothing twice, nothing behind its data."""

from pathlib import Path

import pytest

from tests.chaos.climbing import run


@pytest.mark.timeout(180)
async def test_a_drop_folder_climbs_to_its_end_although_the_deck_is_killed(tmp_path: Path) -> None:
    report = await run(tmp_path, stills=30, clips=3, kills=2)

    assert report.problems == []
    ends = {end for end, count in report.ends.items() if count}
    assert {"stills complete", "footage complete", "frames complete"} <= ends

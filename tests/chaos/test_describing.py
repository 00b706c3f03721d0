"""A folder described while the deck is killed and stopped. The long run is `describing.py` itself."""

from pathlib import Path

import pytest

from tests.chaos.describing import BROKEN, run


@pytest.mark.timeout(120)
async def test_all_images_are_described_or_named_and_none_twice(tmp_path: Path) -> None:
    report = await run(tmp_path, images=600, broken=10, kills=1, stops=1)

    assert report.states == {"done": 590, "failed": 10}
    assert report.codes.total() == len(BROKEN)
    assert report.described_twice == 0
    assert report.worker < 1536

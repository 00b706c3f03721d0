import os
from pathlib import Path

import pytest

from daemons.database.ballast import RECHECK, Ballast
from daemons.errors import StorageFull
from tests.fake_clock import FakeClock

SIZE = 1024 * 1024


@pytest.fixture
def ballast(tmp_path: Path, clock: FakeClock) -> Ballast:
    return Ballast(tmp_path / "ballast", clock, size=SIZE)


def test_the_file_really_takes_its_space(ballast: Ballast, tmp_path: Path) -> None:
    assert ballast.make()

    assert (tmp_path / "ballast").stat().st_blocks * 512 >= SIZE
    ballast.require()


def test_releasing_frees_the_space_once(ballast: Ballast, tmp_path: Path) -> None:
    ballast.make()

    assert ballast.release()
    assert not ballast.release()
    assert list(tmp_path.iterdir()) == []


async def test_nothing_new_is_taken_in_until_the_file_is_back(ballast: Ballast, clock: FakeClock) -> None:
    ballast.make()
    ballast.release()

    with pytest.raises(StorageFull, match="2 MB must be free"):
        ballast.require()
    ballast.recheck()
    assert ballast.is_released

    await clock.advance(RECHECK)
    ballast.recheck()
    ballast.require()


def test_it_does_not_take_the_last_space(ballast: Ballast, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    free = os.statvfs(tmp_path)
    monkeypatch.setattr(os, "statvfs", lambda path: os.statvfs_result((*free[:4], SIZE // free.f_frsize, *free[5:])))

    assert not ballast.make()
    assert ballast.is_released
    assert list(tmp_path.iterdir()) == []

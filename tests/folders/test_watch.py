"""Watching a folder: what changed is told at once, and a folder that cannot be watched breaks nothing."""

import asyncio
import os
from pathlib import Path

import pytest

from daemons.clock import SystemClock
from daemons.folders.watch import REMEMBERED, FolderWatch, Place
from tests.fake_clock import FakeClock


async def until_told(watch: FolderWatch, told: asyncio.Event) -> set[bytes] | None:
    """Return what changed, once something did; None when it may be anything."""
    async with asyncio.timeout(10):
        await told.wait()
    told.clear()
    return watch.take()


async def ready(watch: FolderWatch, folder: Path, told: asyncio.Event) -> None:
    """Write to a file until the watch has begun to tell of it."""
    place = Place(bytes(folder), recursive=True)
    await watch.follow(place)
    while not told.is_set():
        (folder / "warm up").write_text("again")
        await SystemClock().wait(told, 0.2)
    await until_told(watch, told)


async def test_a_new_file_is_told_by_its_path_below_the_folder(tmp_path: Path) -> None:
    told = asyncio.Event()
    real = tmp_path / "real"
    (real / "below").mkdir(parents=True)
    (tmp_path / "link").symlink_to("real")
    async with FolderWatch(SystemClock(), told.set) as watch:
        await ready(watch, tmp_path / "link", told)
        (real / "below" / "new\nline.jpg").write_text("x")

        while (paths := await until_told(watch, told)) == {b"warm up"}:
            continue
        assert paths is not None
        assert paths - {b"warm up"} == {b"below/new\nline.jpg"}


async def test_a_name_that_is_not_utf_8_makes_it_look_through_the_folder(tmp_path: Path) -> None:
    told = asyncio.Event()
    async with FolderWatch(SystemClock(), told.set) as watch:
        await ready(watch, tmp_path, told)
        Path(os.fsdecode(bytes(tmp_path) + b"/\xff.jpg")).write_text("x")

        while await until_told(watch, told) is not None:
            continue


async def test_a_folder_that_is_not_there_is_tried_again_later(tmp_path: Path, clock: FakeClock) -> None:
    told = asyncio.Event()
    folder = tmp_path / "later"
    async with FolderWatch(clock, told.set) as watch:
        await watch.follow(Place(bytes(folder), recursive=True))
        await clock.advance(10)
        folder.mkdir()
        while not told.is_set():
            await clock.advance(300)
            (folder / "a.jpg").write_text("again")
            await SystemClock().wait(told, 0.1)


@pytest.mark.parametrize(("count", "complete"), [(REMEMBERED, True), (REMEMBERED + 1, False)])
async def test_more_changes_than_are_remembered_are_a_reason_to_look_through_all(count: int, complete: bool) -> None:
    watch = FolderWatch(SystemClock(), lambda: None)

    watch.add(b"%d" % number for number in range(count))

    taken = watch.take()
    assert (taken is not None, len(taken or ())) == (complete, count if complete else 0)
    assert watch.take() == set()

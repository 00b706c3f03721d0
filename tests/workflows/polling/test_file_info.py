"""The facts of a still, and whatever may be wrong with its file."""

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest

from daemons.errors import DaemonError, Permanent
from daemons.folders.paths import wire_path
from daemons.workflows.polling.steps.file_info import file_info
from daemons.workflows.polling.steps.file_threads import GoOn, in_thread
from daemons.workflows.polling.steps.files import FileReplaced, ensure_same, file_of, reading, sha256_of, stamp_of
from tests.pictures.samples import busy, canon_in_berlin, landscape, saved
from tests.workflows.polling.step_context import Context, context, record


@pytest.fixture
async def ctx() -> AsyncIterator[Context]:
    async with context() as ctx:
        yield ctx


async def code_of(ctx: Context, path: bytes | Path) -> tuple[str, bool]:
    """Return as what reading the facts failed, and whether no other try would help."""
    with pytest.raises(DaemonError) as caught:
        await file_info(ctx, record(path))
    assert caught.value.remedy
    return caught.value.error_code, isinstance(caught.value, Permanent)


async def test_the_facts_of_a_photograph_are_read_whatever_its_name(ctx: Context, tmp_path: Path) -> None:
    path = bytes(tmp_path) + b"/\xff caf\xc3\xa9\n.png"
    saved(landscape(), tmp_path / "a.jpg", exif=canon_in_berlin(6))
    (tmp_path / "a.jpg").rename(os.fsdecode(path))
    os.utime(path, (1_600_000_000, 1_600_000_000))
    data = Path(os.fsdecode(path)).read_bytes()

    outcome = await file_info(ctx, record(path))

    sha256 = hashlib.sha256(data).hexdigest()
    assert outcome.fields == {
        "file_name": "\\xff café⏎.png",
        "file_type": "image/jpeg",
        "size": len(data),
        "width": 800,
        "height": 1200,
        "sha256": sha256,
        "modified_at": "2020-09-13T12:26:40+00:00",
        "thumbnail": sha256,
    }
    assert outcome.thumbnail is not None
    assert outcome.thumbnail[:4] == b"RIFF"
    assert (outcome.to, outcome.note) == (None, None)


async def test_a_picture_without_its_end_has_facts_and_no_small_copy(ctx: Context, tmp_path: Path) -> None:
    path = saved(busy(), tmp_path / "a.jpg")
    os.truncate(path, 20_000)

    outcome = await file_info(ctx, record(path))

    assert (outcome.fields["width"], outcome.fields["size"]) == (1200, 20_000)
    assert (outcome.fields["thumbnail"], outcome.thumbnail) == (None, None)
    assert outcome.note == "There is no small copy to show: The image is cut off: its end is missing."


async def test_what_is_no_picture_is_said_and_not_tried_again(ctx: Context, tmp_path: Path) -> None:
    text = tmp_path / "a.jpg"
    text.write_text("not a picture")
    heic = tmp_path / "b.jpg"
    heic.write_bytes(b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic" + bytes(100))
    link = tmp_path / "c.jpg"
    link.symlink_to(text)
    pipe = tmp_path / "d.jpg"
    os.mkfifo(pipe)
    broken = tmp_path / "e.png"
    broken.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(1000))

    assert await code_of(ctx, text) == ("ERR_NOT_AN_IMAGE", True)
    assert await code_of(ctx, heic) == ("ERR_IMAGE_UNSUPPORTED", True)
    assert await code_of(ctx, link) == ("ERR_NOT_A_FILE", True)
    assert await code_of(ctx, pipe) == ("ERR_NOT_A_FILE", True)
    assert (await code_of(ctx, broken))[1]


async def test_what_may_come_back_is_tried_again(ctx: Context, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "zero.jpg").touch()

    assert await code_of(ctx, tmp_path / "zero.jpg") == ("ERR_FILE_EMPTY", False)
    assert await code_of(ctx, tmp_path / "moved.jpg") == ("ERR_FILE_MISSING", False)
    assert await code_of(ctx, tmp_path / "unmounted" / "a.jpg") == ("ERR_FOLDER_MISSING", False)
    assert await code_of(ctx, tmp_path / "empty" / "a.jpg") == ("ERR_FOLDER_MISSING", False)
    assert await code_of(ctx, tmp_path / "zero.jpg" / "a.jpg") == ("ERR_FOLDER_MISSING", False)


async def test_a_file_replaced_while_it_is_read_is_not_taken_for_what_it_was(tmp_path: Path) -> None:
    path = saved(busy(), tmp_path / "a.jpg")
    other = saved(busy(2), tmp_path / "b.jpg")

    with reading(path) as file:
        stamp = stamp_of(file)
        ensure_same(file, path, stamp)
        Path(os.fsdecode(other)).replace(os.fsdecode(path))
        with pytest.raises(FileReplaced):
            ensure_same(file, path, stamp)
        Path(os.fsdecode(path)).unlink()
        with pytest.raises(FileReplaced, match="moved"):
            ensure_same(file, path, stamp)


async def test_hashing_40_gigabytes_blocks_nothing_and_ends_when_nobody_waits(tmp_path: Path) -> None:
    path = tmp_path / "large.tif"
    with path.open("wb") as file:
        file.truncate(40 * 1024**3)
    begun, ended = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def hashing(go_on: GoOn) -> str:
        def told() -> None:
            loop.call_soon_threadsafe(begun.set)
            go_on()

        try:
            with reading(bytes(path)) as file:
                return sha256_of(file, told)
        finally:
            loop.call_soon_threadsafe(ended.set)

    task = asyncio.create_task(in_thread(hashing))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    await ended.wait()


async def test_the_copy_in_the_library_is_worked_on_once_there_is_one(tmp_path: Path) -> None:
    assert file_of(record(b"/a/\xff.jpg")) == b"/a/\xff.jpg"
    assert file_of(record(b"/a/b.jpg", library_path=wire_path(b"/library/\xfe.jpg"))) == b"/library/\xfe.jpg"
    assert await in_thread(partial(lambda go_on: go_on())) is None

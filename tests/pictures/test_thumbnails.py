"""Small copies of pictures: made by real workers, once, within bounds, whatever the disk and the askers do."""

import asyncio
import io
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from hashlib import sha256
from pathlib import Path

import pytest
from PIL import Image

from daemons.clock import SystemClock
from daemons.pictures.thumbnail_files import ThumbnailFiles
from daemons.pictures.thumbnails import AT_ONCE, NoThumbnail, Size, Source, Thumbnails
from daemons.subprocess_work.pool import WorkerPool
from tests.pictures.samples import busy, canon_in_berlin, saved


@pytest.fixture
async def thumbnails(tmp_path: Path) -> AsyncIterator[Thumbnails]:
    async with opened(tmp_path) as thumbnails:
        yield thumbnails


@asynccontextmanager
async def opened(data_dir: Path, limit: int = 10**9) -> AsyncIterator[Thumbnails]:
    clock = SystemClock()
    async with WorkerPool(clock) as pool, Thumbnails(pool, clock, data_dir / "thumbnails", limit) as thumbnails:
        yield thumbnails


def source_of(path: bytes, size: Size = Size.THUMBNAIL) -> Source:
    return Source(path, sha256(Path(os.fsdecode(path)).read_bytes()).hexdigest(), size)


def webp(seed: int = 0, edge: int = 80) -> bytes:
    data = io.BytesIO()
    busy(seed, edge, edge).save(data, "WEBP")
    return data.getvalue()


async def test_a_picture_is_shown_small_upright_and_without_its_notes(thumbnails: Thumbnails, tmp_path: Path) -> None:
    photograph = saved(busy(), tmp_path / "a \n--help.jpg", exif=canon_in_berlin(orientation=6))

    small = Image.open(io.BytesIO(await thumbnails.get(source_of(photograph))))
    large = Image.open(io.BytesIO(await thumbnails.get(source_of(photograph, Size.LARGE))))

    assert (small.format, small.size, dict(small.getexif())) == ("WEBP", (256, 384), {})
    assert large.size == (800, 1200)
    assert len(list((tmp_path / "thumbnails").glob("??/*.webp"))) == 2


async def test_many_ask_and_it_is_made_once(thumbnails: Thumbnails, tmp_path: Path) -> None:
    source = source_of(saved(busy(), tmp_path / "a.jpg"))

    copies = await asyncio.gather(*(thumbnails.get(source) for _ in range(50)))

    assert len(set(copies)) == 1
    # Now kept: neither the picture nor a worker is needed any more.
    (tmp_path / "a.jpg").unlink()
    assert await thumbnails.get(source) == copies[0]


async def test_of_a_storm_only_those_are_made_that_somebody_still_waits_for(
    thumbnails: Thumbnails, tmp_path: Path
) -> None:
    sources = [source_of(saved(busy(seed, 60, 40), tmp_path / f"{seed}.png")) for seed in range(30)]
    asked = [asyncio.create_task(thumbnails.get(source)) for source in sources]
    done, _ = await asyncio.wait(asked, return_when=asyncio.FIRST_COMPLETED, timeout=20)

    for task in asked[:-1]:
        task.cancel()
    await asked[-1]

    made = list((tmp_path / "thumbnails").glob("??/*.webp"))
    # Those done, those in a worker's hands, and the one that is wanted.
    assert len(done) < len(made) + AT_ONCE + 1
    assert len(made) <= len(done) + 2 * AT_ONCE + 1


async def test_a_broken_picture_is_tried_once_and_says_what_is_wrong(thumbnails: Thumbnails, tmp_path: Path) -> None:
    path = saved(busy(), tmp_path / "cut.jpg")
    file = tmp_path / "cut.jpg"
    file.write_bytes(file.read_bytes()[:9000])
    source = source_of(path)

    for _ in range(2):
        with pytest.raises(NoThumbnail) as caught:
            await thumbnails.get(source)
        assert (caught.value.error_code, caught.value.remedy) == (
            "ERR_IMAGE_TRUNCATED",
            "Copy or download it again from where it came from.",
        )
        # The second time nobody looks at the file.
        saved(busy(), file)


async def test_other_bytes_are_not_shown_under_the_hash_of_those_described(
    thumbnails: Thumbnails, tmp_path: Path
) -> None:
    source = source_of(saved(busy(1), tmp_path / "a.png"))
    saved(busy(2), tmp_path / "a.png")

    with pytest.raises(NoThumbnail) as caught:
        await thumbnails.get(source)

    assert caught.value.error_code == "ERR_FILE_CHANGED"
    assert not list((tmp_path / "thumbnails").glob("??/*"))


def test_a_full_disk_costs_the_copy_on_disk_and_not_the_picture(tmp_path: Path) -> None:
    picture, disk = tmp_path / "a.jpg", tmp_path / "small"
    saved(busy(), picture)
    disk.mkdir()
    mount = f"mount -t tmpfs -o size=200k tmpfs {disk}"
    probe = subprocess.run(["unshare", "-rm", "sh", "-c", mount], capture_output=True, check=False)
    if probe.returncode != 0:
        pytest.skip(f"no small disk can be made here: {probe.stderr.decode().strip()}")
    program = f"{sys.executable} -m tests.pictures.full_thumbnails {disk} {picture}"

    done = subprocess.run(
        ["unshare", "-rm", "sh", "-c", f"{mount} && exec {program}"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert done.stdout.splitlines()[-1:] == ["healed"], done.stdout + done.stderr


async def test_what_was_cut_off_on_disk_is_made_again_and_leftovers_go(tmp_path: Path) -> None:
    source = source_of(saved(busy(), tmp_path / "a.jpg"))
    async with opened(tmp_path) as thumbnails:
        whole = await thumbnails.get(source)
    kept = tmp_path / "thumbnails" / source.name[:2] / source.name
    kept.write_bytes(whole[:100])
    leftover = kept.with_name(f"{source.name}.00000000.1.tmp")
    leftover.write_bytes(b"RIFF")

    async with opened(tmp_path) as thumbnails:
        assert await thumbnails.get(source) == whole

    assert kept.read_bytes() == whole
    assert not leftover.exists()


def test_the_least_recently_used_go_first(tmp_path: Path) -> None:
    data = webp()
    files = ThumbnailFiles(tmp_path, limit=len(data) * 10)
    names = [f"{number:064x}.webp" for number in range(12)]
    for number, name in enumerate(names):
        files.write(name, data)
        os.utime(tmp_path / name[:2] / name, (number, number))
    assert files.read(names[0]) == data

    kept = files.tidy()

    left = [name for name in names if (tmp_path / name[:2] / name).exists()]
    assert left == [names[0], *names[4:]]
    assert kept == len(data) * 9
    assert files.tidy() == kept


async def test_the_folder_stays_within_its_limit(tmp_path: Path) -> None:
    limit = 20_000
    sources = [source_of(saved(busy(seed, 120, 80), tmp_path / f"{seed}.png")) for seed in range(8)]
    async with opened(tmp_path, limit) as thumbnails:
        for source in sources:
            await thumbnails.get(source)
            await asyncio.gather(*(task for task in asyncio.all_tasks() if task.get_name() == "sweep thumbnails"))

    left = sum(file.stat().st_size for file in (tmp_path / "thumbnails").glob("??/*.webp"))
    assert 0 < left <= limit

"""Looking through a folder: what is found, in which order, and what happens when the folder misbehaves."""

import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from daemons.folders.scan import (
    DirectoryMissing,
    DirectoryVanished,
    FolderScan,
    Found,
    NotADirectory,
)
from daemons.folders.wanted import Wanted


def tree(root: Path, *names: str) -> Path:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    return root


async def paths(scan: FolderScan, size: int = 500) -> list[bytes]:
    return [found.path async for batch in scan.batches(size) for found in batch]


async def test_pictures_come_in_the_same_order_every_time(tmp_path: Path) -> None:
    in_order = ["y.tiff", "z.JPG", "a/5.webp", "a/z/9.gif", "b/1.jpg", "b/2.png"]
    root = tree(tmp_path, *reversed(in_order))

    assert await paths(FolderScan(bytes(root))) == [name.encode() for name in in_order]


async def test_what_is_no_picture_by_its_name_is_left_out(tmp_path: Path) -> None:
    root = tree(tmp_path, "a.txt", "b.jpg.part", ".hidden.jpg", ".thumbnails/c.jpg", "jpg", "d.heic")

    assert await paths(FolderScan(bytes(root))) == [b"d.heic"]


async def test_only_the_folder_itself_when_not_recursive(tmp_path: Path) -> None:
    root = tree(tmp_path, "a.jpg", "b/c.jpg")

    assert await paths(FolderScan(bytes(root), recursive=False)) == [b"a.jpg"]


async def test_each_comes_with_the_size_and_time_that_tell_whether_it_changed(tmp_path: Path) -> None:
    tree(tmp_path, "a.jpg")
    os.utime(tmp_path / "a.jpg", ns=(1, 1_600_000_000_123_456_789))

    batches = [batch async for batch in FolderScan(bytes(tmp_path)).batches()]

    assert batches == [[Found(b"a.jpg", 5, 1_600_000_000_123_456_789)]]


async def test_batches_are_as_large_as_asked(tmp_path: Path) -> None:
    root = tree(tmp_path, *(f"{number:03}.jpg" for number in range(25)))

    assert [len(batch) async for batch in FolderScan(bytes(root)).batches(10)] == [10, 10, 5]


async def test_links_are_counted_and_never_followed(tmp_path: Path) -> None:
    root = tree(tmp_path, "a/b.jpg")
    (root / "a" / "loop").symlink_to(root)
    (root / "c.jpg").symlink_to(root / "a" / "b.jpg")
    scan = FolderScan(bytes(root))

    assert await paths(scan) == [b"a/b.jpg"]
    assert scan.links == 2


async def test_the_folder_itself_may_be_a_link(tmp_path: Path) -> None:
    tree(tmp_path / "real", "a.jpg")
    (tmp_path / "link").symlink_to("real")

    assert await paths(FolderScan(bytes(tmp_path / "link"))) == [b"a.jpg"]


async def test_of_single_paths_only_what_a_whole_look_would_find_is_found(tmp_path: Path) -> None:
    root = tree(tmp_path, "a/1.jpg", "a/b/2.jpg", "c.jpg", "text.txt", ".hidden/3.jpg", "raw/4.jpg")
    (root / "link").symlink_to(root / "a")
    scan = FolderScan(bytes(root), wanted=Wanted(exclude=["raw/"]))
    within = [
        b"a",
        b"c.jpg",
        b"text.txt",
        b".hidden/3.jpg",
        b"link/1.jpg",
        b"link",
        b"raw/4.jpg",
        b"gone.jpg",
        b"a//x",
        b"",
    ]

    found = [one.path async for batch in scan.batches(within=within) for one in batch]

    assert found == [b"a/1.jpg", b"a/b/2.jpg", b"c.jpg"]


async def test_no_name_is_too_strange(tmp_path: Path) -> None:
    names = [b"$(x);.jpg", b"-rf.jpg", b"new\nline.jpg", b"\xff\xfe.jpg"]
    for name in names:
        (tmp_path / os.fsdecode(name)).write_bytes(b"")

    assert await paths(FolderScan(bytes(tmp_path))) == names


async def test_a_folder_that_is_missing_or_none_says_so(tmp_path: Path) -> None:
    tree(tmp_path, "file")

    with pytest.raises(DirectoryMissing) as missing:
        await paths(FolderScan(bytes(tmp_path / "nowhere")))
    with pytest.raises(NotADirectory) as none:
        await paths(FolderScan(bytes(tmp_path / "file")))
    assert missing.value.remedy
    assert none.value.remedy


async def test_a_folder_that_vanishes_on_the_way_is_an_error_and_not_an_empty_folder(tmp_path: Path) -> None:
    root = tree(tmp_path / "disk", *(f"{folder}/{number}.jpg" for folder in "abc" for number in range(800)))

    with pytest.raises(DirectoryVanished):
        async for _ in FolderScan(bytes(root)).batches(100):
            if not (tmp_path / "unplugged").exists():
                root.rename(tmp_path / "unplugged")
                root.mkdir()  # what is left when a disk is unmounted: an empty mount point


async def test_a_folder_below_that_vanishes_is_skipped(tmp_path: Path) -> None:
    root = tree(tmp_path, *(f"a/{number:04}.jpg" for number in range(1500)), "b/gone.jpg", "c/there.jpg")
    scan = FolderScan(bytes(root))

    found = []
    async for batch in scan.batches(100):
        shutil.rmtree(root / "b", ignore_errors=True)
        found += [entry.path for entry in batch]

    assert found[-1] == b"c/there.jpg"
    assert [(skipped.path, skipped.error.error_code) for skipped in scan.skipped] == [(b"b", "ERR_DIRECTORY_MISSING")]


@pytest.mark.skipif(os.geteuid() != 0, reason="becomes somebody else, which only root can")
@pytest.mark.parametrize(("closed", "told"), [(".", "ERR_DIRECTORY_UNREADABLE"), ("below", "1 skipped, 1 found")])
def test_a_folder_of_somebody_else_is_unreadable(closed: str, told: str) -> None:
    script = (
        "import asyncio, concurrent.futures.thread, os, sys\n"
        "from daemons.folders.scan import DirectoryError, FolderScan\n"
        "os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        "async def main():\n"
        "    scan = FolderScan(os.fsencode(sys.argv[1]))\n"
        "    try: found = [one async for batch in scan.batches() for one in batch]\n"
        "    except DirectoryError as error: sys.exit(error.error_code)\n"
        "    sys.exit(f'{scan.skipped_count} skipped, {len(found)} found')\n"
        "asyncio.run(main())"
    )
    with tempfile.TemporaryDirectory() as folder:
        root = tree(Path(folder), "a.jpg", "below/b.jpg")
        root.chmod(0o755)
        (root / closed).chmod(0o700)

        ended = subprocess.run([sys.executable, "-c", script, root], capture_output=True, text=True)

    assert ended.stderr.strip() == told


async def test_the_loop_stays_awake_while_many_files_are_looked_at(tmp_path: Path) -> None:
    for number in range(20_000):
        os.close(os.open(tmp_path / f"{number}.jpg", os.O_CREAT | os.O_WRONLY))
    turns = 0

    async def count_turns() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    counting = asyncio.create_task(count_turns())
    count = len(await paths(FolderScan(bytes(tmp_path))))
    counting.cancel()

    assert count == 20_000
    # On the loop itself, each of the 40 slices and batches would have let it turn once or twice.
    assert turns > 500

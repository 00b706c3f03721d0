"""Copies in the library: whole or not there, over nothing, and gone on with after whatever broke them off."""

import fcntl
import hashlib
import os
import shutil
import signal
import subprocess
import sys
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from types import SimpleNamespace

import pytest

from daemons.folders.paths import wire_path
from daemons.killpoints import VARIABLE
from daemons.workflows.polling import library as module
from daemons.workflows.polling.keeper import RecordKeeper
from daemons.workflows.polling.library import INCOMING, LEFTOVER_SECONDS, Copied, copy_into, names_for, put
from daemons.workflows.polling.library_errors import CopyUnderWay, LibraryGone
from daemons.workflows.polling.steps.copying import copy
from daemons.workflows.polling.steps.file_info import file_info
from daemons.workflows.polling.steps.files import DiskAway, FileReplaced
from tests.pictures.samples import busy, landscape, saved
from tests.workflows.polling.step_context import Context, Shelf, after, context, record

ROOT = Path(module.__file__).parents[3]
MEGABYTE = 1024 * 1024

PLACES = ("copy written", "copy verified", "copy placed")
"""Where a copy is died at."""


@pytest.fixture
def library(tmp_path: Path) -> Path:
    folder = tmp_path / "library"
    folder.mkdir()
    return folder


@pytest.fixture
def source(tmp_path: Path) -> Path:
    file = tmp_path / "drop" / "a.jpg"
    file.parent.mkdir()
    file.write_bytes(os.urandom(3 * MEGABYTE + 17))
    os.utime(file, (1_600_000_000, 1_600_000_000))
    return file


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def copied(library: Path, source: Path, content: str | None = None) -> Copied:
    return copy_into(library, bytes(source), content or sha256(source), lambda: None)


def names(library: Path) -> list[str]:
    return sorted(path.name for path in library.iterdir() if path.name != INCOMING)


def parts(library: Path) -> list[Path]:
    return sorted((library / INCOMING).iterdir())


def test_the_copy_is_the_same_to_the_byte_and_to_its_time(library: Path, source: Path) -> None:
    found = copied(library, source)

    assert found == Copied(bytes(library / "a.jpg"), sha256(source), is_new=True)
    assert (library / "a.jpg").read_bytes() == source.read_bytes()
    assert (library / "a.jpg").stat().st_mtime == 1_600_000_000
    assert not parts(library)


def test_run_twice_it_comes_to_the_same(library: Path, source: Path) -> None:
    first, second = copied(library, source), copied(library, source)

    assert (second.path, second.is_new) == (first.path, False)
    assert names(library) == ["a.jpg"]


def test_a_name_that_is_taken_by_other_content_is_left_alone(library: Path, source: Path) -> None:
    (library / "a.jpg").write_bytes(b"somebody's")
    (library / "a-2.jpg").symlink_to("/nowhere")
    (library / "a-3.jpg").mkdir()

    assert copied(library, source).path == bytes(library / "a-4.jpg")
    assert copied(library, source).path == bytes(library / "a-4.jpg")
    assert (library / "a.jpg").read_bytes() == b"somebody's"
    assert names(library) == ["a-2.jpg", "a-3.jpg", "a-4.jpg", "a.jpg"]


def test_a_name_is_never_too_long_nor_cut_within_a_character() -> None:
    names = names_for("é".encode() * 126 + b".jpeg")
    strange = names_for(b"\xff" * 255)

    assert [next(names), next(names), next(names)][1:] == [
        "é".encode() * 124 + b"-2.jpeg",
        "é".encode() * 124 + b"-3.jpeg",
    ]
    assert [next(strange), next(strange)] == [b"\xff" * 255, b"\xff" * 253 + b"-2"]
    assert next(names_for(b".hidden")) == b".hidden"


def test_a_name_of_any_bytes_is_kept(library: Path, tmp_path: Path) -> None:
    source = Path(os.fsdecode(bytes(tmp_path) + b"/\xff\n-x.jpg"))
    source.write_bytes(b"content")

    assert copied(library, source).path == bytes(library) + b"/\xff\n-x.jpg"


@pytest.mark.parametrize("place", PLACES)
def test_kill_9_at_any_place_leaves_one_whole_copy_or_none(library: Path, source: Path, place: str) -> None:
    program = (
        "import sys; from pathlib import Path; from daemons.workflows.polling.library import copy_into; "
        "copy_into(Path(sys.argv[1]), sys.argv[2].encode(), sys.argv[3], lambda: None)"
    )
    command = [sys.executable, "-c", program, str(library), str(source), sha256(source)]

    died = subprocess.run(command, env=os.environ | {VARIABLE: place}, cwd=ROOT, check=False)
    before = names(library)
    found = copied(library, source)

    assert died.returncode == -signal.SIGKILL
    assert before == (["a.jpg"] if place == "copy placed" else [])
    assert (found.path, names(library), parts(library)) == (bytes(library / "a.jpg"), ["a.jpg"], [])
    assert sha256(library / "a.jpg") == sha256(source)


def broken_off(library: Path, source: Path, chunks: int) -> Path:
    """Break a copy off after so many chunks; return its part."""
    left = chunks

    def go_on() -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise InterruptedError

    with pytest.raises(Exception, match="cannot be copied"):
        copy_into(library, bytes(source), sha256(source), go_on)
    [part] = parts(library)
    return part


def test_a_half_copy_is_gone_on_with_and_what_is_wrong_in_it_is_made_anew(library: Path, source: Path) -> None:
    part = broken_off(library, source, 2)
    assert part.stat().st_size == 2 * MEGABYTE
    with part.open("r+b") as file:
        file.seek(MEGABYTE + 5)
        file.write(b"not what was there")
        file.truncate(9 * MEGABYTE)

    assert copied(library, source).is_new
    assert (library / "a.jpg").read_bytes() == source.read_bytes()


def test_a_part_that_has_its_place_already_is_not_written_into(library: Path, source: Path) -> None:
    """Killed between the two names, then the copy was worked on: its owner's bytes stay."""
    part = broken_off(library, source, 1)
    (library / "a.jpg").hardlink_to(part)
    (library / "a.jpg").write_bytes(b"worked on")

    assert copied(library, source).path == bytes(library / "a-2.jpg")
    assert (library / "a.jpg").read_bytes() == b"worked on"


def test_two_never_write_into_one_part(library: Path, source: Path) -> None:
    part = broken_off(library, source, 1)

    with part.open("r+b") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(CopyUnderWay):
            copied(library, source)
    assert copied(library, source).is_new


def test_leftovers_that_nobody_goes_on_with_are_swept(library: Path, source: Path) -> None:
    (library / INCOMING).mkdir()
    young = library / INCOMING / "0123.part"
    young.touch()
    newest = SimpleNamespace(st_ctime=young.stat().st_ctime + LEFTOVER_SECONDS + 1)

    copied(library, source)
    assert parts(library) == [young]
    module.Part(library, b"other").sweep(newest)

    assert parts(library) == []


def test_without_links_a_name_is_still_taken_only_if_it_is_free(tmp_path: Path) -> None:
    part, taken, free = tmp_path / "part", tmp_path / "taken", tmp_path / "free"
    part.write_bytes(b"new")
    taken.write_bytes(b"old")

    with pytest.raises(FileExistsError):
        put(part, taken, links=False)
    put(part, free, links=False)

    assert (taken.read_bytes(), free.read_bytes(), part.exists()) == (b"old", b"new", False)


def test_a_source_that_changes_while_it_is_copied_leaves_nothing(library: Path, source: Path) -> None:
    content, calls = sha256(source), 0

    def go_on() -> None:
        nonlocal calls
        calls += 1
        if calls == 2:
            with source.open("r+b") as file:
                file.write(b"changed")

    with pytest.raises(FileReplaced):
        copy_into(library, bytes(source), content, go_on)
    assert (names(library), parts(library)) == ([], [])


def test_a_library_that_is_gone_is_not_made(source: Path, tmp_path: Path) -> None:
    with pytest.raises(LibraryGone):
        copied(tmp_path / "unmounted" / "library", source)
    (tmp_path / "file").touch()
    with pytest.raises(LibraryGone):
        copied(tmp_path / "file", source)
    assert not (tmp_path / "unmounted").exists()


def test_a_disk_that_is_full_or_read_only_is_named(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = f"mount -t tmpfs -o size=1m tmpfs {disk}"
    if subprocess.run(["unshare", "-rm", "sh", "-c", mount], capture_output=True, check=False).returncode != 0:
        pytest.skip("no file system of its own can be mounted here")

    script = f"{mount} && cd {ROOT} && exec {sys.executable} -m tests.workflows.polling.full_library {disk} {tmp_path}"
    ended = subprocess.run(
        ["unshare", "-rm", "sh", "-c", script], capture_output=True, text=True, check=False, timeout=60
    )

    assert ended.stdout == "all told\n", ended.stderr


def stills(library: Path, tmp_path: Path) -> AbstractAsyncContextManager[Context]:
    return context(SimpleNamespace(library=library), keepers={RecordKeeper: Shelf(tmp_path / "records")})


async def climb(ctx: Context, path: Path) -> tuple[object, object]:
    """Read the facts of a still and copy it; return the record and what copying came to."""
    first = record(path)
    with_facts = after(first, await file_info(ctx, first), "file_info")
    outcome = await copy(ctx, with_facts)
    return after(with_facts, outcome, "copy"), outcome


async def test_a_still_goes_on_with_its_copy_wherever_the_source_is_by_then(library: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    saved(landscape(64, 48), path)
    async with stills(library, tmp_path) as ctx:
        climbed, outcome = await climb(ctx, path)
        path.unlink()
        again = await copy(ctx, climbed)
        facts = await file_info(ctx, climbed)

    assert outcome.fields == {
        "library_path": wire_path(bytes(library / "a.jpg")),
        "copied_at": "2030-01-01T12:00:00+00:00",
    }
    assert again.fields == {"library_path": outcome.fields["library_path"]}
    assert facts.fields["sha256"] == climbed.fields["sha256"]


async def test_a_copy_that_was_deleted_is_made_again(library: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    saved(landscape(64, 48), path)
    async with stills(library, tmp_path) as ctx:
        climbed, _ = await climb(ctx, path)
        (library / "a.jpg").unlink()
        facts = await file_info(ctx, climbed)
        outcome = await copy(ctx, after(climbed, facts, "file_info"))

    assert facts.fields["library_path"] is None
    assert outcome.fields["library_path"] == wire_path(bytes(library / "a.jpg"))
    assert names(library) == ["a.jpg"]


async def test_a_library_whose_disk_is_not_mounted_is_waited_for_and_nothing_is_left_on_the_empty_folder(
    library: Path, tmp_path: Path
) -> None:
    one, other = tmp_path / "a.jpg", tmp_path / "b.jpg"
    saved(landscape(64, 48), one)
    saved(busy(1, 64, 48), other)
    disk = tmp_path / "disk"
    async with stills(library, tmp_path) as ctx:
        await climb(ctx, one)
        library.rename(disk)
        library.mkdir()
        with pytest.raises(LibraryGone, match="not mounted"):
            await climb(ctx, other)
        left = [*library.iterdir()]
        library.rmdir()
        disk.rename(library)
        await climb(ctx, other)
        (library / INCOMING).rmdir()
        with pytest.raises(LibraryGone) as emptied:
            await copy(ctx, record(saved(busy(2, 64, 48), tmp_path / "c.jpg")))
        (library / INCOMING).mkdir()
        await copy(ctx, record(tmp_path / "c.jpg"))

    assert left == []
    assert emptied.value.remedy is not None and INCOMING in emptied.value.remedy
    assert names(library) == ["a.jpg", "b.jpg", "c.jpg"]


async def test_without_a_library_and_within_it_a_still_stays_where_it_is(library: Path, tmp_path: Path) -> None:
    saved(landscape(64, 48), library / "a.jpg")
    async with stills(library, tmp_path) as ctx:
        inside, _ = await climb(ctx, library / "a.jpg")
        ctx.options.library = None
        outside = await copy(ctx, record(tmp_path / "b.jpg"))

    assert inside.fields["library_path"] == wire_path(bytes(library / "a.jpg"))
    assert names(library) == ["a.jpg"]
    assert (dict(outside.fields), outside.note) == ({}, "No library is set: the file stays where it is.")


async def test_a_still_replaced_since_its_facts_were_read_has_them_read_again(library: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    saved(landscape(64, 48), path)
    async with stills(library, tmp_path) as ctx:
        first = after(record(path), await file_info(ctx, record(path)), "file_info")
        saved(busy(1, 64, 48), path)
        outcome = await copy(ctx, first)
        shutil.rmtree(path.parent / "library")
        path.unlink()
        with pytest.raises(DiskAway):
            await copy(ctx, record(tmp_path / "gone" / "a.jpg"))

    assert outcome.to == "0 - Pending File Info"
    assert outcome.note is not None

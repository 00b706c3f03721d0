"""Sidecars: beside the image, whole or not at all, never over the work of another program."""

import errno
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from daemons.errors import Conflict, DaemonError, StorageFull
from daemons.pictures.originals import FolderMissing, PictureMissing
from daemons.pictures.xmp import SidecarUnreadable, read
from daemons.workflows.describe import sidecar
from daemons.workflows.describe.sidecar import (
    FolderReadOnly,
    SidecarChanged,
    SidecarForeign,
    SidecarRefused,
    SidecarUnwritten,
    temporary_name,
    write_sidecar,
)

NOW = datetime(2026, 1, 2, tzinfo=UTC)
IMAGE = b"\xff\xd8 an image"
FOREIGN = b'<r:RDF xmlns:r="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><r:Description r:about=""/></r:RDF>'


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    (tmp_path / "2019").mkdir()
    (tmp_path / "2019" / "a.jpg").write_bytes(IMAGE)
    return tmp_path


def write(photos: Path, path: bytes = b"2019/a.jpg", words: str = "A dog.", *, merge: bool = False) -> Path:
    written = write_sidecar(os.fsencode(photos), path, words, merge=merge, version="1", now=NOW)
    return photos / os.fsdecode(written)


def names(photos: Path) -> list[str]:
    return sorted(path.name for path in photos.rglob("*"))


def test_it_is_written_and_written_again_and_the_image_stays(photos: Path) -> None:
    first = write(photos)
    first.chmod(0o640)
    again = write(photos, words="Two dogs.")

    assert first == again == photos / "2019" / "a.jpg.xmp"
    assert (read(again.read_bytes()).said, again.stat().st_mode & 0o777) == ("Two dogs.", 0o640)
    assert (photos / "2019" / "a.jpg").read_bytes() == IMAGE
    assert names(photos) == ["2019", "a.jpg", "a.jpg.xmp"]


def test_what_a_killed_process_left_behind_goes_with_the_next_try(photos: Path) -> None:
    (photos / "2019" / os.fsdecode(temporary_name(b"a.jpg.xmp"))).write_bytes(b"half a side")

    assert read(write(photos).read_bytes()).said == "A dog."
    assert names(photos) == ["2019", "a.jpg", "a.jpg.xmp"]


def test_any_name_gets_one(photos: Path) -> None:
    (photos / os.fsdecode(b"-rf\n\xff.jpg")).write_bytes(IMAGE)

    assert read(write(photos, b"-rf\n\xff.jpg").read_bytes()).said == "A dog."


def test_that_of_another_program_is_only_added_to_when_asked(photos: Path) -> None:
    there = photos / "2019" / "a.jpg.xmp"
    there.write_bytes(FOREIGN)

    with pytest.raises(SidecarForeign):
        write(photos)
    assert there.read_bytes() == FOREIGN
    write(photos, merge=True)
    assert read(there.read_bytes()).said == "A dog."


@pytest.mark.parametrize(
    ("path", "error"),
    [
        (b"2019/gone.jpg", PictureMissing),
        (b"2020/a.jpg", PictureMissing),
        (b"linked/a.jpg", PictureMissing),
        (b"../a.jpg", PictureMissing),
        (b"/etc/passwd", PictureMissing),
        (b"", PictureMissing),
        (b"2019", PictureMissing),
        (b"2019/" + b"x" * 253, SidecarUnwritten),
    ],
)
def test_only_an_image_below_the_folder_gets_one(photos: Path, path: bytes, error: type[DaemonError]) -> None:
    (photos / "linked").symlink_to(photos / "2019")
    (photos / "2019" / ("x" * 253)).write_bytes(IMAGE)
    before = names(photos)

    with pytest.raises(error):
        write(photos, path)
    with pytest.raises(FolderMissing):
        write(photos / "nowhere")
    assert names(photos) == before


@pytest.mark.parametrize("kind", ["link", "dangling link", "folder", "pipe", "huge", "garbage"])
def test_what_stands_in_its_place_stays(photos: Path, kind: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    there = photos / "2019" / "a.jpg.xmp"
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "secret"
    match kind:
        case "link":
            elsewhere.write_bytes(FOREIGN)
            there.symlink_to(elsewhere)
        case "dangling link":
            there.symlink_to(elsewhere)
        case "folder":
            there.mkdir()
        case "pipe":
            os.mkfifo(there)
        case "huge":
            there.write_bytes(b" " * 2_000_000)
        case _:
            there.write_bytes(b"<a>")
    before = there.lstat()

    with pytest.raises((SidecarRefused, SidecarUnreadable)):
        write(photos, merge=True)

    assert (there.lstat().st_ino, there.lstat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert elsewhere.exists() is (kind == "link")


@pytest.mark.parametrize(
    ("number", "error"),
    [
        (errno.ENOSPC, StorageFull),
        (errno.EDQUOT, StorageFull),
        (errno.EROFS, FolderReadOnly),
        (errno.EACCES, FolderReadOnly),
        (errno.EIO, SidecarUnwritten),
    ],
)
def test_what_the_disk_refuses_is_named_and_leaves_nothing_behind(
    photos: Path, monkeypatch: pytest.MonkeyPatch, number: int, error: type[DaemonError]
) -> None:
    def refuse(handle: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(sidecar.os, "fsync", refuse)

    with pytest.raises(error):
        write(photos)

    assert names(photos) == ["2019", "a.jpg"]


def test_what_another_program_writes_meanwhile_is_not_lost(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    there = write(photos)
    sync = os.fsync

    def race(handle: int) -> None:
        there.write_bytes(FOREIGN)
        sync(handle)

    monkeypatch.setattr(sidecar.os, "fsync", race)

    with pytest.raises(SidecarChanged) as refused:
        write(photos, words="Two dogs.")

    assert isinstance(refused.value, Conflict)
    assert there.read_bytes() == FOREIGN
    assert names(photos) == ["2019", "a.jpg", "a.jpg.xmp"]

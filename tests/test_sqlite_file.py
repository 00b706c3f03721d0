"""The database as a file: its place, its copies, its lock."""

import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import pytest

from daemons.schema.data_lock import AlreadyServed, hold, holder
from daemons.schema.sqlite_file import (
    BACKUPS_KEPT,
    Unusable,
    back_up,
    damage,
    doubtful_place,
    list_backups,
    require_usable,
)
from tests.fake_clock import FakeClock


class Mount(NamedTuple):
    mountpoint: str
    fstype: str


MOUNTS = [Mount("/", "ext4"), Mount("/mnt/nas", "nfs4"), Mount("/mnt/nas/disk", "xfs"), Mount("/mnt/pc", "cifs")]


@pytest.mark.parametrize("place", ["/data/deck.db", "/mnt/nas/disk/deck.db", "/mnt/nascent/deck.db"])
def test_a_place_on_a_disk_of_this_machine_is_fine(place: str) -> None:
    assert doubtful_place(Path(place), MOUNTS) is None


@pytest.mark.parametrize(
    ("place", "reason"),
    [
        ("/mnt/nas/deck.db", "a network file system (nfs4)"),
        ("/mnt/pc/a/b/deck.db", "a network file system (cifs)"),
        ("/home/me/Dropbox (Home)/deck.db", "the synchronised folder Dropbox (Home)"),
        ("/Users/me/Library/Mobile Documents/deck.db", "the synchronised folder Mobile Documents"),
    ],
)
def test_a_place_where_sqlite_files_break_is_warned_of(place: str, reason: str) -> None:
    finding = doubtful_place(Path(place), MOUNTS)

    assert finding is not None and finding.severity == "warning"
    assert reason in finding.message


def test_an_old_sqlite_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 34, 1))

    with pytest.raises(Unusable, match=r"is too old; 3\.35\.0 is needed") as refused:
        require_usable(tmp_path / "deck.db")

    assert refused.value.exit_code == 78


def test_a_read_only_file_system_is_refused_with_a_remedy(tmp_path: Path) -> None:
    script = (
        "from pathlib import Path; from daemons.errors import Fatal\n"
        "from daemons.schema.sqlite_file import require_usable\n"
        f"try: require_usable(Path({str(tmp_path)!r}) / 'deck.db')\n"
        "except Fatal as error: print(error.error_code, error.exit_code, error.message)"
    )
    mount = f"mount -t tmpfs -o ro tmpfs '{tmp_path}'"
    if subprocess.run(["unshare", "-rm", "sh", "-c", mount], capture_output=True, check=False).returncode != 0:
        pytest.skip("no read-only file system can be mounted here")

    command = f'{mount} && exec "$0" -c "$1"'
    done = subprocess.run(
        ["unshare", "-rm", "sh", "-c", command, sys.executable, script], capture_output=True, text=True, check=False
    )

    assert done.stdout.startswith("ERR_DATA_DIR 78"), done.stderr
    assert "Read-only file system" in done.stdout


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_of_somebody_else_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)

    with pytest.raises(Unusable, match="Permission denied"):
        require_usable(tmp_path / "deck.db")


# Copies.


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "deck.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("CREATE TABLE t (n)")
        connection.executemany("INSERT INTO t VALUES (?)", ((number,) for number in range(1000)))
        connection.commit()
    return path


def rows(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        (count,) = connection.execute("SELECT count(*) FROM t").fetchone()
        return int(count)


def test_a_copy_holds_what_is_committed_while_others_write(path: Path, tmp_path: Path, clock: FakeClock) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as writer:
        writer.execute("INSERT INTO t VALUES (1000)")
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("INSERT INTO t VALUES (1001)")

        copy = back_up(path, tmp_path / "backups", clock, "0001")

    assert rows(copy) == 1001
    assert copy.stat().st_mode & 0o777 == 0o600
    assert [file.name for file in copy.parent.iterdir()] == ["deck-20300101T120000000000Z-0001.db"]


async def test_only_the_last_copies_are_kept(path: Path, tmp_path: Path, clock: FakeClock) -> None:
    copies = []
    for _ in range(BACKUPS_KEPT + 3):
        copies.append(back_up(path, tmp_path / "backups", clock, "0001"))
        await clock.advance(60)

    assert sorted(list_backups(tmp_path / "backups")) == copies[3:]


def test_a_copy_that_cannot_be_made_says_so_and_leaves_nothing(path: Path, tmp_path: Path, clock: FakeClock) -> None:
    (tmp_path / "backups").write_text("in the way")

    with pytest.raises(Unusable) as refused:
        back_up(path, tmp_path / "backups", clock, "0001")

    assert refused.value.error_code == "ERR_BACKUP"


def test_the_look_for_damage_ends_with_its_budget(path: Path) -> None:
    class Hasty(FakeClock):
        looks = 0

        def monotonic(self) -> float:
            self.looks += 1
            return self.looks * 10.0

    with closing(sqlite3.connect(path)) as connection:
        connection.execute("INSERT INTO t SELECT a.n FROM t a, t b LIMIT 50000")
        connection.commit()
    clock = Hasty()

    assert damage(path, clock, budget=1.0) is None
    assert clock.looks == 2


# The lock.

HOLD = """
import sys, threading
from pathlib import Path
from daemons.schema.data_lock import hold
with hold(Path(sys.argv[1])) as lock:
    lock.tell("http://127.0.0.1:8420")
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_second_service_is_told_who_the_first_is(path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None and other.stdout.readline() == "held\n"

        with pytest.raises(AlreadyServed) as refused, hold(path):
            raise AssertionError("it must not be held twice")

        found = holder(path)
        assert found is not None and (found.pid, found.url) == (other.pid, "http://127.0.0.1:8420")
        assert f"process {other.pid} on {found.host}, at http://127.0.0.1:8420" in refused.value.message
        assert refused.value.exit_code == 75

        other.send_signal(signal.SIGKILL)

    assert holder(path) is None
    with hold(path):
        found = holder(path)
        assert found is not None and found.pid == os.getpid()
    assert holder(path) is None


def test_a_child_of_the_service_does_not_keep_the_lock(path: Path) -> None:
    with hold(path):
        child = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE)

    with hold(path):
        child.communicate()

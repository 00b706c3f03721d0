"""What of a picture is wrong: rules only, nothing is asked or remembered here."""

import sqlite3
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

from daemons.findings import Finding
from daemons.health.picture import Picture
from daemons.health.places import Disk, FolderLook
from daemons.leases import WorkerInfo
from daemons.states import DaemonState, Desired
from daemons.values import Daemon

MB = 1024 * 1024
DATA_FREE = 1024 * MB
"""Less than this free where the data are is worth a warning."""
DATA_FREE_LEAST = 128 * MB
FOLDER_FREE = 128 * MB
"""Libraries are only read: they may be almost full."""
DATABASE_BYTES = 8 * 1024 * MB
WAL_BYTES = 256 * MB
BACKUP_AGE = timedelta(days=14)
LAG_SECONDS = 0.5
SHOWN_FOR = timedelta(minutes=10)
"""How long an incident that is over is still shown."""
LOST_SHOWN_FOR = timedelta(hours=1)
"""The same for a worker whose work others took over."""
TRIED_LEAST = 20
FAILING_PART = 0.05
# https://sqlite.org/wal.html: two connections that write or checkpoint at once may corrupt the file.
_WAL_RESET_BUG = ((3, 7, 0), (3, 51, 2))


def judge(picture: Picture) -> Iterator[Finding]:
    """Yield everything that is wrong in `picture`."""
    yield from picture.at_start
    yield from _database(picture)
    yield from _plugins(picture)
    yield from picture.kept
    # The row that stands for a broken plug-in would say the same once more.
    told = {plugin.row_name for plugin in picture.plugins}
    for daemon in picture.daemons:
        if daemon.name not in told:
            yield from _daemon(daemon, picture)
    for worker in picture.workers:
        yield from _worker(worker, picture.now)
    for folder, look in picture.folders.items():
        yield from _folder(folder, look, picture)
    yield from picture.systems
    yield from _data(picture)
    yield from _process(picture)
    yield from _good_to_know(picture)


def _database(picture: Picture) -> Iterator[Finding]:
    if picture.is_behind:
        yield Finding(
            "ERR_DATABASE_BEHIND",
            "error",
            "What is shown cannot be stored at the moment.",
            "Look at the disk and the database; it is tried again all the time.",
        )
    if picture.full:
        yield Finding(
            "ERR_STORAGE_FULL",
            "error",
            picture.full,
            "Free some space. New jobs are refused until then; what runs goes on.",
            str(picture.data_dir),
        )


def _plugins(picture: Picture) -> Iterator[Finding]:
    for plugin in picture.plugins:
        what = f"The plug-in {plugin.module} could not be taken: {plugin.error.message}"
        remedy = plugin.error.remedy or "Correct the plug-in and restart the deck."
        yield Finding(plugin.error.code, "error", what, remedy, plugin.module, link=f"/daemons/{plugin.row_name}")


def _daemon(daemon: Daemon, picture: Picture) -> Iterator[Finding]:
    row, link = daemon.row, f"/daemons/{daemon.name}"
    error = row.last_error
    if row.state is DaemonState.FAILED:
        why = error.message if error else row.state_reason or "No reason is known."
        remedy = (error and error.remedy) or "Its page and log tell more; start it again once the cause is mended."
        yield Finding(
            "ERR_DAEMON_FAILED", "error", f"{row.name} has failed: {why}", remedy, row.name, error and error.at, link
        )
    elif row.state is DaemonState.STUCK:
        message = f"{row.name} ignored being stopped and was left behind."
        yield Finding("ERR_DAEMON_STUCK", "error", message, "Restart the deck to get rid of it.", row.name, None, link)
    elif daemon.live.silent:
        message = f"{row.name} runs and says nothing."
        remedy = "Its page shows the line where it stands; restarting it begins anew."
        yield Finding("ERR_DAEMON_SILENT", "warning", message, remedy, row.name, daemon.live.last_heartbeat, link)
    failing = picture.failing.get(row.id)
    if failing and failing.tried >= TRIED_LEAST and failing.part > FAILING_PART:
        message = f"{failing.failed} of the {failing.tried} jobs of {row.name} that ended in the last hour failed."
        remedy = "Look at the failed ones: those with the same code have the same cause."
        jobs = f"/jobs?daemon={row.name}&state=failed"
        yield Finding("ERR_JOBS_FAILING", "warning", message, remedy, row.name, None, jobs)
    items = picture.items_failing.get(row.id)
    if items and items.tried >= TRIED_LEAST and items.part > FAILING_PART:
        counts = f"{items.failed:,} of {items.tried:,}"
        message = f"{items.part:.0%} of what {row.name} worked on in the last hour failed: {counts}."
        remedy = "Its Failures tab lists them by code: those with the same code have the same cause."
        yield Finding("ERR_ITEMS_FAILING", "warning", message, remedy, row.name, None, f"{link}/failures")


def _worker(worker: WorkerInfo, now: datetime) -> Iterator[Finding]:
    manager = worker.manager
    if not manager.is_dead:
        return
    in_hand = worker.daemons + worker.jobs
    if not in_hand and now - worker.beat_at > LOST_SHOWN_FOR:
        return
    work = f"{worker.daemons} daemons and {worker.jobs} jobs wait to be taken over." if in_hand else "Its work goes on."
    host = manager.host.split(" ")[0]
    yield Finding(
        "ERR_WORKER_LOST",
        "error" if in_hand else "warning",
        f"The worker with process {manager.pid} on {host} is lost: nothing is heard of it. {work}",
        "Start it again if it should be there, and look why it ended: its log, or the system's for “out of memory”.",
        f"{host}/{manager.pid}",
        worker.beat_at,
        "/system#workers",
    )


def _folder(folder: Path, look: FolderLook | None, picture: Picture) -> Iterator[Finding]:
    names = picture.needs.get(folder, [])
    whose = f" {' and '.join(names)} cannot work with it." if names else ""
    link = f"/daemons/{names[0]}" if len(names) == 1 else None
    remedy = "Mount or attach what holds it, or correct the daemon's options. This goes away by itself."
    was = picture.mounts.get(folder)
    if look is None:
        code, why = "ERR_FOLDER_SILENT", "does not answer: the drive or the network behind it hangs"
    elif was is not None and look.mount != was and (look.error or look.is_empty):
        code, why = "ERR_FOLDER_UNMOUNTED", f"is gone: what was mounted at {was} is not mounted any more"
    elif look.is_missing:
        code, why = "ERR_FOLDER_MISSING", "is not there"
    elif look.error:
        code, why = "ERR_FOLDER_UNREADABLE", f"cannot be read: {look.error.strerror}"
        remedy = "Give the user who runs the deck the right to read it. This goes away by itself."
    else:
        yield from _room(folder, look.disk, FOLDER_FREE, None)
        return
    yield Finding(code, "error", f"The folder {folder} {why}.{whose}", remedy, str(folder), None, link)


def _room(folder: Path, disk: Disk | None, warned: int, least: int | None) -> Iterator[Finding]:
    if disk is None or disk.free >= warned:
        return
    severity = "error" if least is not None and disk.free < least else "warning"
    message = f"Only {disk.free // MB} MB are free where {folder} is."
    yield Finding(
        "ERR_DISK_LOW", "error" if severity == "error" else "warning", message, "Free some space.", str(folder)
    )


def _data(picture: Picture) -> Iterator[Finding]:
    data, folder = picture.data, picture.data_dir
    if not picture.data_answers:
        message = f"The data directory {folder} does not answer: the drive or the network behind it hangs."
        yield Finding("ERR_DATA_SILENT", "error", message, "Look at the drive.", str(folder))
    if data is None:
        return
    if not picture.full:
        yield from _room(folder, data.disk, DATA_FREE, DATA_FREE_LEAST)
    if (picture.database_bytes or 0) > DATABASE_BYTES:
        message = f"The database takes {picture.database_bytes or 0:,} bytes."
        remedy = (
            "Lower retention_days or log_lines_kept; with the deck stopped, `daemondeck db vacuum` gives room back."
        )
        yield Finding("ERR_DATABASE_LARGE", "warning", message, remedy)
    if (data.wal_bytes or 0) > WAL_BYTES:
        message = (
            f"The database's log takes {(data.wal_bytes or 0) // MB} MB: something reads for so long that it stays."
        )
        yield Finding("ERR_WAL_LARGE", "warning", message, "End other programs that have the database open.")
    yield from _backup(picture)


def _backup(picture: Picture) -> Iterator[Finding]:
    if picture.data is None or not picture.is_sqlite:
        return
    made = picture.data.backup_at
    # A fresh deck has nothing to lose yet.
    begun = min((daemon.row.created_at for daemon in picture.daemons), default=picture.now)
    due = (made or begun) + BACKUP_AGE
    if picture.now < due:
        return
    message = f"The last backup is of {made:%Y-%m-%d}." if made else "There is no backup of the database."
    remedy = "Back up now on the System page, or regularly with `daemondeck db backup`."
    yield Finding("ERR_BACKUP_OLD", "warning", message, remedy, None, due, "/system#backup")


def _process(picture: Picture) -> Iterator[Finding]:
    if picture.lag > LAG_SECONDS:
        message = f"The deck answers late: its event loop is {picture.lag:.1f} s behind."
        remedy = "Look which daemon computes without pausing, and what else this machine is busy with."
        yield Finding("ERR_LOOP_LATE", "warning", message, remedy)
    blocked = picture.blocked
    if blocked and picture.now - blocked.at < SHOWN_FOR:
        message = f"{blocked.sentence} ({blocked.times} times since the start)."
        remedy = "Work that computes or blocks belongs into a job with a subprocess, or into `asyncio.to_thread`."
        yield Finding("ERR_LOOP_BLOCKED", "warning", message, remedy, None, blocked.at, "/system")
    dropped = picture.dropped
    if dropped and picture.now - dropped.at < SHOWN_FOR:
        message = f"{dropped.lines} log lines were dropped: they came faster than they could be stored."
        yield Finding("ERR_LOGS_DROPPED", "warning", message, "Let daemons and jobs log less.", None, dropped.at)


def _good_to_know(picture: Picture) -> Iterator[Finding]:
    jump = picture.jump
    if jump and picture.now - jump.at < LOST_SHOWN_FOR:
        way = "forward" if jump.seconds > 0 else "back"
        message = f"The clock went {way} by {abs(jump.seconds):.0f} s: the machine slept, or its clock was set."
        remedy = "Daemons went on by themselves. Jobs such as those that describe images keep the machine awake."
        yield Finding("NOTE_CLOCK_JUMPED", "info", message, remedy, None, jump.at)
    if picture.is_sqlite and _WAL_RESET_BUG[0] <= sqlite3.sqlite_version_info <= _WAL_RESET_BUG[1]:
        message = (
            f"SQLite {sqlite3.sqlite_version} can damage a database that two programs write at once. "
            "The deck has one writer, so it is not affected."
        )
        yield Finding("NOTE_SQLITE_VERSION", "info", message, "Do not write to the database with other programs.")


def wants_to_run(daemon: Daemon) -> bool:
    """Whether a daemon is meant to work, so that what it needs has to be there."""
    return daemon.row.enabled and daemon.row.desired is Desired.ON

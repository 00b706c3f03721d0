"""What can be told of a deck that does not run, from its settings and data alone; and what may be mended by itself."""

import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

from daemons.cli.options import Options
from daemons.clock import SystemClock
from daemons.errors import DaemonError, Fatal
from daemons.findings import Finding

OTHERS = stat.S_IRWXG | stat.S_IRWXO
_SECRETS = ("token",)
_PRIVATE = ("daemondeck.db", "daemondeck.db-wal", "daemondeck.db-shm", "backups")


def rights(data_dir: Path) -> list[Finding]:
    """Return what in the data directory others than its owner may read or change."""
    # What lies in a folder that nobody else may enter is safe there, whatever its own rights.
    is_open = _rights_of_others(data_dir)
    names = (*_SECRETS, *(_PRIVATE if is_open else ()))
    wide = [path for path in (data_dir, *(data_dir / name for name in names)) if _rights_of_others(path)]
    message = "Others than its owner have rights on {}."
    return [
        Finding("ERR_DATA_RIGHTS", "warning", message.format(path), "`daemondeck doctor --fix`", str(path))
        for path in wide
    ]


def _rights_of_others(path: Path) -> bool:
    try:
        return bool(path.stat().st_mode & OTHERS)
    except OSError:
        return False


def leftovers(data_dir: Path) -> list[Finding]:
    """Return the unfinished files that a deck which died left behind; only to be asked while none runs."""
    files = [file for folder in (data_dir, data_dir / "backups") for file in sorted(folder.glob("*.tmp"))]
    files += sorted(data_dir.glob(".*.tmp"))
    message = "{} was never finished and is of no use."
    return [
        Finding("ERR_LEFTOVER", "warning", message.format(file), "`daemondeck doctor --fix`", str(file))
        for file in files
        if file.is_file()
    ]


def mend(findings: list[Finding]) -> list[str]:
    """Do what is safe: take rights from others, delete unfinished files. Return what was done."""
    done = []
    for finding in findings:
        if finding.subject is None:
            continue
        path = Path(finding.subject)
        if finding.code == "ERR_DATA_RIGHTS":
            path.chmod(path.stat().st_mode & ~OTHERS)
            done.append(f"Took the rights of others from {path}.")
        elif finding.code == "ERR_LEFTOVER":
            path.unlink(missing_ok=True)
            done.append(f"Deleted {path}.")
    return done


def examine(options: Options) -> list[Finding]:
    """Return what is wrong with the settings and the data while no deck runs."""
    from daemons.health.judging import judge
    from daemons.health.picture import Picture
    from daemons.health.places import look_at_data
    from daemons.schema import sqlite_path

    try:
        settings = options.settings
    except Fatal as error:
        return [_refusal(error)]
    file = sqlite_path(settings.database_url)
    picture = Picture(SystemClock().now(), settings.data_dir, is_sqlite=file is not None)
    if settings.data_dir.is_dir():
        picture.data = look_at_data(settings.data_dir, file)
        picture.database_bytes = picture.data.database_bytes
    picture.at_start = [
        *_place(settings.data_dir),
        *rights(settings.data_dir),
        *_database(settings.database_url, settings.data_dir),
        *_occupied(options),
    ]
    return list(judge(picture))


def _refusal(error: DaemonError) -> Finding:
    return Finding(error.error_code, "error", error.message, error.remedy)


def _place(data_dir: Path) -> Iterator[Finding]:
    if not data_dir.exists():
        yield Finding("NOTE_NO_DATA", "info", f"There is no data in {data_dir} yet.", "`daemondeck serve` begins it.")
    elif not os.access(data_dir, os.R_OK | os.W_OK | os.X_OK):
        remedy = "Make it writable for this user, or set data_dir to another one."
        yield Finding("ERR_DATA_DIR", "error", f"{data_dir} cannot be written by this user.", remedy, str(data_dir))


def _database(url: str, data_dir: Path) -> Iterator[Finding]:
    from daemons import schema
    from daemons.schema.sqlite_file import damage, doubtful_place, known_damage

    file = schema.sqlite_path(url)
    try:
        if file is not None:
            if not file.exists():
                return
            yield from known_damage(file, data_dir / "backups")
            if doubt := doubtful_place(file):
                yield doubt
            if reason := damage(file, SystemClock(), budget=None):
                remedy = "Go back to a backup with `daemondeck db restore`; a start would begin a fresh one."
                yield Finding("ERR_DATABASE_DAMAGED", "error", f"The database is damaged: {reason}.", remedy, str(file))
                return
        revision = schema.current(url)
    except Fatal as error:
        yield _refusal(error)
        return
    if revision is not None and revision not in schema.REVISIONS:
        yield _refusal(schema.DatabaseNewer(revision))
    elif revision is not None and revision != schema.HEAD:
        message = f"The database is at revision {revision}, this program at {schema.HEAD}."
        yield Finding("NOTE_REVISION", "info", message, "The next start upgrades it, after a backup.")


def _occupied(options: Options) -> Iterator[Finding]:
    from daemons.schema import sqlite_path
    from daemons.schema.data_lock import holder

    settings = options.settings
    file = sqlite_path(settings.database_url)
    who = holder(file) if file else None
    if who is None:
        yield from leftovers(settings.data_dir)
        yield from _port(settings.host, settings.port)
        return
    message = f"A deck runs on the data as process {who.pid}, and does not answer."
    remedy = "Look at its log; if it stays like that, end the process and start it again."
    yield Finding("ERR_NO_ANSWER", "error", message, remedy, str(who.pid))


def _port(host: str, port: int) -> Iterator[Finding]:
    if not port:
        return
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            message = f"The deck cannot listen on {host} port {port}: {error.strerror}."
            yield Finding("ERR_PORT", "error", message, "End who has it, or set host and port.", f"{host}:{port}")

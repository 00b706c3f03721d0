"""What helps somebody else to understand a deck, in one file, with every secret masked."""

import io
import json
import platform
import sqlite3
import sys
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import asdict, is_dataclass
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from daemons.clock import Clock
from daemons.database import Database
from daemons.findings import Finding
from daemons.jobs import Jobs
from daemons.jobs.lists import JobFilter
from daemons.journal import Journal
from daemons.leases import Leases
from daemons.logs import Scrubber
from daemons.settings import Settings
from daemons.states import JobState
from daemons.values import Daemon

LOG_LINES = 500
FAILED_JOBS = 50
_LIBRARIES = ("daemondeck", "starlette", "uvicorn", "websockets", "sqlalchemy", "pydantic", "psutil")
_OF_A_JOB = ("id", "type", "lane", "state", "daemon_name", "error", "attempt", "failures", "crashes", "waiting_reason")
_README = """Diagnostics of a Daemondeck.

Left out or masked: passwords, tokens, cookies, options that are secret, arguments and results of jobs,
who signed in from where. Left in: names of daemons and jobs, folders, this machine's name, what was logged.
Look through the files before you give them to anybody.
"""

Files = dict[str, str]


async def collect(
    settings: Settings,
    clock: Clock,
    database: Database,
    *,
    findings: Iterable[Finding],
    figures: Mapping[str, Any],
    daemons: Iterable[Daemon],
    knows_secrets: bool = True,
) -> Files:
    """Return the files by name. `knows_secrets`: the types are loaded, so that secret options can be told."""
    boards = list(daemons)
    scrub = Scrubber([*settings.secrets(), *_secrets_of(boards)])
    jobs, journal = Jobs(database, clock), Journal(database, clock)
    failed = await jobs.list(JobFilter((JobState.FAILED,)), limit=FAILED_JOBS)
    lines = await journal.lines(limit=LOG_LINES)
    return {
        "README.txt": _README,
        "about.json": _json(scrub, {"at": clock.now(), **_about()}),
        "settings.json": _json(scrub, {"values": settings.shown(), "sources": settings.sources()}),
        "health.json": _json(scrub, [finding.as_dict() for finding in findings]),
        "system.json": _json(scrub, figures),
        "daemons.json": _json(scrub, [_daemon(daemon, knows_secrets=knows_secrets) for daemon in boards]),
        "workers.json": _json(scrub, [asdict(worker) for worker in await Leases(database, clock).workers()]),
        "jobs.json": _json(scrub, {"counts": await jobs.counts(), "failed": [_job(job) for job in failed.items]}),
        "log.jsonl": "".join(_line(scrub, line.as_dict()) for line in lines),
    }


def packed(files: Files, at: datetime) -> bytes:
    """Return the files as a zip."""
    room = io.BytesIO()
    with zipfile.ZipFile(room, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            entry = zipfile.ZipInfo(f"daemondeck-diagnostics/{name}", at.timetuple()[:6])
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o600 << 16
            archive.writestr(entry, text)
    return room.getvalue()


def _about() -> dict[str, Any]:
    return {
        "python": sys.version,
        "platform": platform.platform(),
        "sqlite": sqlite3.sqlite_version,
        "libraries": {name: _version(name) for name in _LIBRARIES},
    }


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _secrets_of(daemons: Iterable[Daemon]) -> Iterable[str]:
    for daemon in daemons:
        row = daemon.row
        yield from (str(row.configuration[name]) for name in row.secret_options if row.configuration.get(name))


def _daemon(daemon: Daemon, *, knows_secrets: bool) -> dict[str, Any]:
    told = daemon.as_dict()
    if not knows_secrets:
        told["configuration"] = sorted(daemon.row.configuration)
    return told


def _job(job: Any) -> dict[str, Any]:
    told = job.as_dict()
    return {name: told[name] for name in (*_OF_A_JOB, "created_at", "started_at", "finished_at")}


def _json(scrub: Scrubber, value: Any) -> str:
    return json.dumps(scrub.value(_plain(value), depth=12), indent=2, ensure_ascii=False) + "\n"


def _line(scrub: Scrubber, line: dict[str, Any]) -> str:
    return json.dumps(scrub.value(_plain(line)), ensure_ascii=False) + "\n"


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat(timespec="milliseconds")
    if is_dataclass(value) and not isinstance(value, type):
        return _plain(asdict(value))
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value

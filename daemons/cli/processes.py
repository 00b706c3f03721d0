"""`daemondeck ps`: the processes that run daemons and jobs."""

from typing import Any

import typer

from daemons.cli.options import options_of
from daemons.cli.printing import Columns, age, show, stamp

COLUMNS: Columns = {
    "PID": lambda process: process["pid"],
    "HOST": lambda process: process["host"],
    "WHAT": lambda process: process["what"],
    "DAEMONS": lambda process: process["daemons"],
    "JOBS": lambda process: process["jobs"],
    "MEMORY": lambda process: _bytes(process["memory"]),
    "CPU": lambda process: _seconds(process["cpu_seconds"]),
    "AGE": lambda process: age(process["started_at"]),
    "HEARD": lambda process: age(process["beat_at"]),
}
WIDE: Columns = {
    "STARTED": lambda process: stamp(process["started_at"]),
    "COMMAND": lambda process: process["command"],
}


def list_processes(context: typer.Context) -> None:
    """List the processes that run daemons and jobs, and those they started for work that eats memory.

    Example: daemondeck ps -o wide
    """
    options = options_of(context)
    with options.deck() as deck:
        workers = deck.get("/workers")["items"]
    if not options.is_table:
        show(options, workers, {}, name="pid")
        return
    rows: list[dict[str, Any]] = []
    for worker in workers:
        rows.append({**worker, "what": _what(worker), "command": None})
        nothing = {"host": worker["host"], "daemons": None, "jobs": None, "beat_at": None}
        rows += [{**nothing, **process, "what": "its work"} for process in worker["processes"]]
    show(options, rows, COLUMNS, name="pid", wide=WIDE)


def _what(worker: dict[str, Any]) -> str:
    if not worker["alive"]:
        return "lost"
    return "this deck" if worker["this"] else "worker"


def _bytes(size: int | None) -> str | None:
    return None if size is None else f"{size / 1024**2:,.0f} MB"


def _seconds(spent: float | None) -> str | None:
    if spent is None:
        return None
    minutes, seconds = divmod(spent, 60)
    return f"{minutes:.0f}:{seconds:04.1f}"

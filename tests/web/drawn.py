"""A daemon and a job to draw."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from daemons.states import DaemonState, Desired, JobState, OnStop
from daemons.tallies import Tally
from daemons.values import Daemon, DaemonRow, Job, Live, Progress

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


def a_daemon(**changes: Any) -> Daemon:
    """A running daemon, with `changes` of either of its parts."""
    row = DaemonRow(
        id="0b5e0e57-0000-0000-0000-000000000001", name="night_watch", type="night_watch", title="Night watch",
        description="", enabled=True, auto_start=False, vital=False, desired=Desired.ON, desired_reason=None,
        paused_until=None, state=DaemonState.RUNNING, state_reason=None, stop_mode=None, started_at=NOON,
        restarts=0, last_error=None, configuration={}, configuration_revision=1, switched_at=None,
        restart_revision=0, wake_revision=0, reset_revision=0, created_at=NOON,
    )  # fmt: skip
    live = Live(revision=7, current_status="Scanning 3 of 10", status_updated_at=NOON)
    of_live = {name: changes.pop(name) for name in list(changes) if name in Live._fields}
    return Daemon(replace(row, **changes), live._replace(**of_live))


def a_job() -> Job:
    """A running job."""
    return Job(
        id="0b5e0e57-0000-0000-0000-000000000002", type="describe", lane="default", state=JobState.RUNNING,
        daemon_id=None, daemon_name="night_watch", parent_id=None, key=None, unique=None, args={}, result=None,
        progress=Progress(3, 10), error=None, attempt=1, failures=0, crashes=0, max_attempts=3, priority=0,
        on_stop=OnStop.CONTINUE, run_after=NOON, waiting_reason=None, created_at=NOON, started_at=NOON,
        finished_at=None, worker="host-1", revision=4,
    )  # fmt: skip


NUMBERS: dict[str, Any] = {"tally": Tally().as_dict(), "questions": 0, "activity": []}
"""What the page of all daemons shows besides them."""

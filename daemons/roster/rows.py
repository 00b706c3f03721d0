"""A daemon's row as a value, and what may be wrong with a command for it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import BindParameter, Row

from daemons.errors import Conflict, NotFound
from daemons.models import DaemonTable
from daemons.states import DaemonState, Desired
from daemons.text import clean
from daemons.values import DaemonRow, LastError

REASON_CHARACTERS = 500


class UnknownDaemon(NotFound):
    """There is no daemon of that name."""

    code = "ERR_UNKNOWN_DAEMON"
    remedy = "GET /api/daemons, or `daemondeck status`, lists them."


class DaemonDisabled(Conflict):
    """The daemon is disabled, so it cannot be started."""

    code = "ERR_DAEMON_DISABLED"
    remedy = "Enable it first."


class StaleConfiguration(Conflict):
    """The configuration was changed by somebody else meanwhile."""

    code = "ERR_STALE_EDIT"
    remedy = "Read the daemon again and repeat the change on what you see."

    def __init__(self, expected: int, actual: int) -> None:
        super().__init__(
            f"The change was made on configuration revision {expected}, but the daemon is at revision {actual}."
        )
        self.expected = expected
        self.actual = actual


@dataclass(frozen=True, slots=True)
class DeclaredType:
    """What the roster must know of a type of daemon."""

    type: str
    title: str
    description: str
    secret_options: frozenset[str] = frozenset()


class VitalDaemon(Conflict):
    """The daemon is vital: whoever ends it has to write its name."""

    code = "ERR_VITAL"

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} is vital: whoever ends it has to write its name.")
        self.remedy = f'Send "confirm": "{name}", or type the name in the dialog.'


def daemon_row(row: Row[Any], types: Mapping[str, DeclaredType]) -> DaemonRow:
    """Read a row of the whole table; the type says what it is called and what is secret."""
    declared = types.get(row.type)
    error = row.last_error
    return DaemonRow(
        id=row.id,
        name=row.name,
        type=row.type,
        title=declared.title if declared else row.type,
        description=declared.description if declared else "",
        enabled=row.enabled,
        auto_start=row.auto_start,
        vital=row.vital,
        desired=Desired(row.desired),
        desired_reason=row.desired_reason,
        paused_until=row.paused_until,
        state=DaemonState(row.state),
        state_reason=row.state_reason,
        stop_mode=row.stop_mode,
        started_at=row.started_at,
        restarts=row.restarts,
        last_error=LastError(**{**error, "at": datetime.fromisoformat(error["at"])}) if error else None,
        configuration=row.configuration,
        configuration_revision=row.configuration_revision,
        switched_at=row.switched_at,
        restart_revision=row.restart_revision,
        wake_revision=row.wake_revision,
        reset_revision=row.reset_revision,
        created_at=row.created_at,
        secret_options=declared.secret_options if declared else frozenset(row.configuration),
    )


CLEARED: Mapping[str, Any] = {
    "current_status": None,
    "current_job_id": None,
    "current_job_type": None,
    "status_updated_at": None,
    "next_wake_at": None,
    "progress": None,
}
"""What a daemon without a live run does not say any more."""


def named(name: str | BindParameter[str]) -> Any:
    """Return the condition that a daemon has this name or id."""
    # An id has 36 characters of which some are hyphens at fixed places; a name may look like one, so both are asked.
    return (DaemonTable.name == name) | (DaemonTable.id == name)


def cut(reason: str | None) -> str | None:
    """Return a reason as it is stored."""
    return clean(reason, REASON_CHARACTERS) if reason else None

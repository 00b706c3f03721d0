"""Long-lived asyncio daemons, their jobs, and what each is doing right now.

    from daemons import BaseDaemon, DaemonOptions, daemon, job

Names are loaded when they are first used, so that a worker process that needs one module pays for one module.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from daemons.base import BaseDaemon as BaseDaemon
    from daemons.base import daemon as daemon
    from daemons.errors import Conflict as Conflict
    from daemons.errors import DaemonError as DaemonError
    from daemons.errors import Denied as Denied
    from daemons.errors import ErrorInfo as ErrorInfo
    from daemons.errors import Fatal as Fatal
    from daemons.errors import Invalid as Invalid
    from daemons.errors import LeaseLost as LeaseLost
    from daemons.errors import NotFound as NotFound
    from daemons.errors import Permanent as Permanent
    from daemons.errors import StorageFull as StorageFull
    from daemons.errors import Superseded as Superseded
    from daemons.errors import Unavailable as Unavailable
    from daemons.errors import UnknownName as UnknownName
    from daemons.handlers import JobContext as JobContext
    from daemons.handlers import JobFailed as JobFailed
    from daemons.handlers import job as job
    from daemons.options import NEEDS_RESTART as NEEDS_RESTART
    from daemons.options import DaemonOptions as DaemonOptions
    from daemons.questions import Unanswered as Unanswered
    from daemons.states import JobState as JobState
    from daemons.states import LogLevel as LogLevel
    from daemons.states import OnStop as OnStop
    from daemons.values import Job as Job
    from daemons.workflow import Workflow as Workflow

_HOMES = {
    "daemons.base": ("BaseDaemon", "daemon"),
    "daemons.errors": (
        "Conflict",
        "DaemonError",
        "Denied",
        "ErrorInfo",
        "Fatal",
        "Invalid",
        "LeaseLost",
        "NotFound",
        "Permanent",
        "StorageFull",
        "Superseded",
        "Unavailable",
        "UnknownName",
    ),
    "daemons.handlers": ("JobContext", "JobFailed", "job"),
    "daemons.options": ("NEEDS_RESTART", "DaemonOptions"),
    "daemons.questions": ("Unanswered",),
    "daemons.states": ("JobState", "LogLevel", "OnStop"),
    "daemons.values": ("Job",),
    "daemons.workflow": ("Workflow",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME_OF})

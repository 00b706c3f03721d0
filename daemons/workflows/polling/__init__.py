"""Stills and footage climb a ladder of steps, each record on its own.

`workflow` is made when it is asked for, so that a worker process imports none of it.
"""

from typing import TYPE_CHECKING

from daemons.workflow import Workflow

if TYPE_CHECKING:
    workflow: Workflow


def __getattr__(name: str) -> Workflow:
    if name != "workflow":
        raise AttributeError(name)
    from daemons.workflows.polling.climb import climb
    from daemons.workflows.polling.footage import Footage
    from daemons.workflows.polling.keeper import RecordKeeper
    from daemons.workflows.polling.stills import Stills
    from daemons.workflows.polling.tables import (
        RecordCounterTable,
        RecordStepTable,
        RecordTable,
        RecordVectorTable,
    )

    return Workflow(
        "polling",
        daemons=[Stills, Footage],
        jobs=[climb],
        tables=[RecordTable, RecordCounterTable, RecordStepTable, RecordVectorTable],
        keeper=RecordKeeper,
    )

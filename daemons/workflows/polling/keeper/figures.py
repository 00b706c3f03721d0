"""How the steps of a ladder went: how often, how long, and how many in vain."""

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, cast

from sqlalchemy import Table, case, func, select

from daemons.database import Database
from daemons.workflows.polling.ladder import Ladder
from daemons.workflows.polling.records import DONE
from daemons.workflows.polling.tables import RecordStepTable

_S = cast(Table, RecordStepTable.__table__).c


@dataclass(frozen=True, slots=True)
class StepFigures:
    """Of one step since a moment; `seconds` of those that were done."""

    step: str
    title: str
    done: int
    failed: int
    seconds_mean: float | None
    seconds_p95: float | None

    def as_dict(self) -> dict[str, Any]:
        """Return the figures of the HTTP API."""
        return asdict(self)


async def figures(database: Database, ladder: Ladder, since: datetime) -> list[StepFigures]:
    """Return the figures of each step, in the order of the ladder."""
    tried = (_S.ladder == ladder.name) & (_S.started_at >= since)
    is_done = _S.outcome == DONE
    counted = (
        select(
            _S.step,
            func.sum(case((is_done, 1), else_=0)),
            func.sum(case((is_done, 0), else_=1)),
            func.avg(case((is_done, _S.seconds))),
        )
        .where(tried, _S.step != "")
        .group_by(_S.step)
    )
    rows = [tuple(row) for row in await database.fetch(counted)]
    found = {step: (int(done), int(failed), mean) for step, done, failed, mean in rows}
    shown = []
    for step in ladder.steps:
        done, failed, mean = found.get(step.name, (0, 0, None))
        slowest = select(_S.seconds).where(tried, _S.step == step.name, is_done).order_by(_S.seconds.desc())
        row = await database.fetch_one(slowest.offset(done // 20).limit(1)) if done else None
        shown.append(StepFigures(step.name, step.title, done, failed, mean, row[0] if row else None))
    return shown

"""`autolog` without a running deck: the engine opened here for this one daemon, without its pages."""

import asyncio
from typing import TYPE_CHECKING

from daemons.cli import importing
from daemons.cli.climbing import Follower, Item, Plan
from daemons.cli.climbing_end import ClimbingEnd
from daemons.cli.climbing_lines import ClimbingLines
from daemons.cli.describing import merged
from daemons.cli.exits import Exit
from daemons.cli.options import Options
from daemons.cli.records import plain
from daemons.cli.stopping import StopSignals
from daemons.clock import Clock, SystemClock
from daemons.logs import set_up_logs
from daemons.states import Desired
from daemons.values import DaemonRow

if TYPE_CHECKING:
    from daemons.service import Service
    from daemons.workflows.polling.keeper import RecordKeeper

WORKFLOWS = frozenset({"polling", "describe"})
"""Climbing has images described."""
IN_HAND_SECONDS = 30.0
"""How long the steps in hand may take once the end is asked for."""
END_SECONDS = 45.0
"""After this long from the first signal the process ends, whatever has not."""


class Here:
    """What this process says."""

    def __init__(self, service: "Service", name: str, keeper: "RecordKeeper") -> None:
        self._service = service
        self._name = name
        self._keeper = keeper

    async def daemon(self) -> Item:
        return plain(self._service.board.get(self._name).as_dict())

    async def news(self, ladder: str, after: int | None) -> Item:
        return plain((await self._keeper.news(ladder, after)).as_dict())


def climb_here(options: Options, plan: Plan) -> Exit:
    """Have the records climb in this process; return the exit code."""
    settings, clock = options.settings, SystemClock()
    set_up_logs(settings.log_format, settings.log_level if options.verbose else "warning", settings.secrets())
    settings.make_data_dir()
    with StopSignals(clock, seconds=END_SECONDS, code=Exit.INTERRUPTED) as signals:
        end = asyncio.run(_climb(options, clock, signals, plan))
        return end.tell(options)


async def _climb(options: Options, clock: Clock, signals: StopSignals, plan: Plan) -> ClimbingEnd:
    with importing():
        from daemons.alone import Alone
        from daemons.service import open_service
        from daemons.workflows.polling.keeper import RecordKeeper

    stop, alone = signals.requested(), Alone(WORKFLOWS)
    async with open_service(options.settings, clock=clock, alone=alone) as service:
        row = await _daemon(service, plan)
        side = Here(service, row.name, service.keepers.get(RecordKeeper))
        lines = ClimbingLines(options, clock, plan.interval, debug=plan.debug)
        lines.line(f"{row.name} climb here for at most {plan.duration:,g} s, told every {plan.interval:g} s.")
        lines.line("It ends early once every record is complete, parked or awaits input.")
        follower = Follower(side, plan, clock, lines)
        await follower.prepare()
        alone.daemons.add(row.name)
        await service.roster.start(row.name, reason="autolog")
        try:
            state = await follower.follow(stop)
            if state == "stopped":
                lines.line("Finishing the steps in hand; once more ends at once.")
            daemon = await side.daemon()
            await _finish_in_hand(service, row.name)
        finally:
            if row.desired is not Desired.ON:
                # It was asked to run now, not with every deck from here on.
                await service.roster.stop(row.name, reason="autolog")
        if state in ("stopped", "over"):
            await follower.look_again()
        return ClimbingEnd(state, daemon, lines, is_in_deck=False)


async def _daemon(service: "Service", plan: Plan) -> DaemonRow:
    """Return the daemon, enabled and with what was chosen."""
    row = next((row for row in await service.roster.rows() if plan.is_daemon(_told(row))), None)
    row = row or service.board.get(plan.type).row
    changed = merged(row.configuration, plan.chosen)
    if row.enabled and changed == row.configuration:
        return row
    return await service.edit_daemon(row.name, enabled=True, configuration=changed)


def _told(row: DaemonRow) -> Item:
    return {"type": row.type, "configuration": row.configuration}


async def _finish_in_hand(service: "Service", name: str) -> None:
    """Have the climb take nothing more in hand, and wait for what it has."""
    job_id = service.board.get(name).live.current_job_id
    if job_id is not None:
        await service.orders.cancel(job_id)
        waiting = asyncio.create_task(service.orders.wait(job_id))
        await service.clock.settle({waiting}, IN_HAND_SECONDS)
        waiting.cancel()

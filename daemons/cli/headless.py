"""`describe DIR` without a running deck: the engine opened here for this one folder, without its pages.

settings ─▶ signals ─▶ service, alone ─▶ the folder's daemon ─▶ until nothing is left, or a signal ─▶ all is flushed
"""

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from daemons.cli import importing
from daemons.cli.describing import WORKFLOW, folder_daemon, is_complete, readable_folder
from daemons.cli.exits import Exit
from daemons.cli.options import Options
from daemons.cli.records import plain
from daemons.cli.run_end import RunEnd
from daemons.cli.run_lines import RunLines
from daemons.cli.stopping import StopSignals
from daemons.cli.switching import has_failed
from daemons.clock import Clock, SystemClock
from daemons.logs import set_up_logs
from daemons.states import Desired
from daemons.values import DaemonRow

if TYPE_CHECKING:
    from daemons.service import Service

LOOK_SECONDS = 0.25
IN_HAND_SECONDS = 30.0
"""How long the image in hand may take once the end is asked for."""
END_SECONDS = 45.0
"""After this long from the first signal the process ends, whatever has not."""
RATED_OVER = timedelta(days=7)

Item = dict[str, Any]


def describe_here(options: Options, directory: str, configuration: Mapping[str, Any]) -> Exit:
    """Describe the folder in this process; return the exit code."""
    folder, settings, clock = readable_folder(directory), options.settings, SystemClock()
    set_up_logs(settings.log_format, settings.log_level if options.verbose else "warning", settings.secrets())
    settings.make_data_dir()
    with StopSignals(clock, seconds=END_SECONDS, code=Exit.INTERRUPTED) as signals:
        end = asyncio.run(_describe(options, clock, signals, folder, configuration))
        return end.tell(options)


async def _describe(
    options: Options, clock: Clock, signals: StopSignals, folder: Path, configuration: Mapping[str, Any]
) -> RunEnd:
    with importing():
        from daemons.alone import Alone
        from daemons.service import open_service

    stop, alone = signals.requested(), Alone(WORKFLOW)
    async with open_service(options.settings, clock=clock, alone=alone) as service:
        row = await folder_daemon(service, folder, configuration)
        alone.daemons.add(row.name)
        await service.roster.start(row.name, reason="describe")
        with RunLines(options, clock) as lines:
            lines.line(f"{row.name} describes {folder}.")
            state = await _follow(service, row.name, stop, lines)
            if state == "stopped":
                lines.line("Finishing the image in hand; once more ends at once.")
                await _finish_in_hand(service, row.name)
        end = await _end(service, row, state)
        if row.desired is not Desired.ON:
            # It was asked to run now, not with every deck from here on.
            await service.roster.stop(row.name, reason="describe")
        return end


async def _follow(service: "Service", name: str, stop: asyncio.Event, lines: RunLines) -> str:
    """Return how it ended: "complete", "stopped" or "failed"."""
    while not await service.clock.wait(stop, LOOK_SECONDS):
        daemon = plain(service.board.get(name).as_dict())
        lines.hear(daemon)
        if is_complete(daemon, None):
            return "complete"
        if has_failed(daemon) and daemon["state"] != "backoff":
            return "failed"
    return "stopped"


async def _finish_in_hand(service: "Service", name: str) -> None:
    """End the batch after its present image: what is left of it is found again by the next look."""
    job_id = service.board.get(name).live.current_job_id
    if job_id is not None:
        await service.orders.cancel(job_id)
        waiting = asyncio.create_task(service.orders.wait(job_id))
        await service.clock.settle({waiting}, IN_HAND_SECONDS)
        waiting.cancel()


async def _end(service: "Service", row: DaemonRow, state: str) -> RunEnd:
    since = service.clock.now() - RATED_OVER
    items = await service.things.statistics(row, since)
    groups = [plain(group.as_dict()) for group in await service.failures.groups(row)]
    daemon = plain(service.board.get(row.name).as_dict())
    return RunEnd(state, daemon, plain(items.as_dict()) if items else None, groups)

"""`describe DIR` without a running deck: the engine opened here for this one folder, without its pages.

settings ─▶ signals ─▶ service, alone ─▶ the folder's daemon ─▶ until nothing is left, or a signal ─▶ all is flushed
"""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from daemons.cli import importing
from daemons.cli.describing import WORKFLOW, EndOfWork, check_configured, folder_daemon, readable_folder
from daemons.cli.exits import Exit
from daemons.cli.options import Options
from daemons.cli.records import plain
from daemons.cli.run_end import RunEnd
from daemons.cli.run_lines import RunLines
from daemons.cli.stopping import StopSignals
from daemons.cli.switching import has_failed
from daemons.clock import Clock, SystemClock
from daemons.events import DaemonChanged, Event
from daemons.logs import set_up_logs
from daemons.states import Desired
from daemons.values import DaemonRow

if TYPE_CHECKING:
    from daemons.service import Service
    from daemons.workflows.describe.old_files import Old

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


async def bring_in_here(
    options: Options,
    folder: Path,
    chosen: Mapping[str, Any],
    new: Mapping[str, Any],
    items: Sequence["Old"],
    at: datetime,
) -> Item:
    """Take over what older scripts described of the folder, without a deck; return what became of it."""
    with importing():
        from daemons.alone import Alone
        from daemons.service import open_service
        from daemons.workflows.describe.keeper import Brought, DescriptionKeeper

    options.settings.make_data_dir()
    async with open_service(options.settings, alone=Alone(frozenset({WORKFLOW}))) as service:
        row = await folder_daemon(service, folder, chosen, new)
        known = service.things.keeper_of(row)
        assert known is not None and isinstance(known[0], DescriptionKeeper)
        brought = [
            Brought(
                one.path,
                one.description,
                one.error,
                one.seconds,
                one.finish,
                one.prompt_tokens,
                one.output_tokens,
            )
            for one in items
        ]
        return {"name": row.name, **(await known[0].take_in(known[1], brought, at)).as_dict()}


async def _describe(
    options: Options, clock: Clock, signals: StopSignals, folder: Path, configuration: Mapping[str, Any]
) -> RunEnd:
    with importing():
        from daemons.alone import Alone
        from daemons.service import open_service

    stop, alone = signals.requested(), Alone(frozenset({WORKFLOW}))
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
    end, row = EndOfWork(), service.board.get(name).row

    def hear(event: Event) -> None:
        # Between two looks a short batch comes and goes.
        if isinstance(event, DaemonChanged) and event.daemon.id == row.id and event.daemon.live.current_status:
            lines.hear_status(event.daemon.live)

    with service.bus.listen(hear):
        while not await service.clock.wait(stop, LOOK_SECONDS):
            daemon = plain(service.board.get(name).as_dict())
            lines.hear(daemon)
            check_configured(daemon)
            if end.may_be(daemon) and end.is_here(daemon, await _items(service, row)):
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
    groups = [plain(group.as_dict()) for group in await service.failures.groups(row)]
    daemon = plain(service.board.get(row.name).as_dict())
    return RunEnd(state, daemon, await _items(service, row), groups)


async def _items(service: "Service", row: DaemonRow) -> Item | None:
    items = await service.things.statistics(row, service.clock.now() - RATED_OVER)
    return plain(items.as_dict()) if items else None

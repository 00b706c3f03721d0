"""`autolog` with a running deck: the work is the deck's own, this command asks for it and looks on."""

import asyncio
import signal

from daemons.cli.climbing import Follower, Item, Plan
from daemons.cli.climbing_end import ClimbingEnd
from daemons.cli.climbing_lines import ClimbingLines
from daemons.cli.deck import RETRY_SECONDS, Deck
from daemons.cli.describing import merged
from daemons.cli.exits import CommandError, Exit
from daemons.cli.options import Options
from daemons.cli.switching import segment
from daemons.clock import Clock, SystemClock


class There:
    """What the running deck says; one that is away for a moment is asked again."""

    def __init__(self, deck: Deck, name: str, clock: Clock, lines: ClimbingLines) -> None:
        self._deck = deck
        self._place = f"/daemons/{segment(name)}"
        self._clock = clock
        self._lines = lines

    async def daemon(self) -> Item:
        return await self._ask(self._place, None)

    async def news(self, ladder: str, after: int | None) -> Item:
        return await self._ask(f"/ladders/{segment(ladder)}/news", after)

    async def _ask(self, path: str, after: int | None) -> Item:
        for number, pause in enumerate(RETRY_SECONDS):
            try:
                found: Item = self._deck.get(path, after=after)
                return found
            except CommandError as error:
                if error.exit_code not in (Exit.UNREACHABLE, Exit.BUSY):
                    raise
            if not number:
                self._lines.line("No connection to the deck; trying again.", "yellow")
            await self._clock.sleep(pause)
        last: Item = self._deck.get(path, after=after)
        return last


def climb_there(options: Options, plan: Plan) -> Exit:
    """Have the running deck do it and look on; return the exit code."""
    with options.deck() as deck:
        return asyncio.run(_climb(options, deck, plan)).tell(options)


async def _climb(options: Options, deck: Deck, plan: Plan) -> ClimbingEnd:
    clock, stop, loop = SystemClock(), asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    lines = ClimbingLines(options, clock, plan.interval, debug=plan.debug)
    daemon, is_elsewhere = _daemon(deck, plan)
    name, must_restart = daemon["name"], is_elsewhere and daemon["state"] == "running"
    lines.line(f"{name} climb in the deck at {deck.url}; looking on for at most {plan.duration:,g} s.")
    if daemon["desired"] != "on":
        lines.line(f"{name} is switched on and stays on; `daemondeck stop {name}` switches it off.")
    side = There(deck, name, clock, lines)
    follower = Follower(side, plan, clock, lines)
    await follower.prepare()
    # What looks into another folder would not turn to this one at once.
    deck.post(f"/daemons/{segment(name)}/{'restart' if must_restart else 'start'}")
    if must_restart:
        await _until_new(side, clock, daemon["started_at"])
    state = await follower.follow(stop)
    state = "detached" if state == "stopped" else state
    return ClimbingEnd(state, await side.daemon(), lines, is_in_deck=True)


def _daemon(deck: Deck, plan: Plan) -> tuple[Item, bool]:
    """Return the daemon, enabled and with what was chosen, and whether its drop folder is another now."""
    daemons = deck.pages("/daemons", 10_000)
    found = next((one for one in daemons if plan.is_daemon(one)), None)
    daemon: Item = found or deck.get(f"/daemons/{segment(plan.type)}")
    changed = merged(daemon["configuration"], plan.chosen)
    if daemon["enabled"] and changed == daemon["configuration"]:
        return daemon, False
    is_elsewhere = changed.get("drop_folder") != daemon["configuration"].get("drop_folder")
    revision = daemon["configuration_revision"]
    edit: Item = {"enabled": True, "configuration": changed, "configuration_revision": revision}
    edited: Item = deck.patch(f"/daemons/{segment(daemon['name'])}", edit)
    return edited, is_elsewhere


async def _until_new(side: There, clock: Clock, started_at: str | None) -> None:
    """Return once the run of before is over."""
    for _ in range(100):
        if (await side.daemon())["started_at"] != started_at:
            return
        await clock.sleep(0.1)

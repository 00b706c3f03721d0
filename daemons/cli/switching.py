"""Send one command to several daemons and wait until each is as asked, has failed, or the time is up."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import typer

from daemons.cli.deck import Deck
from daemons.cli.exits import CommandError, Exit
from daemons.cli.options import Options
from daemons.cli.printing import complain, note, one_line, say, show, stamp

WAIT_SECONDS = 60.0
_ENDING = ("stop", "restart", "pause")
"""Commands that end a run: for a vital daemon they need its name, which --yes sends along."""
_LASTING = ("start", "stop", "pause", "resume")
"""Commands that change nothing where it is so already."""

Daemon = dict[str, Any]
Goal = Callable[[Daemon, Daemon], bool]
"""Whether a daemon is as asked, given how it was before and how it is."""


@dataclass
class Round:
    """The daemons of one command: how they were, how they are, and which of them refused."""

    goal: Goal | None
    before: dict[str, Daemon]
    present: dict[str, Daemon] = field(default_factory=dict)
    refused: dict[str, CommandError] = field(default_factory=dict)

    def send(
        self, deck: Deck, names: Sequence[str], command: str, body: dict[str, Any] | None, *, confirms: bool = False
    ) -> None:
        """Ask each daemon by name; what one refuses does not keep the next from being asked."""
        for name in names:
            try:
                said = {**(body or {}), "confirm": name} if confirms and command in _ENDING else body
                daemon = deck.post(f"/daemons/{segment(name)}/{command}", said)
                self.present[daemon["name"]] = daemon
            except CommandError as error:
                if error.exit_code in (Exit.UNREACHABLE, Exit.NOT_ALLOWED):
                    raise
                self.refused[name] = error

    def send_all(self, deck: Deck, command: str, body: dict[str, Any] | None) -> None:
        """Ask every enabled daemon with one call."""
        for answer in deck.post(f"/daemons/{command}-all", body)["items"]:
            if error := answer["error"]:
                self.refused[answer["name"]] = CommandError(
                    Exit.REFUSED, error["message"], remedy=error.get("remedy"), code=error["code"]
                )
            else:
                self.present[answer["name"]] = {**self.before[answer["name"]], "state": answer["state"]}

    async def settle(self, deck: Deck, seconds: float) -> None:
        """Follow the daemons until none is open any more, at most for `seconds`."""
        try:
            async with asyncio.timeout(seconds), aclosing(deck.frames("daemons")) as frames:
                async for frame in frames:
                    self._learn(frame.items if frame and frame.type in ("snapshot", "daemon") else [])
                    if not self.is_open:
                        return
        except TimeoutError:
            return

    def _learn(self, daemons: Sequence[Daemon]) -> None:
        self.present |= {daemon["name"]: daemon for daemon in daemons if daemon["name"] in self.present}

    @property
    def is_open(self) -> bool:
        """Whether a daemon is neither as asked nor has failed at it."""
        return any(not self._is_reached(name) and not self._has_failed(name) for name in self.present)

    def outcome(self, name: str) -> Exit:
        """Return what the exit code says about one daemon that took the command."""
        if self._is_reached(name):
            return Exit.DONE
        return Exit.FAILED if self._has_failed(name) else Exit.TIMED_OUT

    def _is_reached(self, name: str) -> bool:
        return self.goal is None or self.goal(self.before.get(name, self.present[name]), self.present[name])

    def _has_failed(self, name: str) -> bool:
        old, new = self.before.get(name), self.present[name]
        # A failure from before the command is not the command's.
        is_news = old is None or (old["state"], old["last_error"]) != (new["state"], new["last_error"])
        # One that is told to stop and fails meanwhile is on its way all the same.
        return is_news and (new["state"] == "stuck" if new["desired"] == "off" else has_failed(new))


def switch(
    options: Options,
    names: Sequence[str] | None,
    *,
    everything: bool,
    command: str,
    goal: Goal | None = None,
    body: dict[str, Any] | None = None,
) -> None:
    """Send `command`, wait for `goal` if there is one, print a line for each daemon, exit with the worst code."""
    if bool(names) == everything:
        raise typer.BadParameter("Name daemons, or say --all.")
    with options.deck() as deck:
        turn = Round(goal, {daemon["name"]: daemon for daemon in deck.pages("/daemons", 10_000)})
        if everything:
            turn.send_all(deck, command, body)
        else:
            turn.send(deck, names or (), command, body, confirms=options.yes)
        if turn.is_open:
            asyncio.run(turn.settle(deck, options.timeout or WAIT_SECONDS))
    _print(options, turn, command)
    codes = [error.exit_code for error in turn.refused.values()] + [turn.outcome(name) for name in turn.present]
    raise typer.Exit(max(codes, default=Exit.DONE))


def has_failed(daemon: Daemon) -> bool:
    """Whether the daemon is down by a failure of its own."""
    return daemon["state"] in ("failed", "backoff", "stuck")


def segment(name: str) -> str:
    """Return `name` as one segment of an address."""
    return quote(name, safe="")


def _print(options: Options, turn: Round, command: str) -> None:
    lines: list[dict[str, Any]] = []
    for name, daemon in turn.present.items():
        old = turn.before.get(name, daemon)
        until = daemon["paused_until"] if daemon["desired"] == "paused" else None
        lines.append({"name": name, "from": old["state"], "to": daemon["state"], "paused_until": until, "error": None})
    nothing = {"from": None, "to": None, "paused_until": None}
    lines += [{"name": name, **nothing, "error": error.error_code} for name, error in turn.refused.items()]
    if not options.is_table:
        show(options, lines, {})
    else:
        for line in lines:
            if not line["error"]:
                became = _became(command, line["from"], line["to"])
                say(one_line(f"{line['name']}: {became}{_until(turn.present[line['name']])}"))
    for name, error in turn.refused.items():
        complain(error, name)
    for name, daemon in turn.present.items():
        _explain(options, turn.outcome(name), daemon)


def _became(command: str, old: str, new: str) -> str:
    """Return what a command made of a daemon: where nothing changed, that is said."""
    if command == "wake" and old == new:
        return "woken" if new == "running" else f"{new}, so nothing was woken"
    if command in _LASTING and old == new:
        return f"{new} already"
    return f"{old} → {new}"


def _until(daemon: Daemon) -> str:
    """Return when a pause ends: nobody should have to wonder."""
    if daemon["desired"] != "paused":
        return ""
    return f", until {stamp(daemon['paused_until'], 'minutes') or 'resumed'}"


def _explain(options: Options, outcome: Exit, daemon: Daemon) -> None:
    if outcome is Exit.FAILED:
        why = (daemon["last_error"] or {}).get("message") or daemon["state_reason"] or "no reason is known"
        note(options, one_line(f"{daemon['name']} is {daemon['state']}: {why}"))
    elif outcome is Exit.TIMED_OUT:
        note(options, one_line(f"{daemon['name']} is still {daemon['state']}."))

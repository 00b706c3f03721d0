"""`daemondeck logs`: what daemons and jobs logged, and what they log now."""

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from typing import Annotated, Any
from uuid import UUID

import typer

from daemons.cli.deck import Deck
from daemons.cli.exits import CommandError, Exit
from daemons.cli.names import complete_daemons_and_jobs
from daemons.cli.options import Options, Output, options_of
from daemons.cli.printing import as_json, note, one_line, say, show, stamp
from daemons.cli.switching import segment
from daemons.states import LogLevel

PAGE = 500

Line = dict[str, Any]


class Tail:
    """The lines of one daemon, of one job, or of all, printed once each and in order."""

    def __init__(self, options: Options, deck: Deck, target: str | None, level: LogLevel | None) -> None:
        self._options = options
        self._deck = deck
        self._level = level
        self._path: str | None = None
        self._filter: dict[str, object] = {}
        if target:
            self._path, self._filter = _place(deck, target)
        self._last = 0

    def newest(self, count: int) -> list[Line]:
        """Return the newest `count` lines that are kept, oldest first."""
        assert self._path is not None
        lines: list[Line] = []
        before: int | None = None
        while len(lines) < count:
            wanted = min(PAGE, count - len(lines))
            page = self._deck.get(self._path, level=self._level, before=before, limit=wanted)["items"]
            lines = [*page, *lines]
            if len(page) < wanted:
                break
            before = page[0]["id"]
        return lines

    async def snapshot(self, count: int) -> list[Line]:
        """Return up to `count` of the lines that the deck tells anybody who connects: the newest of all daemons."""
        lines: list[Line] = []
        async with aclosing(self._deck.frames("logs")) as frames:
            async for frame in frames:
                if frame and frame.type == "snapshot":
                    lines += frame.items
                    if not frame.data["more"]:
                        break
        return _last([line for line in lines if self._is_wanted(line)], count)

    async def follow(self, count: int) -> None:
        """Print the newest `count` lines, then every line as it is logged, through restarts of the deck."""
        waiting: list[Line] = []
        is_first = True
        async with aclosing(self._deck.frames("logs", **self._filter)) as frames:
            async for frame in frames:
                if frame is None:
                    note(self._options, "-- connected again --")
                elif frame.type == "snapshot":
                    waiting += frame.items
                    if not frame.data["more"]:
                        # The socket is open already: a line logged meanwhile comes twice, never zero times.
                        self._begin(waiting, count) if is_first else self._resume(waiting)
                        waiting, is_first = [], False
                elif frame.type == "log":
                    self._print([frame.data])
                elif frame.type == "dropped":
                    note(self._options, f"-- {frame.data['count']} lines left out --")

    def _begin(self, told: list[Line], count: int) -> None:
        lines = self.newest(max(1, count)) if self._path else [line for line in told if self._is_wanted(line)]
        shown = _last(lines, count)
        # What is not shown now was asked not to be shown, and is not missing after a reconnection.
        self._last = max((line["id"] for line in lines[: len(lines) - len(shown)]), default=0)
        self._print(shown)

    def _resume(self, told: list[Line]) -> None:
        while self._path:
            page = self._deck.get(self._path, level=self._level, after=self._last, limit=PAGE)["items"]
            self._print(page)
            if len(page) < PAGE:
                break
        if not self._path and told and told[0]["id"] > self._last + 1:
            note(self._options, "-- lines may be missing here --")
        self._print(told)

    def _print(self, lines: Sequence[Line]) -> None:
        for line in lines:
            if line["id"] > self._last and self._is_wanted(line):
                self._last = line["id"]
                say(written(self._options, line))

    def _is_wanted(self, line: Line) -> bool:
        return self._level is None or LogLevel(line["level"]).rank >= self._level.rank


def logs(
    context: typer.Context,
    target: Annotated[
        str | None,
        typer.Argument(
            metavar="[NAME|JOB]", help="A daemon or a job; default: all.", autocompletion=complete_daemons_and_jobs
        ),
    ] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what is logged from now on.")] = False,
    count: Annotated[int, typer.Option("-n", min=0, help="So many of the newest lines.")] = 200,
    level: Annotated[LogLevel | None, typer.Option(help="Only lines of this level or above.")] = None,
) -> None:
    """Show log lines, and follow them."""
    options = options_of(context)
    with options.deck() as deck:
        tail = Tail(options, deck, target, level)
        if follow:
            asyncio.run(tail.follow(count))
        else:
            lines = tail.newest(count) if target else asyncio.run(tail.snapshot(count))
            _print_all(options, lines)


def written(options: Options, line: Line) -> str:
    """Return one line of a log as text, or as JSON."""
    if not options.is_table:
        return as_json(line)
    who = line["daemon_name"] or line["job_id"] or "-"
    return one_line(f"{stamp(line['at'])} {line['level'].upper():<7} {who}: {line['message']}")


def _last(lines: list[Line], count: int) -> list[Line]:
    return lines[-count:] if count else []


def _print_all(options: Options, lines: Sequence[Line]) -> None:
    if options.output in (Output.JSON, Output.YAML):
        show(options, lines, {})
    else:
        for line in lines:
            say(written(options, line))


def _place(deck: Deck, target: str) -> tuple[str, dict[str, object]]:
    """Return where the lines of `target` are read, and the filter of the socket. Raises CommandError."""
    if _is_id(target):
        try:
            deck.get(f"/jobs/{segment(target)}")
            return f"/jobs/{segment(target)}/logs", {"job": target}
        except CommandError as error:
            if error.exit_code is not Exit.UNKNOWN:
                raise
    daemon = deck.get(f"/daemons/{segment(target)}")
    return f"/daemons/{segment(target)}/logs", {"daemon": daemon["name"]}


def _is_id(text: str) -> bool:
    try:
        return str(UUID(text)) == text.lower()
    except ValueError:
        return False

"""`daemondeck logs`: what daemons and jobs logged, and what they log now."""

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import typer

from daemons.cli.deck import LOST, Deck
from daemons.cli.exits import CommandError, Exit
from daemons.cli.names import complete_daemons_and_jobs
from daemons.cli.options import Options, Output, options_of
from daemons.cli.printing import as_json, note, one_line, say, show, stamp
from daemons.cli.switching import segment
from daemons.cli.times import earlier
from daemons.states import LogLevel

PAGE = 500

Line = dict[str, Any]
Place = tuple[str, dict[str, object]]
"""The path of the lines, and what the socket is asked for."""
Follow = Annotated[bool, typer.Option("--follow", "-f", help="Go on with what is logged from now on.")]
Count = Annotated[int, typer.Option("-n", min=0, help="So many of the newest lines.")]
Level = Annotated[LogLevel | None, typer.Option(help="Only lines of this level or above.")]
Since = Annotated[str | None, typer.Option(help="Only lines since then: 1h, or a time.")]
Grep = Annotated[str | None, typer.Option(help="Only lines that contain this text, in any case.")]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which lines are asked for: those that meet every condition."""

    level: LogLevel | None = None
    since: datetime | None = None
    text: str | None = None
    item_id: str | None = None

    @property
    def is_search(self) -> bool:
        """Whether the deck returns lines that are not wanted."""
        return self.since is not None or self.text is not None

    def takes(self, line: Line) -> bool:
        """Whether a line is wanted."""
        if self.item_id is not None and line["item_id"] != self.item_id:
            return False
        if self.level is not None and LogLevel(line["level"]).rank < self.level.rank:
            return False
        if self.text is not None and self.text.casefold() not in line["message"].casefold():
            return False
        return not self.is_over(line)

    def is_over(self, line: Line) -> bool:
        """Whether a line, and so every one before it, is too old."""
        return self.since is not None and datetime.fromisoformat(line["at"]) < self.since


class Tail:
    """The lines of one place, which is a path and what the socket leaves out, or of all; each once and in order."""

    def __init__(self, options: Options, deck: Deck, place: Place | None, wanted: "Wanted") -> None:
        self._options = options
        self._deck = deck
        self._wanted = wanted
        self._level = wanted.level
        self._path: str | None
        self._filter: dict[str, object]
        self._path, self._filter = place or (None, {})
        self._last = 0

    def newest(self, count: int) -> list[Line]:
        """Return the newest `count` lines that are kept, oldest first."""
        assert self._path is not None
        lines: list[Line] = []
        before: int | None = None
        while len(lines) < count:
            # A search looks through whole pages: nobody knows how many lines of one are wanted.
            limit = PAGE if self._wanted.is_search else min(PAGE, count - len(lines))
            page = self._deck.get(self._path, level=self._level, before=before, limit=limit)["items"]
            lines = [*filter(self._wanted.takes, page), *lines]
            if len(page) < limit or self._wanted.is_over(page[0]):
                break
            before = page[0]["id"]
        return _last(lines, count)

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
                elif frame.type == LOST:
                    note(self._options, "-- no connection, trying again --")
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
        return self._wanted.takes(line)


def logs(
    context: typer.Context,
    target: Annotated[
        str | None,
        typer.Argument(
            metavar="[NAME|JOB]", help="A daemon or a job; default: all.", autocompletion=complete_daemons_and_jobs
        ),
    ] = None,
    follow: Follow = False,
    count: Count = 200,
    level: Level = None,
    since: Since = None,
    grep: Grep = None,
) -> None:
    """Show log lines, and follow them.

    Example: daemondeck logs night_watch -f --level warning
    """
    options = options_of(context)
    wanted = Wanted(level, earlier(since) if since else None, grep)
    with options.deck() as deck:
        tail_of(options, deck, _place(deck, target) if target is not None else None, wanted, count, follow=follow)


def tail_of(
    options: Options, deck: Deck, place: Place | None, wanted: Wanted, count: int, *, follow: bool
) -> int | None:
    """Print the newest `count` lines of a place, or of all, and return how many.

    With `follow` go on with what is logged from now on, and count nothing.
    """
    tail = Tail(options, deck, place, wanted)
    if follow:
        asyncio.run(tail.follow(count))
        return None
    lines = tail.newest(count) if place is not None else asyncio.run(tail.snapshot(count))
    _print_all(options, lines)
    return len(lines)


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


def _place(deck: Deck, target: str) -> Place:
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

"""The live screen of `daemondeck top`: a table of daemons, the log below, and a key for each command."""

import asyncio
from contextlib import aclosing
from typing import Any, ClassVar

from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import BindingType
from textual.widgets import DataTable, Footer, Header, RichLog, Static

from daemons.cli.daemons import reason_of, shown_state
from daemons.cli.deck import LOST, SILENT_SECONDS, Deck, Frame
from daemons.cli.exits import CommandError
from daemons.cli.printing import age, cell, one_line, progress, stamp
from daemons.cli.remedies import remedy_of
from daemons.cli.switching import Daemon, segment
from daemons.clock import SystemClock

COLUMNS = ("NAME", "STATE", "STATUS", "AGE", "PROGRESS")
LINES_KEPT = 1_000


class Screen(App[None]):
    """The deck, from mount to quit. Ages tick; everything else changes when the deck says so."""

    TITLE = "Daemondeck"
    CSS = "DataTable { height: 2fr; } RichLog { height: 1fr; border-top: solid $primary; } #said { height: 1; }"
    BINDINGS: ClassVar[list[BindingType]] = [
        ("s", "command('start')", "Start"),
        ("x", "command('stop')", "Stop"),
        ("r", "command('restart')", "Restart"),
        ("p", "command('pause')", "Pause"),
        ("u", "command('resume')", "Resume"),
        ("w", "command('wake')", "Wake"),
        ("q", "quit", "Quit"),
    ]

    def __init__(self, deck: Deck) -> None:
        super().__init__()
        self.failure: CommandError | None = None
        self._deck = deck
        self._present: dict[str, Daemon] = {}
        self._last_line = 0
        self._clock = SystemClock()
        self._heard = self._clock.now()
        self._is_old = False

    def compose(self) -> ComposeResult:
        yield Header(show_clock=True)
        yield DataTable(cursor_type="row")
        yield RichLog(max_lines=LINES_KEPT, wrap=True)
        yield Static(id="said")
        yield Footer()

    def on_mount(self) -> None:
        for heading in COLUMNS:
            self.table.add_column(heading, key=heading)
        self.table.focus()
        self.run_worker(self._listen(), exclusive=True)
        self.set_interval(1, self._tick)

    @property
    def table(self) -> "DataTable[Text]":
        found: DataTable[Text] = self.query_one(DataTable)
        return found

    async def _listen(self) -> None:
        self.sub_title = "Connecting"
        try:
            async with aclosing(self._deck.frames("daemons,logs")) as frames:
                async for frame in frames:
                    if frame is None:
                        self._say("Connected again.")
                    else:
                        self._take(frame)
        except CommandError as error:
            self.failure = error
            self._say(error.message)

    def _take(self, frame: Frame) -> None:
        if frame.type == LOST:
            self._grow_old()
            return
        self._heard = self._clock.now()
        if self._is_old or self.sub_title == "Connecting":
            self._is_old, self.sub_title = False, "Live"
            self._draw()
        if frame.topic == "logs" and frame.type in ("snapshot", "log"):
            self._log_lines(frame.items)
        elif frame.type == "removed":
            self._present = {name: one for name, one in self._present.items() if one["id"] != frame.data["id"]}
            self._draw()
        elif frame.topic == "daemons" and frame.type in ("snapshot", "daemon"):
            self._present |= {daemon["name"]: daemon for daemon in frame.items}
            self._draw()

    def _log_lines(self, lines: list[dict[str, Any]]) -> None:
        log = self.query_one(RichLog)
        for line in lines:
            if line["id"] > self._last_line:
                self._last_line = line["id"]
                who = line["daemon_name"] or line["job_id"] or "-"
                text = f"{stamp(line['at'], 'seconds')} {line['level'].upper():<7} {who}: {line['message']}"
                # As Text, so that brackets in a line are not taken for markup.
                log.write(Text(one_line(text)))

    def _draw(self) -> None:
        """Bring the table to what is present, cell by cell, so that the chosen row stays chosen."""
        table = self.table
        if [str(row.value) for row in table.rows] != sorted(self._present):
            chosen = self._chosen()
            table.clear()
            for name in sorted(self._present):
                table.add_row(*_cells(self._present[name]), key=name)
            if chosen in self._present:
                table.move_cursor(row=sorted(self._present).index(chosen))
        for name, daemon in self._present.items():
            for heading, text in zip(COLUMNS, _cells(daemon), strict=True):
                text.stylize("dim" if self._is_old else "")
                table.update_cell(name, heading, text, update_width=True)

    def _tick(self) -> None:
        if self._is_old:
            return
        if (self._clock.now() - self._heard).total_seconds() > SILENT_SECONDS:
            self._grow_old()
            return
        for name, daemon in self._present.items():
            self.table.update_cell(name, "AGE", Text(cell(age(daemon["status_updated_at"]))))

    def _grow_old(self) -> None:
        """Grey out the rows and stop their ages: they were so then, and may not be now."""
        self._is_old = True
        self.sub_title = f"Offline. What is shown is as of {stamp(self._heard.isoformat(), 'seconds')}"
        self._draw()

    def _chosen(self) -> str | None:
        table = self.table
        if not table.row_count:
            return None
        return str(table.coordinate_to_cell_key(table.cursor_coordinate).row_key.value)

    async def action_command(self, command: str) -> None:
        """Send a command to the chosen daemon, and say what came of it."""
        name = self._chosen()
        if name is None:
            return
        try:
            await asyncio.to_thread(self._deck.post, f"/daemons/{segment(name)}/{command}")
            self._say(f"{name}: {command} was asked for.")
        except CommandError as error:
            self._say(f"{name}: {error.message} {remedy_of(error) or ''}")

    def _say(self, text: str) -> None:
        self.query_one("#said", Static).update(Text(one_line(text)))


def _cells(daemon: Daemon) -> list[Text]:
    said = daemon["current_status"] or reason_of(daemon)
    values = (daemon["name"], shown_state(daemon), said, age(daemon["status_updated_at"]), progress(daemon["progress"]))
    return [Text(cell(value)) for value in values]

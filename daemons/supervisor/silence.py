"""Tells a daemon that sleeps on purpose from one of which nothing is heard."""

from daemons.clock import Clock
from daemons.journal import Journal
from daemons.states import LogLevel
from daemons.supervisor.run import DaemonRun


class SilenceWatch:
    """Marks one daemon's runs silent when they keep quiet for longer than they promised."""

    def __init__(self, clock: Clock, journal: Journal) -> None:
        self._clock = clock
        self._journal = journal
        self._run: DaemonRun | None = None
        self._idle_at = 0.0
        self._told_of: float | None = None

    def look(self, run: DaemonRun) -> None:
        """Judge the run now; a run that was heard again unmarks itself."""
        now, heard = self._clock.monotonic(), run.line.last_sign
        if run is not self._run:
            self._run, self._idle_at, self._told_of = run, heard, None
        promised = run.calls.options.silent_after
        if not promised or now - max(heard, self._idle_at) <= promised:
            return
        # Only now: walking the stack of every daemon every second would cost more than it tells.
        if run.is_idle():
            self._idle_at = now
            run.line.mark_silent(False)
            return
        run.line.mark_silent(True)
        if self._told_of != heard:
            self._told_of = heard
            place = run.place()
            where = f" It stands at {place}." if place else ""
            sentence = f"Nothing was heard for {now - heard:.0f} s, more than the promised {promised:g} s.{where}"
            self._journal.log(LogLevel.WARNING, sentence, daemon=run.row)

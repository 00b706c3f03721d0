"""The few numbers that every page shows, whichever it is: in its title, its icon and its navigation."""

from collections.abc import Callable

from daemons.states import DaemonState
from daemons.status import StatusBoard

Source = Callable[[], int]
_TROUBLE = (DaemonState.FAILED, DaemonState.STUCK)


class Signals:
    """Counts what wants attention. A number named like a section is the badge of that section.

    Asked for each page and with each frame of changes, so a source answers from memory.
    """

    def __init__(self, board: StatusBoard) -> None:
        self._board = board
        self._sources: dict[str, Source] = {}

    def add(self, name: str, source: Source) -> None:
        """Let `source` say how many of `name` there are: `signals.add("inbox", lambda: questions.open_count)`."""
        self._sources[name] = source

    def now(self) -> dict[str, int]:
        """Return every number: running and trouble (daemons), then what was added."""
        states = [daemon.row.state for daemon in self._board.all()]
        return {
            "running": states.count(DaemonState.RUNNING),
            "trouble": sum(state in _TROUBLE for state in states),
            **{name: source() for name, source in self._sources.items()},
        }

"""One manager's hold on one daemon: its row as last heard, and the right to say what is true of it."""

from daemons.clock import Clock
from daemons.errors import ErrorInfo, LeaseLost
from daemons.journal import Journal
from daemons.killpoints import reach
from daemons.leases import Leases
from daemons.roster import Roster
from daemons.states import DAEMON_TRANSITIONS, DaemonState, LogLevel
from daemons.values import DaemonRow, LastError, Lease


class Tenure:
    """Takes, uses and gives back the lease of one daemon."""

    def __init__(self, row: DaemonRow, leases: Leases, roster: Roster, journal: Journal, clock: Clock) -> None:
        self.row = row
        """The newest row heard of."""
        self.lease: Lease | None = None
        self._leases = leases
        self._roster = roster
        self._journal = journal
        self._clock = clock
        self._complaint: str | None = None

    @property
    def state(self) -> DaemonState:
        return self.row.state

    async def take(self) -> bool:
        """Return whether the lease is ours, taken now if it could be. Asking again is how a dead holder is found."""
        if self.lease is None:
            await self.renew()
        return self.lease is not None

    async def renew(self) -> None:
        """Take the lease under a new epoch: what a run of the old one still writes is refused from now on."""
        self.lease = await self._leases.take(self.row.id)
        reach("lease taken")

    async def release(self) -> None:
        """Give the lease back if it is ours."""
        if self.lease is not None:
            await self._leases.release(self.lease)
            self.lease = None

    async def move(
        self,
        state: DaemonState,
        *,
        reason: str | None = None,
        error: LastError | None = None,
        restarts: int | None = None,
    ) -> None:
        """Say that `state` is true now. Raises LeaseLost and IllegalTransition."""
        if self.lease is None:
            raise LeaseLost()
        # The new row comes by the bus before this returns. The answer itself may be older than what was heard since.
        await self._roster.move(self.lease, state, reason=reason, error=error, restarts=restarts)

    async def move_by_way_of_stopped(
        self, state: DaemonState, way: str | None, *, reason: str | None = None, error: LastError | None = None
    ) -> None:
        """Say that `state` is true now, and before that, because of `way`, stopped where the table asks for it."""
        if state is not self.state and state not in DAEMON_TRANSITIONS[self.state]:
            await self.move(DaemonState.STOPPED, reason=way)
        await self.move(state, reason=reason, error=error)

    async def read_again(self) -> None:
        """Believe the database, not what was heard."""
        self.row = await self._roster.row(self.row.id)

    def error(self, info: ErrorInfo) -> LastError:
        """Return `info` as the row keeps it."""
        return LastError(info.code, info.message, self._clock.now(), info.remedy)

    def log(self, level: LogLevel, message: str) -> None:
        """Write to the daemon's log, on the engine's own account."""
        self._journal.log(level, message, daemon=self.row)

    def complain(self, message: str | None) -> None:
        """Log what hinders supervision, once per trouble and not once per try; None: nothing does."""
        if message is not None and message != self._complaint:
            self.log(LogLevel.ERROR, f"It cannot be supervised at the moment: {message}")
        self._complaint = message

"""One daemon's way between what is desired and what is true.

Everything that may change it (a command, the end of a run, a timer, another manager) only wakes the lifecycle;
`_reconcile` then looks at what is desired and at what is, and takes the next step. It can be called at any time.
"""

import asyncio
from dataclasses import dataclass

from daemons.errors import DaemonError, ErrorInfo, LeaseLost, NotFound, Unavailable
from daemons.killpoints import reach
from daemons.leases import BEAT_SECONDS, Leases
from daemons.options import ConfiguredOptions, InvalidOption
from daemons.registry import Registry
from daemons.roster import Roster
from daemons.states import DaemonState, Desired, IllegalTransition, LogLevel, StopMode
from daemons.status import StatusBoard
from daemons.supervisor.calls import CallServices
from daemons.supervisor.crash_record import CrashRecord
from daemons.supervisor.run import Crashed, DaemonRun, Fenced, Returned
from daemons.supervisor.silence import SilenceWatch
from daemons.supervisor.tenure import Tenure
from daemons.values import DaemonRow, Lease

GRACE = 10.0
"""Seconds a run has to end after it was cancelled, before it is abandoned."""
_LOOK = 1.0
_RETRY = 1.0
_RETRY_AFTER_SURPRISE = 5.0

_ON, _OFF, _PAUSED = Desired.ON, Desired.OFF, Desired.PAUSED


@dataclass(frozen=True, slots=True)
class Engine:
    """What all lifecycles work with."""

    services: CallServices
    settings: ConfiguredOptions
    leases: Leases
    roster: Roster
    board: StatusBoard
    registry: Registry


class Lifecycle:
    """Moves one daemon towards what is desired of it. It is the only one that makes or ends its runs."""

    def __init__(self, engine: Engine, row: DaemonRow, *, starts_by_itself: bool) -> None:
        self.run: DaemonRun | None = None
        """The present run, also while it is stuck."""
        self._engine = engine
        self._clock = engine.services.clock
        self._tenure = Tenure(row, engine.leases, engine.roster, engine.services.journal, self._clock)
        self._starts_by_itself = starts_by_itself
        self._crashes = CrashRecord()
        self._silence = SilenceWatch(self._clock, engine.services.journal)
        self._reset_revision = row.reset_revision
        self._restart_revision = row.restart_revision
        self._may_start = False
        self._is_closing = False
        self._is_removed = False
        self._is_stale = False
        self._changed = asyncio.Event()
        self.settled = asyncio.Event()
        """Set while nothing is left to do until something happens or time passes."""
        self.closed = asyncio.Event()
        """Set once a closing or removed daemon has no run any more."""
        self._task = asyncio.create_task(self._live(), name=f"lifecycle {row.name}")

    @property
    def row(self) -> DaemonRow:
        """The newest row heard of."""
        return self._tenure.row

    @property
    def lease(self) -> Lease | None:
        return self._tenure.lease

    # What happens to it. None of these waits.

    def hear(self, row: DaemonRow) -> None:
        """Take the newest row."""
        self._tenure.row = row
        self.wake()

    def wake(self) -> None:
        """Have another look soon."""
        self.settled.clear()
        self._changed.set()

    def close(self) -> None:
        """End the run because the service stops; what is desired stays as it is."""
        self._is_closing = True
        if self.run is not None:
            self.run.stop(StopMode.NOW)
        self.wake()

    def remove(self) -> None:
        """End the run because the daemon was deleted."""
        self._is_removed = True
        self.close()

    def lose_lease(self) -> None:
        """End the run because another manager has the daemon."""
        if self.run is not None:
            self.run.fence()
        self._tenure.lease = None
        self.wake()

    def let_go(self) -> None:
        """Stop looking after a run that does not end; the process is about to."""
        if self.run is not None:
            self.run.abandon()
        self._task.cancel()

    def look(self) -> None:
        """Notice what happens without anybody telling: silence, and a refused write."""
        if self.run is None or self.run.has_ended or self.run.is_abandoned:
            return
        if self.run.has_lost_lease:
            self.wake()
        elif not self.run.is_stopping:
            self._silence.look(self.run)

    # Reconciling.

    async def _live(self) -> None:
        while True:
            self._changed.clear()
            delay = await self._reconcile_safely()
            if self.closed.is_set():
                self.settled.set()
                return
            if not self._changed.is_set():
                self.settled.set()
            await self._clock.wait(self._changed, delay)

    async def _reconcile_safely(self) -> float | None:
        """Take the next steps; return the seconds after which to look again even if nothing happens."""
        try:
            delay = await self._reconcile()
            self._tenure.complain(None)
            return delay
        except LeaseLost:
            self.lose_lease()
            return _RETRY
        except NotFound:
            # The row went between two steps; DaemonRemoved follows.
            return _RETRY
        except Unavailable as error:
            self._tenure.complain(error.message)
            return _RETRY
        except IllegalTransition as error:
            self._is_stale = True
            self._tenure.complain(error.message)
            return _RETRY
        except Exception as error:  # noqa: BLE001 - one daemon's trouble must not end the others' supervision
            self._tenure.complain(ErrorInfo.of(error).detail or str(error))
            return _RETRY_AFTER_SURPRISE

    async def _reconcile(self) -> float | None:
        if self._is_stale:
            await self._tenure.read_again()
            self._is_stale = False
        if self.run is not None and not self.run.has_ended:
            return await self._tend(self.run)
        if self.run is not None:
            await self._settle(self.run)
        if self._is_removed or self._is_closing:
            return await self._leave()
        wanted = self._wanted()
        if wanted is _ON:
            return await self._bring_up()
        return await self._lay_down(wanted)

    def _wanted(self) -> Desired:
        row = self.row
        if self._is_closing or not row.enabled:
            return _OFF
        if row.switched_at is None and self._starts_by_itself:
            return _ON
        return row.desired

    # A live run.

    async def _tend(self, run: DaemonRun) -> float | None:
        if run.is_abandoned:
            if self.lease is not None and self._tenure.state is not DaemonState.STUCK:
                await self._abandon(run)
            return None
        if self.lease is None or run.has_lost_lease:
            return self._after_loss(run)
        if run.has_started and not run.is_stopping and self._tenure.state is DaemonState.STARTING:
            await self._tenure.move(DaemonState.RUNNING)
            reach("daemon running")
        if self._wanted() is not _ON or self._restart_revision != self.row.restart_revision:
            await self._end(run)
        if run.ending_since is not None:
            return await self._wait_for_end(run)
        if run.is_stopping:
            run.look_while_draining()
            return _LOOK
        self._pass_on_changes(run)
        return None

    async def _end(self, run: DaemonRun) -> None:
        asked = StopMode(self.row.stop_mode) if self.row.stop_mode else StopMode.NOW
        mode = StopMode.NOW if self._is_closing or not self.row.enabled else asked
        # First the run, then the row: a person's click must work while the database is away.
        run.stop(mode)
        if self._tenure.state in (DaemonState.STARTING, DaemonState.RUNNING):
            reason = "Draining" if run.stop_mode is StopMode.DRAIN else None
            await self._tenure.move(DaemonState.STOPPING, reason=reason)
            reach("daemon stopping")

    async def _wait_for_end(self, run: DaemonRun) -> float | None:
        assert run.ending_since is not None
        left = run.ending_since + GRACE - self._clock.monotonic()
        if left > 0:
            return left
        if not self._is_closing:
            await self._abandon(run)
        return None

    def _after_loss(self, run: DaemonRun) -> float | None:
        run.fence()
        self._tenure.lease = None
        if run.ending_since is not None and self._clock.monotonic() - run.ending_since >= GRACE:
            run.abandon()
            return None
        return GRACE

    async def _abandon(self, run: DaemonRun) -> None:
        run.abandon()
        await self._keep_last_words(run)
        if self._tenure.state in (DaemonState.STARTING, DaemonState.RUNNING):
            await self._tenure.move(DaemonState.STOPPING)
        # A new epoch: whatever the abandoned run still tries to write is refused.
        await self._tenure.renew()
        sentence = f"It did not end within {GRACE:g} s of being cancelled and was left behind."
        info = ErrorInfo("ERR_STUCK", sentence, remedy="It may run until the service is restarted.")
        await self._cancel_jobs(run)
        await self._tenure.move(DaemonState.STUCK, reason=sentence, error=self._tenure.error(info))
        self._tenure.log(LogLevel.ERROR, sentence)

    def _pass_on_changes(self, run: DaemonRun) -> None:
        old, run.row = run.row, self.row
        if old.wake_revision != self.row.wake_revision:
            run.calls.wake()
        if old.configuration_revision == self.row.configuration_revision:
            return
        try:
            options, _ = self._engine.registry.effective(self.row, self._engine.settings)
        except InvalidOption as error:
            self._tenure.log(LogLevel.ERROR, f"The new options are not used: {error.message}")
            return
        if later := run.configure(options):
            self._tenure.log(LogLevel.WARNING, f"Takes effect after a restart: {', '.join(later)}.")

    # The end of a run.

    async def _settle(self, run: DaemonRun) -> None:
        """Say how the run ended. It may be called again if the database was away in between."""
        if not self._is_removed:
            await self._keep_last_words(run)
        if isinstance(run.outcome, Fenced) or run.has_lost_lease or self._is_removed:
            self._tenure.lease = None
        elif run.is_abandoned:
            self._tenure.log(LogLevel.INFO, "The run that was left behind has ended after all.")
        elif isinstance(run.outcome, Crashed) and self._wanted() is _ON:
            await self._note_crash(run.outcome.error)
        elif isinstance(run.outcome, Returned) and not run.is_stopping:
            await self._tenure.move(DaemonState.FINISHED)
        else:
            await self._note_stop(run)
        self.run = None
        reach("daemon ended")

    async def _keep_last_words(self, run: DaemonRun) -> None:
        # While the lease is ours: what is still unwritten when it is given back would be refused.
        await run.line.close()
        await self._engine.services.journal.flush()
        await self._engine.services.readings.flush()

    async def _note_stop(self, run: DaemonRun) -> None:
        if not self._is_closing:
            await self._cancel_jobs(run)
        error = None
        if isinstance(run.outcome, Crashed):
            self._tenure.log(LogLevel.ERROR, run.outcome.error.detail or run.outcome.error.message)
            error = self._tenure.error(run.outcome.error)
        paused = self._wanted() is _PAUSED and self._tenure.state is DaemonState.STOPPING
        reason = "The service stopped." if self._is_closing else self.row.desired_reason if paused else None
        await self._tenure.move(DaemonState.PAUSED if paused else DaemonState.STOPPED, reason=reason, error=error)

    async def _note_crash(self, info: ErrorInfo) -> None:
        error = self._tenure.error(info)
        delay = self._crashes.add(self.run, self._clock.monotonic())
        if delay is None:
            reason = "It crashed too often. Start it to have it tried again."
            await self._tenure.move(DaemonState.FAILED, reason=reason, error=error)
        else:
            await self._tenure.move(DaemonState.BACKOFF, reason=f"Starts again in {delay:.0f} s.", error=error)
        self._tenure.log(LogLevel.ERROR, info.detail or info.message)

    async def _cancel_jobs(self, run: DaemonRun) -> None:
        everything = run.stop_mode is StopMode.CANCEL_JOBS
        if self.lease is None:
            raise LeaseLost()
        await self._engine.services.orders.cancel_of_daemon(
            self.lease, only_on_stop_cancel=not everything, reason=f"{self.row.name} was stopped"
        )

    # No run.

    async def _bring_up(self) -> float | None:
        self._note_fresh_starts()
        if self.lease is None:
            if not await self._tenure.take():
                return BEAT_SECONDS
            self._may_start = True
        if self._tenure.state.is_live:
            await self._tenure.move(DaemonState.STOPPED, reason="The process that ran it ended.")
        if self._tenure.state in (DaemonState.STOPPED, DaemonState.PAUSED, DaemonState.STUCK):
            self._may_start = True
        if not self._may_start and self._tenure.state is DaemonState.BACKOFF:
            left = self._crashes.due_in(self._clock.monotonic())
            if left > 0:
                return left
            self._may_start = True
        if self._may_start:
            await self._start()
        return None

    def _note_fresh_starts(self) -> None:
        asked = (self.row.reset_revision, self.row.restart_revision)
        if asked != (self._reset_revision, self._restart_revision):
            self._reset_revision, self._restart_revision = asked
            self._crashes.clear()
            self._may_start = True

    async def _start(self) -> None:
        assert self.lease is not None
        self._may_start = False
        row = self.row
        try:
            kind = self._engine.registry.type_of(row)
            options, _ = self._engine.registry.effective(row, self._engine.settings)
        except DaemonError as error:
            await self._fail(error)
            return
        again = row.state is DaemonState.BACKOFF
        try:
            await self._tenure.move(DaemonState.STARTING, restarts=row.restarts + 1 if again else 0)
            reach("daemon starting")
            line = await self._engine.board.open(self.lease)
        except Unavailable:
            self._may_start = True
            raise
        self.run = DaemonRun(self._engine.services, kind, row, line, options, self.wake)

    async def _fail(self, error: DaemonError) -> None:
        """Say that no run can be made."""
        info = ErrorInfo(error.error_code, error.message, remedy=error.remedy)
        await self._tenure.move_by_way_of_stopped(
            DaemonState.FAILED, None, reason=error.message, error=self._tenure.error(info)
        )
        self._tenure.log(LogLevel.ERROR, error.message)

    async def _lay_down(self, wanted: Desired) -> float | None:
        self._crashes.clear()
        goal = DaemonState.PAUSED if wanted is _PAUSED else DaemonState.STOPPED
        if self._tenure.state is not goal:
            if not await self._tenure.take():
                return BEAT_SECONDS
            reason = self.row.desired_reason if wanted is _PAUSED else None
            await self._tenure.move_by_way_of_stopped(goal, "The process that ran it ended.", reason=reason)
        await self._tenure.release()
        return await self._until_pause_ends() if wanted is _PAUSED else None

    async def _until_pause_ends(self) -> float | None:
        if self.row.paused_until is None:
            return None
        left = (self.row.paused_until - self._clock.now()).total_seconds()
        if left > 0:
            # The wall clock may be set meanwhile, so a long pause is looked at now and then.
            return min(left, 60.0)
        await self._engine.roster.wake_from_pause(self.row.id)
        return None

    async def _leave(self) -> float | None:
        resting = self._tenure.state in (DaemonState.BACKOFF, DaemonState.STUCK)
        if self.lease is not None and not self._is_removed:
            if resting:
                await self._tenure.move(DaemonState.STOPPED, reason="The service stopped.")
            await self._tenure.release()
        self.closed.set()
        return None

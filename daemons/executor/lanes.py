"""The slots of this process, lane by lane. A job that waits for another gives its slot away and takes one again."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Mapping

from daemons.handlers import JobSpec
from daemons.jobs.claims import Admission

SLOTS = 30
"""Jobs that run at once on a lane for which nothing is set."""


class Lane:
    """So many slots, and those who wait to come back to one."""

    def __init__(self, size: int, freed: Callable[[], None]) -> None:
        self.size = size
        self.taken = 0
        self.has_work = True
        """Whether jobs may be queued; a claim that got fewer than it asked for found the end of the line."""
        self._freed = freed
        self._returning: deque[asyncio.Future[None]] = deque()

    @property
    def free(self) -> int:
        return max(0, self.size - self.taken)

    def reserve(self, count: int) -> None:
        """Take `count` slots for jobs that are about to be claimed."""
        self.taken += count

    def release(self) -> None:
        """Give one slot back; who returns from waiting gets it before any new job."""
        while self._returning:
            waiting = self._returning.popleft()
            if not waiting.done():
                waiting.set_result(None)
                return
        self.taken -= 1
        if self.has_work:
            self._freed()

    async def retake(self) -> None:
        """Take a slot again, in the order of asking."""
        if self.taken < self.size:
            self.taken += 1
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._returning.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            # The slot may have been handed over in the same turn of the loop that cancelled us.
            if turn.done() and not turn.cancelled():
                self.release()
            raise


class Lanes:
    """Every lane by name; one that was never heard of is made with the usual number of slots."""

    def __init__(self, sizes: Mapping[str, int], freed: Callable[[], None]) -> None:
        self._sizes = dict(sizes)
        self._freed = freed
        self._lanes: dict[str, Lane] = {}

    def __getitem__(self, name: str) -> Lane:
        lane = self._lanes.get(name)
        if lane is None:
            lane = self._lanes[name] = Lane(self._sizes.get(name, SLOTS), self._freed)
        return lane

    def open(self, name: str) -> None:
        """Make a lane, unless it is there."""
        self[name]

    @property
    def sizes(self) -> dict[str, int]:
        return {name: lane.size for name, lane in self._lanes.items()}

    def expect_work(self, names: Iterable[str] | None = None) -> None:
        """Note that jobs may be queued on these lanes, or on any."""
        for name in list(self._lanes) if names is None else names:
            self[name].has_work = True

    def reserve_all(self) -> dict[str, int]:
        """Reserve every free slot of every lane with work; return how many of each."""
        free = {name: lane.free for name, lane in self._lanes.items() if lane.has_work and lane.free}
        for name, count in free.items():
            self._lanes[name].reserve(count)
            # Before the claim, not after: what is queued while it runs must be noticed.
            self._lanes[name].has_work = False
        return free

    def settle(self, reserved: Mapping[str, int], used: Mapping[str, int]) -> None:
        """Keep of the reserved slots those that were used; where all were, more may be queued."""
        for name, count in reserved.items():
            lane = self._lanes[name]
            if used.get(name, 0) == count:
                lane.has_work = True
            for _ in range(count - used.get(name, 0)):
                lane.release()


def admission_of(specs: Iterable[JobSpec], lanes: Lanes) -> Admission:
    """Return the rules that these types of jobs ask for; conflicts work both ways."""
    conflicts: dict[str, set[str]] = {}
    lane_of: dict[str, str] = {}
    for spec in specs:
        lane_of[spec.type] = spec.lane
        lanes.open(spec.lane)
        for other in spec.conflicts_with:
            conflicts.setdefault(spec.type, set()).add(other)
            conflicts.setdefault(other, set()).add(spec.type)
    return Admission(
        lanes.sizes,
        {job_type: frozenset(others) for job_type, others in conflicts.items()},
        frozenset(lane_of[job_type] for job_type in conflicts if job_type in lane_of),
    )

"""What a job's page tells beside its row: what happened when, on which process, and how that compares."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from daemons.leases import WorkerInfo
from daemons.values import Attempt, JobDetail
from web.marks import word_of
from web.words import _

SLOW_TIMES = 2.0
"""A job is called slow from this many times the middle of its type on."""
LANE_UNITS = 1000
TONES = {"": "busy", "completed": "good", "failed": "bad", "cancelled": "calm", "given back": "calm"}
"""How the outcome of an attempt is coloured; none is being tried."""


@dataclass(frozen=True, slots=True)
class Moment:
    """One thing that happened, and how long after the one before."""

    at: datetime
    what: str
    after: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """The process that has or had a job; `beat_at` is when it was last heard of."""

    name: str
    is_alive: bool
    beat_at: datetime


def places_of(workers: Sequence[WorkerInfo]) -> dict[str, Place]:
    """Return the processes that are known, by the id that jobs have of them."""
    return {
        worker.manager.id: Place(
            f"{worker.manager.host.split(' ')[0]}:{worker.manager.pid}", not worker.manager.is_dead, worker.beat_at
        )
        for worker in workers
    }


def story_of(detail: JobDetail, places: Mapping[str, Place]) -> list[Moment]:
    """Return what happened to the job, the first thing first."""
    told = [Moment(detail.job.created_at, _("queued"))]
    for at, what in _of_attempts(detail.attempts, places):
        told.append(Moment(at, what, max(at - told[-1].at, timedelta(0))))
    job = detail.job
    if job.finished_at is not None and told[-1].at < job.finished_at:
        told.append(Moment(job.finished_at, word_of(job.state), job.finished_at - told[-1].at))
    return told


def _of_attempts(attempts: Sequence[Attempt], places: Mapping[str, Place]) -> Iterator[tuple[datetime, str]]:
    for one in attempts:
        place = places[one.worker].name if one.worker in places else one.worker[:8]
        yield one.started_at, _("attempt %(n)s claimed by %(place)s") % {"n": one.attempt, "place": place or "—"}
        if one.finished_at is not None:
            yield one.finished_at, _ended(one)


def _ended(one: Attempt) -> str:
    said = _("attempt %(n)s %(outcome)s") % {"n": one.attempt, "outcome": word_of(one.outcome)}
    return f"{said}: {one.error.code}" if one.error else said


@dataclass(frozen=True, slots=True)
class Lane:
    """One attempt and where it is drawn, of LANE_UNITS from the job's creation to its end or now."""

    attempt: Attempt
    x: int
    width: int
    tone: str
    took: timedelta
    waited: timedelta
    """Since the end of the attempt before, or since the job was created."""
    is_under_way: bool


def lanes_of(detail: JobDetail, now: datetime) -> list[Lane]:
    """Return the attempts as lanes, drawn to one scale; what is too short to be seen is one unit wide."""
    job = detail.job
    times = [job.created_at, *(at for one in detail.attempts for at in (one.started_at, one.finished_at) if at)]
    is_over = job.is_finished or not any(one.finished_at is None for one in detail.attempts)
    begin, end = min(times), max(times) if is_over else max(now, *times)
    whole = max(end - begin, timedelta(microseconds=1))
    lanes, before = list[Lane](), job.created_at
    for one in detail.attempts:
        ended = max(one.finished_at or end, one.started_at)
        x = min(int((one.started_at - begin) / whole * LANE_UNITS), LANE_UNITS - 1)
        width = max(1, int((ended - begin) / whole * LANE_UNITS) - x)
        tone = TONES.get(one.outcome or "", "warn")
        waited = max(one.started_at - before, timedelta(0))
        lanes.append(Lane(one, x, width, tone, ended - one.started_at, waited, one.outcome is None))
        before = ended
    return lanes


def slowness_of(detail: JobDetail, middle: float | None, now: datetime) -> str | None:
    """Compare how long the job takes with the middle of its type; None when it is not slow, or that is not known."""
    job = detail.job
    if not middle or job.started_at is None or (not job.is_finished and job.worker is None):
        return None
    took = ((job.finished_at or now) - job.started_at).total_seconds()
    if took < SLOW_TIMES * middle:
        return None
    return _("%(times)s times as long as the middle of the newest jobs of its type, %(middle)s s") % {
        "times": f"{took / middle:.1f}",
        "middle": f"{middle:.3g}",
    }

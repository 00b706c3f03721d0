"""The many things that one job works on, each of which may fail alone, and what became of them in figures."""

from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

from daemons.errors import ErrorInfo


@dataclass(frozen=True, slots=True)
class FailedItem:
    """One of the many things that a job works on, and why it failed; the job itself may have gone well."""

    id: str
    name: str
    error: ErrorInfo
    at: datetime
    job_id: str | None


@dataclass(frozen=True, slots=True)
class ItemSeconds:
    """How long single things took; median and p95 are of the newest of them."""

    items: int
    mean: float
    median: float
    p95: float
    shortest: float
    longest: float


@dataclass(frozen=True, slots=True)
class ItemCode:
    """How many things have failed with a code."""

    code: str
    items: int
    last_at: datetime


@dataclass(frozen=True, slots=True)
class LastItem:
    """The thing that was settled last."""

    name: str
    at: datetime
    state: str


@dataclass(frozen=True, slots=True)
class ItemStretch:
    """What was settled in one stretch of time, named by its beginning, and how long a thing took in the mean."""

    at: datetime
    done: int
    failed: int
    seconds: float | None
    tokens_per_second: float | None = None


@dataclass(frozen=True, slots=True)
class Answers:
    """What a model said of the things of a time: how many answers, how many of them were cut off, and tokens."""

    answers: int
    cut: int
    prompt_tokens: int
    output_tokens: int
    tokens_per_second: float | None


@dataclass(frozen=True, slots=True)
class ItemStatistics:
    """What became of the single things that a daemon works on."""

    noun: str  #: what they are called, in the plural
    done: int  #: things that are done now, however long ago
    failed: int  #: things that could not be done
    settled: int  #: things that were done or failed in the time that was asked for
    rate_last_hour: float  #: things an hour
    rate: float | None  #: things an hour from the first to the last of the time, None while there are too few
    last: LastItem | None
    seconds: ItemSeconds | None
    codes: list[ItemCode]
    recent: list[FailedItem]
    answers: Answers | None  #: None where no model was asked
    stretches: list[ItemStretch]  #: those in which anything was settled, oldest first
    total: int | None = None  #: how many there are in all, as the daemon last counted

    @property
    def success_rate(self) -> float | None:
        """Of all that is settled, the part that is done; None while nothing is."""
        return self.done / (self.done + self.failed) if self.done + self.failed else None

    def as_dict(self) -> dict[str, Any]:
        """Return the part of the statistics of the HTTP API, times still datetimes."""
        recent = [
            {"id": one.id, "name": one.name, "code": one.error.code, "message": one.error.message, "at": one.at}
            for one in self.recent
        ]
        return {**asdict(replace(self, recent=[])), "recent": recent, "success_rate": self.success_rate}

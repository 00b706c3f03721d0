"""What a record is to everybody: a still, a clip, a frame, and how far it has climbed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from daemons.errors import ErrorInfo
from daemons.values import JsonValue


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a person is needed: the rule that said so, and a sentence."""

    rule: str  #: as `text_too_short`
    sentence: str
    field: str | None = None  #: of the form, what would help

    def as_dict(self) -> dict[str, JsonValue]:
        return {"rule": self.rule, "sentence": self.sentence, "field": self.field}


@dataclass(frozen=True, slots=True)
class NewRecord:
    """A record about to be made. Of one ladder and `source` there is one record only."""

    ladder: str
    status: str
    source: str  #: what it is of, for good: a file as `wire_path` text, a FileMaker record, a frame of a clip
    title: str = ""
    fields: Mapping[str, JsonValue] = field(default_factory=dict)
    code: str | None = None  #: None: the ladder's next one


class Record(NamedTuple):
    """A record as it is now. Its fields are the columns of its table, in their order in `rows.COLUMNS`.

    A tuple, because thousands are made of rows and changed each second.
    """

    id: str
    number: int
    ladder: str
    code: str
    source: str
    title: str
    status: str
    fields: Mapping[str, Any]
    provenance: Mapping[str, Any]  #: of each field, {by, step, at}: who wrote it last
    revision: int
    fence: int  #: goes up whenever somebody takes it in hand or moves it: what was begun before is refused
    parent_id: str | None
    is_complete: bool
    attempts: int  #: tries of the step it is at that failed or died
    error: ErrorInfo | None  #: of the last try
    reasons: tuple[Reason, ...]  #: why it awaits a person
    due_at: datetime | None  #: from when on its next step may run; None: nothing to do, or in hand
    running_since: datetime | None
    parked_at: datetime | None  #: since when it is not tried by itself any more
    status_at: datetime
    created_at: datetime
    updated_at: datetime
    edited_by: str | None = None  #: who is writing into its form
    edited_until: datetime | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return the record of the HTTP API, times still datetimes."""
        shown = {name: value for name, value in self._asdict().items() if name != "fence"}
        return {
            **shown,
            "fields": dict(self.fields),
            "provenance": dict(self.provenance),
            "error": self.error.as_dict() if self.error else None,
            "reasons": [reason.as_dict() for reason in self.reasons],
        }


DONE, FAILED, TIMED_OUT, LOST, REFUSED, MOVED = "done", "failed", "timed out", "lost", "refused", "moved"
"""What a try came to. `lost`: the process that did it died. `refused`: somebody else had moved the record by then.
`moved` is no try: a person or another system put the record there."""


@dataclass(frozen=True, slots=True)
class Try:
    """One try of one step, or a move by somebody else."""

    step: str  #: empty for a move
    attempt: int
    outcome: str
    old: str
    new: str
    started_at: datetime
    seconds: float
    by: str | None  #: a job's id, a person, or another system
    error: ErrorInfo | None
    note: str | None

    @classmethod
    def of(cls, row: Sequence[Any]) -> "Try":
        """Return what a row of these columns says."""
        step, attempt, outcome, old, new, started_at, seconds, by, error, note = row
        info = ErrorInfo.from_dict(error) if error else None
        return cls(step, attempt, outcome, old, new, started_at, seconds, by, info, note)

    def as_dict(self) -> dict[str, Any]:
        """Return the try of the HTTP API, times still datetimes."""
        return {name: getattr(self, name) for name in self.__slots__} | {
            "error": self.error.as_dict() if self.error else None
        }

"""One file's description as a value: how it is read from its row, and how the HTTP API shows it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row

from daemons.errors import ErrorInfo, NotFound
from daemons.values import JsonValue

TOPIC = "descriptions"


class UnknownDescription(NotFound):
    """There is no such description."""

    code = "ERR_UNKNOWN_DESCRIPTION"


@dataclass(frozen=True, slots=True)
class Description:
    """One file's description."""

    id: str
    number: int
    path: str
    folder: str
    state: str
    description: str | None
    describer: str
    model: str
    error: ErrorInfo | None
    seconds: float | None
    facts: dict[str, JsonValue] | None
    job_id: str | None
    created_at: datetime

    @classmethod
    def of(cls, row: Row[Any]) -> "Description":
        """Read a row of the table."""
        return cls(
            row.id,
            row.number,
            row.path,
            row.folder,
            row.state,
            row.description,
            row.describer,
            row.model,
            ErrorInfo.from_dict(row.error) if row.error else None,
            row.seconds,
            row.facts,
            row.job_id,
            row.created_at,
        )

    def as_dict(self) -> dict[str, JsonValue]:
        """Return the description of the HTTP API, times still datetimes."""
        return {
            "id": self.id,
            "path": self.path,
            "folder": self.folder,
            "state": self.state,
            "description": self.description,
            "describer": self.describer,
            "model": self.model,
            "error": self.error.as_dict() if self.error else None,
            "seconds": self.seconds,
            "facts": self.facts,
            "thumbnail": None,
            "job_id": self.job_id,
            "created_at": self.created_at,
        }

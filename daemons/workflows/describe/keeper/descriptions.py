"""One file's description as a value: how it is read from its row, and how the HTTP API shows it."""

from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from sqlalchemy import Row

from daemons.errors import ErrorInfo, NotFound
from daemons.text import clean
from daemons.values import JsonValue

TOPIC = "descriptions"


class UnknownDescription(NotFound):
    """There is no such description."""

    code = "ERR_UNKNOWN_DESCRIPTION"


def unknown_description(description_id: str) -> UnknownDescription:
    """Return the refusal that names what there is not."""
    return UnknownDescription(f"There is no description {clean(description_id, 36)}.")


@dataclass(frozen=True, slots=True)
class Description:
    """One file's description, and where its words come from."""

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
    sha256: str | None
    job_id: str | None
    created_at: datetime
    revision: int
    origin: str
    copied_from: str | None
    edited_at: datetime | None
    edited_by: str | None
    gone_at: datetime | None
    prompt_hash: str | None
    finish: str | None
    prompt_tokens: int | None
    output_tokens: int | None
    taken_at: str | None
    colour: str | None
    distance: int | None = None
    """In how many bits it looks different from the one it is held against, where there is one."""

    @classmethod
    def of(cls, row: Row[Any]) -> "Description":
        """Read a row of the table."""
        mapping = row._mapping
        known: dict[str, Any] = {name: mapping[name] for name in _NAMES}
        return cls(**known | {"error": ErrorInfo.from_dict(row.error) if row.error else None})

    def as_dict(self) -> dict[str, JsonValue]:
        """Return the description of the HTTP API, times still datetimes."""
        shown = {name: getattr(self, name) for name in _NAMES if name != "number"}
        shown |= {"error": self.error.as_dict() if self.error else None, "thumbnail": self.thumbnail}
        return shown if self.distance is None else {**shown, "distance": self.distance}

    @property
    def thumbnail(self) -> str | None:
        """Where a small copy is found; another address when the bytes are others, so that it may be kept for long."""
        return f"/api/descriptions/{self.id}/thumbnail?v={self.sha256[:16]}" if self.sha256 else None


_NAMES = [field.name for field in fields(Description) if field.name != "distance"]

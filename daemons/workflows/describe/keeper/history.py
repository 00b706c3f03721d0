"""What a description said before, and what others say of the same file."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import select

from daemons.database import Database
from daemons.values import JsonValue
from daemons.workflows.describe.keeper.descriptions import Description, unknown_description
from daemons.workflows.describe.tables import DescriptionTable, DescriptionVersionTable

VERSIONS_MOST = 200
OTHERS_MOST = 50

_D = DescriptionTable.__table__.c
_V = DescriptionVersionTable.__table__.c


@dataclass(frozen=True, slots=True)
class Version:
    """What a description said from one time to another, and who or what had it say so."""

    revision: int
    state: str
    description: str | None
    error: dict[str, JsonValue] | None
    origin: str
    by: str | None
    prompt_hash: str | None
    finish: str | None
    prompt_tokens: int | None
    output_tokens: int | None
    seconds: float | None
    created_at: datetime
    replaced_at: datetime


@dataclass(frozen=True, slots=True)
class DescriptionDetail:
    """A description with its history, newest first, and what other describers and models say of its file."""

    description: Description
    history: Sequence[Version]
    others: Sequence[Description]

    def as_dict(self) -> dict[str, JsonValue]:
        """Return it as the HTTP API shows it, times still datetimes."""
        shown = self.description.as_dict()
        shown["history"] = [asdict(version) for version in self.history]
        shown["others"] = [other.as_dict() for other in self.others]
        return shown


async def detail_of(database: Database, description_id: str) -> DescriptionDetail:
    """Return one description with all that is known around it. Raises UnknownDescription."""
    row = await database.fetch_one(select(*_D).where(_D.id == description_id))
    if row is None:
        raise unknown_description(description_id)
    names = [_V[name] for name in Version.__slots__]
    before = select(*names).where(_V.description_id == row.id).order_by(_V.id.desc()).limit(VERSIONS_MOST)
    same_file = select(*_D).where(_D.file_digest == row.file_digest, _D.id != row.id)
    others = await database.fetch(same_file.order_by(_D.number.desc()).limit(OTHERS_MOST))
    versions = [Version(*tuple(version)) for version in await database.fetch(before)]
    return DescriptionDetail(Description.of(row), versions, [Description.of(other) for other in others])

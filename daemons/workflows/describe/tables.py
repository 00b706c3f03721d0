"""The table of descriptions: one row for each file, describer and model."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Index, LargeBinary, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from daemons.models import Base, Serial


class DescriptionTable(Base):
    """What is known of one file. Paths are kept as bytes, and as text to be shown and searched."""

    __tablename__ = "descriptions"

    number: Mapped[int] = mapped_column(Serial, primary_key=True)
    id: Mapped[str] = mapped_column(String(36), unique=True)
    # Of folder, path, describer and model: a path may be longer than what an index takes.
    digest: Mapped[str] = mapped_column(String(64), unique=True)
    folder: Mapped[str] = mapped_column(Text)
    path: Mapped[str] = mapped_column(Text)
    folder_bytes: Mapped[bytes] = mapped_column(LargeBinary)
    path_bytes: Mapped[bytes] = mapped_column(LargeBinary)
    size: Mapped[int] = mapped_column(BigInteger)
    mtime_ns: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[str | None] = mapped_column(String(64))
    describer: Mapped[str] = mapped_column(String(63))
    model: Mapped[str] = mapped_column(String(255))
    state: Mapped[str] = mapped_column(String(10))
    description: Mapped[str | None] = mapped_column(Text)
    facts: Mapped[dict[str, Any] | None]
    error: Mapped[dict[str, Any] | None]
    seconds: Mapped[float | None]
    job_id: Mapped[str | None] = mapped_column(String(36))
    # How often it was described: its file changed, or somebody asked again.
    revision: Mapped[int]
    created_at: Mapped[datetime]

    __table_args__ = (
        Index("ix_descriptions_state_number", "state", "number"),
        Index("ix_descriptions_sha256", "sha256"),
    )

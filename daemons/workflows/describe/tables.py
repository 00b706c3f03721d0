"""The table of descriptions: one row for each file, describer and model."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Index, LargeBinary, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from daemons.models import Base, Serial

FIGURES = ("way", "created_at", "state", "seconds", "finish", "prompt_tokens", "output_tokens", "gone_at", "origin")
CHOICES = ("folder", "state", "describer", "model", "colour", "finish")


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

    # Where the words came from: one of `keeper.ORIGINS`; of a copy, the id of the description they were taken from.
    origin: Mapped[str] = mapped_column(String(12), server_default="describer")
    copied_from: Mapped[str | None] = mapped_column(String(36))
    edited_at: Mapped[datetime | None]
    edited_by: Mapped[str | None] = mapped_column(String(100))
    # Since when the file is not there any more.
    gone_at: Mapped[datetime | None]

    # Of folder, describer and model, to find and count all files that are described in one way.
    way: Mapped[str | None] = mapped_column(String(32))

    # What was asked of a model and how it answered.
    prompt_hash: Mapped[str | None] = mapped_column(String(64))
    finish: Mapped[str | None] = mapped_column(String(12))
    prompt_tokens: Mapped[int | None]
    output_tokens: Mapped[int | None]

    # Of the facts, what is searched by. The time is the camera's own, which knows no zone.
    file_digest: Mapped[str | None] = mapped_column(String(64))
    taken_at: Mapped[str | None] = mapped_column(String(32))
    colour: Mapped[str | None] = mapped_column(String(20))
    perceptual_hash: Mapped[int | None] = mapped_column(BigInteger)

    __table_args__ = (
        Index("ix_descriptions_state_number", "state", "number"),
        Index("ix_descriptions_sha256", "sha256"),
        # Holds all that figures are made of: summing up 100,000 rows would read each of them.
        Index("ix_descriptions_figures", *FIGURES),
        # As much for what there is to choose from.
        Index("ix_descriptions_choices", "gone_at", *CHOICES),
        Index("ix_descriptions_size", "size"),
        Index("ix_descriptions_file_digest", "file_digest"),
        Index("ix_descriptions_taken_at_number", "taken_at", "number"),
        Index("ix_descriptions_colour_number", "colour", "number"),
    )


class DescriptionVersionTable(Base):
    """What a description said before it was made anew, edited or imported."""

    __tablename__ = "description_versions"

    id: Mapped[int] = mapped_column(Serial, primary_key=True)
    description_id: Mapped[str] = mapped_column(String(36))
    revision: Mapped[int]
    state: Mapped[str] = mapped_column(String(10))
    description: Mapped[str | None] = mapped_column(Text)
    error: Mapped[dict[str, Any] | None]
    origin: Mapped[str] = mapped_column(String(12))
    by: Mapped[str | None] = mapped_column(String(100))
    sha256: Mapped[str | None] = mapped_column(String(64))
    prompt_hash: Mapped[str | None] = mapped_column(String(64))
    finish: Mapped[str | None] = mapped_column(String(12))
    prompt_tokens: Mapped[int | None]
    output_tokens: Mapped[int | None]
    seconds: Mapped[float | None]
    created_at: Mapped[datetime]
    replaced_at: Mapped[datetime]

    __table_args__ = (Index("ix_description_versions_description_id_revision", "description_id", "revision"),)

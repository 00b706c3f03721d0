"""The tables of records, their tries of steps, and what they are compared by."""

from datetime import datetime
from typing import Any

from sqlalchemy import Index, LargeBinary, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from daemons.models import Base, Serial

_IS_DUE = text("due_at IS NOT NULL")
_IS_HELD = text("held_by IS NOT NULL")
_IS_REMOTE = text("remote_id IS NOT NULL")
_IS_ORPHAN = text("remote_parent IS NOT NULL")
_IS_UNSENT = text("remote_revision IS NOT NULL AND remote_synced < revision")


class RecordTable(Base):
    """One row for each still, clip or frame. `due_at` is set while a step may be taken, and only then."""

    __tablename__ = "records"

    number: Mapped[int] = mapped_column(Serial, primary_key=True)
    id: Mapped[str] = mapped_column(String(36), unique=True)
    ladder: Mapped[str] = mapped_column(String(63))
    code: Mapped[str] = mapped_column(String(32))
    # Of ladder and source: a path may be longer than what an index takes.
    digest: Mapped[str] = mapped_column(String(64), unique=True)
    source: Mapped[str] = mapped_column(Text)
    title: Mapped[str] = mapped_column(String(255))
    status: Mapped[str] = mapped_column(String(100))
    fields: Mapped[dict[str, Any]]
    provenance: Mapped[dict[str, Any]]
    revision: Mapped[int]
    parent_id: Mapped[str | None] = mapped_column(String(36))

    # Where it stands. `attempts` counts tries of the step it is at.
    attempts: Mapped[int] = mapped_column(server_default="0")
    error: Mapped[dict[str, Any] | None]
    reasons: Mapped[list[Any] | None]
    due_at: Mapped[datetime | None]
    parked_at: Mapped[datetime | None]
    is_complete: Mapped[bool] = mapped_column(server_default="0")

    # Who has it in hand: a job and its attempt. `fence` goes up with every claim.
    held_by: Mapped[str | None] = mapped_column(String(36))
    held_attempt: Mapped[int | None]
    fence: Mapped[int] = mapped_column(server_default="0")
    running_since: Mapped[datetime | None]

    # Of a record that also lives in another system. Without a revision it was deleted there.
    remote_id: Mapped[str | None] = mapped_column(String(100))
    remote_revision: Mapped[str | None] = mapped_column(String(100))
    # What that system had when both were last the same, and what is being written there; and our revision that it has.
    remote_seen: Mapped[dict[str, Any] | None]
    remote_synced: Mapped[int | None]
    # The code of the record above it, which has not come from there yet.
    remote_parent: Mapped[str | None] = mapped_column(String(32))

    # Who is writing into its form, and until when nobody else may.
    edited_by: Mapped[str | None] = mapped_column(String(100))
    edited_until: Mapped[datetime | None]

    status_at: Mapped[datetime]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]

    __table_args__ = (
        Index("uq_records_ladder_code", "ladder", "code", unique=True),
        # However many are finished: who is next is found among those that are due.
        Index("ix_records_due", "ladder", "due_at", "number", sqlite_where=_IS_DUE, postgresql_where=_IS_DUE),
        Index("ix_records_held", "held_by", sqlite_where=_IS_HELD, postgresql_where=_IS_HELD),
        Index("ix_records_board", "ladder", "status", "parked_at", "status_at", "number"),
        Index("ix_records_parent_id", "parent_id", "is_complete"),
        Index("ix_records_unsent", "ladder", "number", sqlite_where=_IS_UNSENT, postgresql_where=_IS_UNSENT),
        Index(
            "ix_records_remote_parent",
            "remote_parent",
            sqlite_where=_IS_ORPHAN,
            postgresql_where=_IS_ORPHAN,
        ),
        Index(
            "uq_records_ladder_remote_id",
            "ladder",
            "remote_id",
            unique=True,
            sqlite_where=_IS_REMOTE,
            postgresql_where=_IS_REMOTE,
        ),
    )


class RecordCounterTable(Base):
    """The last number that a code of a ladder was made of."""

    __tablename__ = "record_counters"

    ladder: Mapped[str] = mapped_column(String(63), primary_key=True)
    last: Mapped[int]


class RecordStepTable(Base):
    """One try of one step, or a move by somebody else."""

    __tablename__ = "record_steps"

    id: Mapped[int] = mapped_column(Serial, primary_key=True)
    record: Mapped[int]  # its number
    ladder: Mapped[str] = mapped_column(String(63))
    step: Mapped[str] = mapped_column(String(63))
    attempt: Mapped[int]
    outcome: Mapped[str] = mapped_column(String(12))  # a word of `records`
    old: Mapped[str] = mapped_column(String(100))
    new: Mapped[str] = mapped_column(String(100))
    started_at: Mapped[datetime]
    seconds: Mapped[float]
    by: Mapped[str | None] = mapped_column(String(100))  # a job's id, or a person
    error: Mapped[dict[str, Any] | None]
    note: Mapped[str | None] = mapped_column(Text)

    __table_args__ = (
        Index("ix_record_steps_record", "record", "id"),
        Index("ix_record_steps_figures", "ladder", "started_at", "step", "outcome", "old", "new", "seconds"),
    )


class RecordVectorTable(Base):
    """What a record is compared by, in one space of vectors."""

    __tablename__ = "record_vectors"

    record: Mapped[int] = mapped_column(primary_key=True)
    space: Mapped[str] = mapped_column(String(255), primary_key=True)
    vector: Mapped[bytes] = mapped_column(LargeBinary)
    made_at: Mapped[datetime]

    # Who keeps them in memory asks for them in this order, and later for the new ones.
    __table_args__ = (Index("ix_record_vectors_made_at", "space", "made_at", "record"),)

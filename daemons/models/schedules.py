"""The tables of schedules and of their runs."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from daemons.models.base import JOB_TYPE_CHARACTERS, NAME_CHARACTERS, Base, Json, Serial


class ScheduleTable(Base):
    """When to create a job, or to wake, pause or resume a daemon."""

    __tablename__ = "schedules"

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    name: Mapped[str] = mapped_column(String(NAME_CHARACTERS), unique=True)
    enabled: Mapped[bool]
    kind: Mapped[str] = mapped_column(String(20))
    expression: Mapped[str] = mapped_column(String(200))
    zone: Mapped[str] = mapped_column(String(64))
    action: Mapped[str] = mapped_column(String(20))
    job_type: Mapped[str | None] = mapped_column(String(JOB_TYPE_CHARACTERS))
    args: Mapped[Any] = mapped_column(Json, nullable=True)
    daemon_name: Mapped[str | None] = mapped_column(String(NAME_CHARACTERS))
    # How long a pause is, such as 8h, or until which time of day, such as 07:00.
    pause: Mapped[str | None] = mapped_column(String(20))
    missed: Mapped[str] = mapped_column(String(20))
    next_at: Mapped[datetime | None]
    revision: Mapped[int] = mapped_column(Integer, default=1, server_default="1")
    created_at: Mapped[datetime]

    __table_args__ = (Index("ix_schedules_next_at", "next_at"),)


class ScheduleRunTable(Base):
    """One time a schedule was due, and what came of it."""

    __tablename__ = "schedule_runs"

    id: Mapped[int] = mapped_column(Serial, primary_key=True)
    schedule_id: Mapped[str] = mapped_column(ForeignKey("schedules.id", ondelete="CASCADE"))
    due_at: Mapped[datetime]
    at: Mapped[datetime]
    outcome: Mapped[str] = mapped_column(String(20))
    job_id: Mapped[str | None] = mapped_column(String(36))
    error: Mapped[dict[str, Any] | None]

    __table_args__ = (Index("ix_schedule_runs_schedule_id_id", "schedule_id", "id"),)

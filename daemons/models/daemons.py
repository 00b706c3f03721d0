"""The tables of daemons: rows, leases, and what they said and measured."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Float, ForeignKey, Index, Integer, String, Text, false, text
from sqlalchemy.orm import Mapped, mapped_column

from daemons.models.base import JOB_ID_CHARACTERS, JOB_TYPE_CHARACTERS, STATUS_CHARACTERS, Base, Serial


class DaemonTable(Base):
    """One row a daemon: what was asked of it, what is true of it, what it says."""

    __tablename__ = "daemons"

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    name: Mapped[str] = mapped_column(String(63), unique=True)
    type: Mapped[str] = mapped_column(String(100))
    enabled: Mapped[bool]
    auto_start: Mapped[bool]
    # Whoever stops it by hand has to write its name.
    vital: Mapped[bool] = mapped_column(default=False, server_default=false())
    desired: Mapped[str] = mapped_column(String(20))
    desired_reason: Mapped[str | None] = mapped_column(String(500))
    paused_until: Mapped[datetime | None]
    stop_mode: Mapped[str | None] = mapped_column(String(20))
    # NULL until a person switches the daemon: only then does `auto_start` decide at boot.
    switched_at: Mapped[datetime | None]
    # Commands that leave `desired` as it is are counted, so that each is obeyed once, also by another manager.
    restart_revision: Mapped[int] = mapped_column(Integer, default=0, server_default="0")
    wake_revision: Mapped[int] = mapped_column(Integer, default=0, server_default="0")
    reset_revision: Mapped[int] = mapped_column(Integer, default=0, server_default="0")
    state: Mapped[str] = mapped_column(String(20))
    state_reason: Mapped[str | None] = mapped_column(String(500))
    started_at: Mapped[datetime | None]
    restarts: Mapped[int] = mapped_column(Integer, default=0, server_default="0")
    last_error: Mapped[dict[str, Any] | None]
    configuration: Mapped[dict[str, Any]]
    configuration_revision: Mapped[int] = mapped_column(Integer, default=1, server_default="1")
    current_status: Mapped[str | None] = mapped_column(String(STATUS_CHARACTERS))
    current_job_id: Mapped[str | None] = mapped_column(String(JOB_ID_CHARACTERS))
    current_job_type: Mapped[str | None] = mapped_column(String(JOB_TYPE_CHARACTERS))
    status_updated_at: Mapped[datetime | None]
    status_revision: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
    next_wake_at: Mapped[datetime | None]
    last_heartbeat: Mapped[datetime | None]
    progress: Mapped[dict[str, Any] | None]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class LeaseTable(Base):
    """Who may run a daemon. The epoch fences every write of a run; the beat shows the holder lives."""

    __tablename__ = "leases"

    daemon_id: Mapped[str] = mapped_column(ForeignKey("daemons.id", ondelete="CASCADE"), primary_key=True)
    holder: Mapped[str | None] = mapped_column(String(36))
    epoch: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
    beat: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")


class ManagerTable(Base):
    """One process that runs daemons and jobs."""

    __tablename__ = "managers"

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    host: Mapped[str] = mapped_column(String(255))
    pid: Mapped[int]
    process_started: Mapped[float] = mapped_column(Float)
    beat: Mapped[int] = mapped_column(BigInteger)
    started_at: Mapped[datetime]
    beat_at: Mapped[datetime]


class DaemonHistoryTable(Base):
    """State changes, commands and jobs of a daemon, oldest first."""

    __tablename__ = "daemon_history"

    id: Mapped[int] = mapped_column(Serial, primary_key=True)
    daemon_id: Mapped[str] = mapped_column(ForeignKey("daemons.id", ondelete="CASCADE"))
    at: Mapped[datetime]
    kind: Mapped[str] = mapped_column(String(20))
    old: Mapped[str | None] = mapped_column(String(40))
    new: Mapped[str | None] = mapped_column(String(40))
    reason: Mapped[str | None] = mapped_column(String(500))
    job_id: Mapped[str | None] = mapped_column(String(36))

    __table_args__ = (Index("ix_daemon_history_daemon_id_id", "daemon_id", "id"),)


class StatusTable(Base):
    """The last sentences of each daemon; equal neighbours are one row."""

    __tablename__ = "statuses"

    id: Mapped[int] = mapped_column(Serial, primary_key=True)
    daemon_id: Mapped[str] = mapped_column(ForeignKey("daemons.id", ondelete="CASCADE"))
    at: Mapped[datetime]
    last_at: Mapped[datetime]
    message: Mapped[str] = mapped_column(String(STATUS_CHARACTERS))
    job_id: Mapped[str | None] = mapped_column(String(JOB_ID_CHARACTERS))
    job_type: Mapped[str | None] = mapped_column(String(JOB_TYPE_CHARACTERS))
    repeats: Mapped[int] = mapped_column(Integer, default=1, server_default="1")

    __table_args__ = (Index("ix_statuses_daemon_id_id", "daemon_id", "id"),)


class MetricTable(Base):
    """A daemon's own figures, folded by the minute."""

    __tablename__ = "daemon_metrics"

    daemon_id: Mapped[str] = mapped_column(ForeignKey("daemons.id", ondelete="CASCADE"), primary_key=True)
    name: Mapped[str] = mapped_column(String(100), primary_key=True)
    at: Mapped[datetime] = mapped_column(primary_key=True)
    unit: Mapped[str | None] = mapped_column(String(20))
    count: Mapped[int]
    total: Mapped[float]
    minimum: Mapped[float]
    maximum: Mapped[float]
    last: Mapped[float]


class DaemonErrorTable(Base):
    """What a daemon reported as gone wrong; equal reports are counted."""

    __tablename__ = "daemon_errors"

    id: Mapped[int] = mapped_column(Serial, primary_key=True)
    daemon_id: Mapped[str] = mapped_column(ForeignKey("daemons.id", ondelete="CASCADE"))
    code: Mapped[str] = mapped_column(String(100))
    digest: Mapped[str] = mapped_column(String(64))
    message: Mapped[str] = mapped_column(Text)
    detail: Mapped[str | None] = mapped_column(Text)
    count: Mapped[int]
    first_seen: Mapped[datetime]
    last_seen: Mapped[datetime]
    resolved_at: Mapped[datetime | None]

    __table_args__ = (
        Index(
            "uq_daemon_errors_open",
            "daemon_id",
            "digest",
            unique=True,
            sqlite_where=text("resolved_at IS NULL"),
            postgresql_where=text("resolved_at IS NULL"),
        ),
    )


class FailureMarkTable(Base):
    """What somebody said of a daemon's failures with one code."""

    __tablename__ = "failure_marks"

    daemon_id: Mapped[str] = mapped_column(ForeignKey("daemons.id", ondelete="CASCADE"), primary_key=True)
    code: Mapped[str] = mapped_column(String(100), primary_key=True)
    skipped_at: Mapped[datetime | None]
    muted_until: Mapped[datetime | None]
    who: Mapped[str] = mapped_column(String(100))

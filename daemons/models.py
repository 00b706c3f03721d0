"""The tables. Workflows add theirs on the same `Base`; plug-ins prefix their tables `x_`."""

from datetime import UTC, datetime
from typing import Any, ClassVar

from sqlalchemy import JSON, BigInteger, DateTime, Float, ForeignKey, Index, Integer, MetaData, String, Text, text
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import TypeDecorator

STATUS_CHARACTERS = 500
JOB_ID_CHARACTERS = 36
JOB_TYPE_CHARACTERS = 100


class UtcDateTime(TypeDecorator[datetime]):
    """An aware time, stored in UTC, read back aware on every database."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def bind_processor(self, dialect: Dialect) -> Any:
        # The very text SQLAlchemy stores in SQLite, made in a fifth of the time: a flush binds hundreds of times.
        return _spelled if dialect.name == "sqlite" else super().bind_processor(dialect)

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return None if value is None else _in_utc(value)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def _in_utc(value: datetime) -> datetime:
    if value.tzinfo is None:
        raise ValueError("a time without a zone cannot be stored")
    return value.astimezone(UTC)


def _spelled(value: datetime | None) -> str | None:
    return None if value is None else _in_utc(value).replace(tzinfo=None).isoformat(" ", "microseconds")


# SQLite counts rows by itself only in a column declared exactly INTEGER.
Serial = BigInteger().with_variant(Integer, "sqlite")
Json = JSON(none_as_null=True)


class Base(DeclarativeBase):
    """Every table hangs on this."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map: ClassVar[dict[Any, Any]] = {datetime: UtcDateTime, dict[str, Any]: Json, list[Any]: Json}


class DaemonTable(Base):
    """One row a daemon: what was asked of it, what is true of it, what it says."""

    __tablename__ = "daemons"

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    name: Mapped[str] = mapped_column(String(63), unique=True)
    type: Mapped[str] = mapped_column(String(100))
    enabled: Mapped[bool]
    auto_start: Mapped[bool]
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


class JobTable(Base):
    """One row a job. `number` is the order of creation; `attempt` fences every write of a worker."""

    __tablename__ = "jobs"

    number: Mapped[int] = mapped_column(Serial, primary_key=True)
    id: Mapped[str] = mapped_column(String(36), unique=True)
    type: Mapped[str] = mapped_column(String(JOB_TYPE_CHARACTERS))
    lane: Mapped[str] = mapped_column(String(63))
    state: Mapped[str] = mapped_column(String(20))
    daemon_id: Mapped[str | None] = mapped_column(ForeignKey("daemons.id", ondelete="SET NULL"))
    daemon_name: Mapped[str | None] = mapped_column(String(63))
    parent_id: Mapped[str | None] = mapped_column(String(36))
    key: Mapped[str | None] = mapped_column(String(255))
    # Of type and arguments: another body under the same key is refused.
    key_digest: Mapped[str | None] = mapped_column(String(64))
    unique_key: Mapped[str | None] = mapped_column(String(255))
    args: Mapped[Any] = mapped_column(Json)
    result: Mapped[Any] = mapped_column(Json, nullable=True)
    progress: Mapped[dict[str, Any] | None]
    error: Mapped[dict[str, Any] | None]
    attempt: Mapped[int] = mapped_column(Integer, default=0, server_default="0")
    failures: Mapped[int] = mapped_column(Integer, default=0, server_default="0")
    crashes: Mapped[int] = mapped_column(Integer, default=0, server_default="0")
    max_attempts: Mapped[int]
    priority: Mapped[int] = mapped_column(Integer, default=0, server_default="0")
    on_stop: Mapped[str] = mapped_column(String(20))
    run_after: Mapped[datetime]
    waiting_reason: Mapped[str | None] = mapped_column(String(500))
    created_at: Mapped[datetime]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    worker: Mapped[str | None] = mapped_column(String(36))
    revision: Mapped[int] = mapped_column(Integer, default=0, server_default="0")

    __table_args__ = (
        Index(
            "uq_jobs_key",
            "key",
            unique=True,
            sqlite_where=text("key IS NOT NULL"),
            postgresql_where=text("key IS NOT NULL"),
        ),
        Index(
            "uq_jobs_unfinished",
            "type",
            "unique_key",
            unique=True,
            sqlite_where=text("unique_key IS NOT NULL AND state IN ('queued', 'running', 'cancelling')"),
            postgresql_where=text("unique_key IS NOT NULL AND state IN ('queued', 'running', 'cancelling')"),
        ),
        Index(
            "ix_jobs_queued",
            "lane",
            text("priority DESC"),
            "number",
            sqlite_where=text("state = 'queued'"),
            postgresql_where=text("state = 'queued'"),
        ),
        Index(
            "ix_jobs_held",
            "worker",
            sqlite_where=text("state IN ('running', 'cancelling')"),
            postgresql_where=text("state IN ('running', 'cancelling')"),
        ),
        Index("ix_jobs_state_number", "state", "number"),
        Index("ix_jobs_type_number", "type", "number"),
        Index("ix_jobs_daemon_id_number", "daemon_id", "number"),
        Index("ix_jobs_parent_id", "parent_id"),
        Index("ix_jobs_finished_at", "finished_at"),
    )


class JobAttemptTable(Base):
    """One row each time a worker took a job."""

    __tablename__ = "job_attempts"

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    attempt: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    worker: Mapped[str] = mapped_column(String(36))
    started_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
    outcome: Mapped[str | None] = mapped_column(String(20))
    error: Mapped[dict[str, Any] | None]


class JobRefusalTable(Base):
    """One row each time a worker wrote to a job that it no longer had."""

    __tablename__ = "job_refusals"

    id: Mapped[int] = mapped_column(Serial, primary_key=True)
    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), index=True)
    at: Mapped[datetime]
    attempt: Mapped[int]
    worker: Mapped[str] = mapped_column(String(36))
    what: Mapped[str] = mapped_column(String(40))
    detail: Mapped[str | None] = mapped_column(Text)


class JobCountTable(Base):
    """How many jobs ended how on a day; outlives the jobs."""

    __tablename__ = "job_counts"

    day: Mapped[str] = mapped_column(String(10), primary_key=True)
    type: Mapped[str] = mapped_column(String(JOB_TYPE_CHARACTERS), primary_key=True)
    state: Mapped[str] = mapped_column(String(20), primary_key=True)
    count: Mapped[int] = mapped_column(BigInteger)


class LogTable(Base):
    """Log lines of daemons and jobs."""

    __tablename__ = "logs"

    id: Mapped[int] = mapped_column(Serial, primary_key=True)
    at: Mapped[datetime]
    level: Mapped[str] = mapped_column(String(10))
    message: Mapped[str] = mapped_column(Text)
    daemon_id: Mapped[str | None] = mapped_column(ForeignKey("daemons.id", ondelete="CASCADE"))
    job_id: Mapped[str | None] = mapped_column(String(36))

    __table_args__ = (Index("ix_logs_daemon_id_id", "daemon_id", "id"), Index("ix_logs_job_id_id", "job_id", "id"))


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


class SessionTable(Base):
    """A signed-in browser. Only the hash of its cookie is kept."""

    __tablename__ = "sessions"

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    digest: Mapped[str] = mapped_column(String(64), unique=True)
    role: Mapped[str] = mapped_column(String(20))
    user_name: Mapped[str | None] = mapped_column(String(63))
    created_at: Mapped[datetime]
    last_seen: Mapped[datetime]
    revoked_at: Mapped[datetime | None]


class TokenTable(Base):
    """A bearer token for programs. Only its hash is kept."""

    __tablename__ = "tokens"

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    name: Mapped[str] = mapped_column(String(63), unique=True)
    digest: Mapped[str] = mapped_column(String(64), unique=True)
    role: Mapped[str] = mapped_column(String(20))
    created_at: Mapped[datetime]
    last_used_at: Mapped[datetime | None]
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]


class SigninCodeTable(Base):
    """A printed link that signs in one browser, once."""

    __tablename__ = "signin_codes"

    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    role: Mapped[str] = mapped_column(String(20))
    expires_at: Mapped[datetime]
    spent_at: Mapped[datetime | None]


class AuditTable(Base):
    """Who did what, from where."""

    __tablename__ = "audit"

    id: Mapped[int] = mapped_column(Serial, primary_key=True)
    at: Mapped[datetime]
    who: Mapped[str] = mapped_column(String(100))
    origin: Mapped[str] = mapped_column(String(100))
    action: Mapped[str] = mapped_column(String(100))
    target: Mapped[str | None] = mapped_column(String(255))
    outcome: Mapped[str] = mapped_column(String(40))

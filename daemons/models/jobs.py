"""The tables of jobs: rows, attempts, late writes, counts, and log lines."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Index, Integer, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from daemons.models.base import JOB_TYPE_CHARACTERS, Base, Json, Serial

_IS_OF_ITEM = text("item_id IS NOT NULL")


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
    # The code of `error` once more, where it can be asked for.
    error_code: Mapped[str | None] = mapped_column(String(100))
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
        # The time of creation stands in it so that jobs with a code are counted without a look at each of them.
        Index(
            "ix_jobs_error_code_state_number",
            "error_code",
            "state",
            "number",
            "created_at",
            sqlite_where=text("error_code IS NOT NULL"),
            postgresql_where=text("error_code IS NOT NULL"),
        ),
        Index("ix_jobs_ended", "finished_at", "state", "daemon_id"),
        Index("ix_jobs_created_at", "created_at"),
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
    # Of a single thing that a job works on, such as a record.
    item_id: Mapped[str | None] = mapped_column(String(36))

    __table_args__ = (
        Index("ix_logs_daemon_id_id", "daemon_id", "id"),
        Index("ix_logs_job_id_id", "job_id", "id"),
        # Few lines are of a single thing: the others pay nothing for it.
        Index("ix_logs_item_id_id", "item_id", "id", sqlite_where=_IS_OF_ITEM, postgresql_where=_IS_OF_ITEM),
    )


class OperationTable(Base):
    """One command for many jobs: which, frozen when it was confirmed, and how far it is."""

    __tablename__ = "operations"

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    action: Mapped[str] = mapped_column(String(20))
    description: Mapped[str] = mapped_column(String(500))
    who: Mapped[str] = mapped_column(String(100))
    state: Mapped[str] = mapped_column(String(20))
    total: Mapped[int]
    done: Mapped[int] = mapped_column(Integer, default=0, server_default="0")
    refused: Mapped[int] = mapped_column(Integer, default=0, server_default="0")
    created_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]

    __table_args__ = (Index("ix_operations_created_at", "created_at"),)


class OperationItemTable(Base):
    """One job of an operation, and what became of the command for it."""

    __tablename__ = "operation_items"

    operation_id: Mapped[str] = mapped_column(ForeignKey("operations.id", ondelete="CASCADE"), primary_key=True)
    position: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    job_id: Mapped[str] = mapped_column(String(36))
    # The attempt it was in when it was chosen: one that has gone on since is left alone.
    attempt: Mapped[int]
    outcome: Mapped[str | None] = mapped_column(String(20))
    code: Mapped[str | None] = mapped_column(String(100))


class ViewTable(Base):
    """A question about jobs that was given a name."""

    __tablename__ = "views"

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    name: Mapped[str] = mapped_column(String(100), unique=True)
    query: Mapped[str] = mapped_column(String(1000))
    is_default: Mapped[bool]
    who: Mapped[str] = mapped_column(String(100))
    created_at: Mapped[datetime]

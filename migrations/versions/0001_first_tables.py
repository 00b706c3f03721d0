"""The first tables."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)
# SQLite counts rows by itself only in a column declared exactly INTEGER.
SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def only_where(condition: str) -> dict[str, Any]:
    return {"sqlite_where": sa.text(condition), "postgresql_where": sa.text(condition)}


def upgrade() -> None:
    op.create_table(
        "audit",
        sa.Column("id", SERIAL, nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("who", sa.String(100), nullable=False),
        sa.Column("origin", sa.String(100), nullable=False),
        sa.Column("action", sa.String(100), nullable=False),
        sa.Column("target", sa.String(255), nullable=True),
        sa.Column("outcome", sa.String(40), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_audit"),
    )
    op.create_table(
        "daemons",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("name", sa.String(63), nullable=False),
        sa.Column("type", sa.String(100), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("auto_start", sa.Boolean(), nullable=False),
        sa.Column("desired", sa.String(20), nullable=False),
        sa.Column("desired_reason", sa.String(500), nullable=True),
        sa.Column("paused_until", MOMENT, nullable=True),
        sa.Column("stop_mode", sa.String(20), nullable=True),
        sa.Column("switched_at", MOMENT, nullable=True),
        sa.Column("restart_revision", sa.Integer(), server_default="0", nullable=False),
        sa.Column("wake_revision", sa.Integer(), server_default="0", nullable=False),
        sa.Column("reset_revision", sa.Integer(), server_default="0", nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("state_reason", sa.String(500), nullable=True),
        sa.Column("started_at", MOMENT, nullable=True),
        sa.Column("restarts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("last_error", sa.JSON(), nullable=True),
        sa.Column("configuration", sa.JSON(), nullable=False),
        sa.Column("configuration_revision", sa.Integer(), server_default="1", nullable=False),
        sa.Column("current_status", sa.String(500), nullable=True),
        sa.Column("current_job_id", sa.String(36), nullable=True),
        sa.Column("current_job_type", sa.String(100), nullable=True),
        sa.Column("status_updated_at", MOMENT, nullable=True),
        sa.Column("status_revision", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("next_wake_at", MOMENT, nullable=True),
        sa.Column("last_heartbeat", MOMENT, nullable=True),
        sa.Column("progress", sa.JSON(), nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("updated_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_daemons"),
        sa.UniqueConstraint("name", name="uq_daemons_name"),
    )
    op.create_table(
        "descriptions",
        sa.Column("number", SERIAL, nullable=False),
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("folder", sa.Text(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("folder_bytes", sa.LargeBinary(), nullable=False),
        sa.Column("path_bytes", sa.LargeBinary(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("mtime_ns", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=True),
        sa.Column("describer", sa.String(63), nullable=False),
        sa.Column("model", sa.String(255), nullable=False),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("facts", sa.JSON(), nullable=True),
        sa.Column("error", sa.JSON(), nullable=True),
        sa.Column("seconds", sa.Double(), nullable=True),
        sa.Column("job_id", sa.String(36), nullable=True),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_descriptions"),
        sa.UniqueConstraint("digest", name="uq_descriptions_digest"),
        sa.UniqueConstraint("id", name="uq_descriptions_id"),
    )
    op.create_index("ix_descriptions_sha256", "descriptions", ["sha256"])
    op.create_index("ix_descriptions_state_number", "descriptions", ["state", "number"])
    op.create_table(
        "job_counts",
        sa.Column("day", sa.String(10), nullable=False),
        sa.Column("type", sa.String(100), nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("day", "type", "state", name="pk_job_counts"),
    )
    op.create_table(
        "managers",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("host", sa.String(255), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("process_started", sa.Float(), nullable=False),
        sa.Column("beat", sa.BigInteger(), nullable=False),
        sa.Column("started_at", MOMENT, nullable=False),
        sa.Column("beat_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_managers"),
    )
    op.create_table(
        "sessions",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("role", sa.String(20), nullable=False),
        sa.Column("user_name", sa.String(63), nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("last_seen", MOMENT, nullable=False),
        sa.Column("revoked_at", MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_sessions"),
        sa.UniqueConstraint("digest", name="uq_sessions_digest"),
    )
    op.create_table(
        "signin_codes",
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("role", sa.String(20), nullable=False),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.Column("spent_at", MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("digest", name="pk_signin_codes"),
    )
    op.create_table(
        "tokens",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("name", sa.String(63), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("role", sa.String(20), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("last_used_at", MOMENT, nullable=True),
        sa.Column("expires_at", MOMENT, nullable=True),
        sa.Column("revoked_at", MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_tokens"),
        sa.UniqueConstraint("digest", name="uq_tokens_digest"),
        sa.UniqueConstraint("name", name="uq_tokens_name"),
    )
    op.create_table(
        "daemon_errors",
        sa.Column("id", SERIAL, nullable=False),
        sa.Column("daemon_id", sa.String(36), nullable=False),
        sa.Column("code", sa.String(100), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("first_seen", MOMENT, nullable=False),
        sa.Column("last_seen", MOMENT, nullable=False),
        sa.Column("resolved_at", MOMENT, nullable=True),
        sa.ForeignKeyConstraint(
            ["daemon_id"], ["daemons.id"], name="fk_daemon_errors_daemon_id_daemons", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_daemon_errors"),
    )
    op.create_index(
        "uq_daemon_errors_open",
        "daemon_errors",
        ["daemon_id", "digest"],
        unique=True,
        **only_where("resolved_at IS NULL"),
    )
    op.create_table(
        "daemon_history",
        sa.Column("id", SERIAL, nullable=False),
        sa.Column("daemon_id", sa.String(36), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("old", sa.String(40), nullable=True),
        sa.Column("new", sa.String(40), nullable=True),
        sa.Column("reason", sa.String(500), nullable=True),
        sa.Column("job_id", sa.String(36), nullable=True),
        sa.ForeignKeyConstraint(
            ["daemon_id"], ["daemons.id"], name="fk_daemon_history_daemon_id_daemons", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_daemon_history"),
    )
    op.create_index("ix_daemon_history_daemon_id_id", "daemon_history", ["daemon_id", "id"])
    op.create_table(
        "daemon_metrics",
        sa.Column("daemon_id", sa.String(36), nullable=False),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("unit", sa.String(20), nullable=True),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("total", sa.Double(), nullable=False),
        sa.Column("minimum", sa.Double(), nullable=False),
        sa.Column("maximum", sa.Double(), nullable=False),
        sa.Column("last", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(
            ["daemon_id"], ["daemons.id"], name="fk_daemon_metrics_daemon_id_daemons", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("daemon_id", "name", "at", name="pk_daemon_metrics"),
    )
    op.create_table(
        "jobs",
        sa.Column("number", SERIAL, nullable=False),
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("type", sa.String(100), nullable=False),
        sa.Column("lane", sa.String(63), nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("daemon_id", sa.String(36), nullable=True),
        sa.Column("daemon_name", sa.String(63), nullable=True),
        sa.Column("parent_id", sa.String(36), nullable=True),
        sa.Column("key", sa.String(255), nullable=True),
        sa.Column("key_digest", sa.String(64), nullable=True),
        sa.Column("unique_key", sa.String(255), nullable=True),
        sa.Column("args", sa.JSON(), nullable=False),
        sa.Column("result", sa.JSON(), nullable=True),
        sa.Column("progress", sa.JSON(), nullable=True),
        sa.Column("error", sa.JSON(), nullable=True),
        sa.Column("attempt", sa.Integer(), server_default="0", nullable=False),
        sa.Column("failures", sa.Integer(), server_default="0", nullable=False),
        sa.Column("crashes", sa.Integer(), server_default="0", nullable=False),
        sa.Column("max_attempts", sa.Integer(), nullable=False),
        sa.Column("priority", sa.Integer(), server_default="0", nullable=False),
        sa.Column("on_stop", sa.String(20), nullable=False),
        sa.Column("run_after", MOMENT, nullable=False),
        sa.Column("waiting_reason", sa.String(500), nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("started_at", MOMENT, nullable=True),
        sa.Column("finished_at", MOMENT, nullable=True),
        sa.Column("worker", sa.String(36), nullable=True),
        sa.Column("revision", sa.Integer(), server_default="0", nullable=False),
        sa.ForeignKeyConstraint(["daemon_id"], ["daemons.id"], name="fk_jobs_daemon_id_daemons", ondelete="SET NULL"),
        sa.PrimaryKeyConstraint("number", name="pk_jobs"),
        sa.UniqueConstraint("id", name="uq_jobs_id"),
    )
    op.create_index("ix_jobs_daemon_id_number", "jobs", ["daemon_id", "number"])
    op.create_index("ix_jobs_finished_at", "jobs", ["finished_at"])
    op.create_index("ix_jobs_held", "jobs", ["worker"], **only_where("state IN ('running', 'cancelling')"))
    op.create_index("ix_jobs_parent_id", "jobs", ["parent_id"])
    op.create_index(
        "ix_jobs_queued", "jobs", ["lane", sa.text("priority DESC"), "number"], **only_where("state = 'queued'")
    )
    op.create_index("ix_jobs_state_number", "jobs", ["state", "number"])
    op.create_index("ix_jobs_type_number", "jobs", ["type", "number"])
    op.create_index("uq_jobs_key", "jobs", ["key"], unique=True, **only_where("key IS NOT NULL"))
    op.create_index(
        "uq_jobs_unfinished",
        "jobs",
        ["type", "unique_key"],
        unique=True,
        **only_where("unique_key IS NOT NULL AND state IN ('queued', 'running', 'cancelling')"),
    )
    op.create_table(
        "leases",
        sa.Column("daemon_id", sa.String(36), nullable=False),
        sa.Column("holder", sa.String(36), nullable=True),
        sa.Column("epoch", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("beat", sa.BigInteger(), server_default="0", nullable=False),
        sa.ForeignKeyConstraint(["daemon_id"], ["daemons.id"], name="fk_leases_daemon_id_daemons", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("daemon_id", name="pk_leases"),
    )
    op.create_table(
        "logs",
        sa.Column("id", SERIAL, nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("level", sa.String(10), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("daemon_id", sa.String(36), nullable=True),
        sa.Column("job_id", sa.String(36), nullable=True),
        sa.Column("item_id", sa.String(36), nullable=True),
        sa.ForeignKeyConstraint(["daemon_id"], ["daemons.id"], name="fk_logs_daemon_id_daemons", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_logs"),
    )
    op.create_index("ix_logs_daemon_id_id", "logs", ["daemon_id", "id"])
    op.create_index("ix_logs_job_id_id", "logs", ["job_id", "id"])
    op.create_index("ix_logs_item_id_id", "logs", ["item_id", "id"], **only_where("item_id IS NOT NULL"))
    op.create_table(
        "statuses",
        sa.Column("id", SERIAL, nullable=False),
        sa.Column("daemon_id", sa.String(36), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("last_at", MOMENT, nullable=False),
        sa.Column("message", sa.String(500), nullable=False),
        sa.Column("job_id", sa.String(36), nullable=True),
        sa.Column("job_type", sa.String(100), nullable=True),
        sa.Column("repeats", sa.Integer(), server_default="1", nullable=False),
        sa.ForeignKeyConstraint(
            ["daemon_id"], ["daemons.id"], name="fk_statuses_daemon_id_daemons", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_statuses"),
    )
    op.create_index("ix_statuses_daemon_id_id", "statuses", ["daemon_id", "id"])
    op.create_table(
        "job_attempts",
        sa.Column("job_id", sa.String(36), nullable=False),
        sa.Column("attempt", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("worker", sa.String(36), nullable=False),
        sa.Column("started_at", MOMENT, nullable=False),
        sa.Column("finished_at", MOMENT, nullable=True),
        sa.Column("outcome", sa.String(20), nullable=True),
        sa.Column("error", sa.JSON(), nullable=True),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name="fk_job_attempts_job_id_jobs", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("job_id", "attempt", name="pk_job_attempts"),
    )
    op.create_table(
        "job_refusals",
        sa.Column("id", SERIAL, nullable=False),
        sa.Column("job_id", sa.String(36), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("worker", sa.String(36), nullable=False),
        sa.Column("what", sa.String(40), nullable=False),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name="fk_job_refusals_job_id_jobs", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_job_refusals"),
    )
    op.create_index("ix_job_refusals_job_id", "job_refusals", ["job_id"])


def downgrade() -> None:
    for table in (
        "job_refusals",
        "job_attempts",
        "statuses",
        "logs",
        "leases",
        "jobs",
        "daemon_metrics",
        "daemon_history",
        "daemon_errors",
        "tokens",
        "signin_codes",
        "sessions",
        "managers",
        "job_counts",
        "descriptions",
        "daemons",
        "audit",
    ):
        op.drop_table(table)

"""People, bulk operations, saved views, schedules, notices, questions; vital daemons; jobs by error code."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)
# SQLite counts rows by itself only in a column declared exactly INTEGER.
SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def only_where(condition: str) -> dict[str, Any]:
    return {"sqlite_where": sa.text(condition), "postgresql_where": sa.text(condition)}


def upgrade() -> None:
    op.add_column("daemons", sa.Column("vital", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.add_column("sessions", sa.Column("user_id", sa.String(36), nullable=True))
    op.add_column("sessions", sa.Column("origin", sa.String(100), nullable=True))
    op.create_index("ix_audit_at", "audit", ["at"])
    op.add_column("jobs", sa.Column("error_code", sa.String(100), nullable=True))
    is_sqlite = op.get_bind().dialect.name == "sqlite"
    code = "json_extract(error, '$.code')" if is_sqlite else "error ->> 'code'"
    op.execute(f"UPDATE jobs SET error_code = substr({code}, 1, 100) WHERE error IS NOT NULL")  # noqa: S608 - ours
    with_code = ["error_code", "state", "number", "created_at"]
    op.create_index("ix_jobs_error_code_state_number", "jobs", with_code, **only_where("error_code IS NOT NULL"))
    op.create_index("ix_jobs_created_at", "jobs", ["created_at"])
    op.drop_index("ix_jobs_finished_at", "jobs")
    op.create_index("ix_jobs_ended", "jobs", ["finished_at", "state", "daemon_id"])
    op.create_table(
        "operations",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("action", sa.String(20), nullable=False),
        sa.Column("description", sa.String(500), nullable=False),
        sa.Column("who", sa.String(100), nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("total", sa.Integer(), nullable=False),
        sa.Column("done", sa.Integer(), server_default="0", nullable=False),
        sa.Column("refused", sa.Integer(), server_default="0", nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("finished_at", MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_operations"),
    )
    op.create_index("ix_operations_created_at", "operations", ["created_at"])
    op.create_table(
        "operation_items",
        sa.Column("operation_id", sa.String(36), nullable=False),
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("job_id", sa.String(36), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("outcome", sa.String(20), nullable=True),
        sa.Column("code", sa.String(100), nullable=True),
        sa.ForeignKeyConstraint(
            ["operation_id"], ["operations.id"], name="fk_operation_items_operation_id_operations", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("operation_id", "position", name="pk_operation_items"),
    )
    op.create_table(
        "failure_marks",
        sa.Column("daemon_id", sa.String(36), nullable=False),
        sa.Column("code", sa.String(100), nullable=False),
        sa.Column("skipped_at", MOMENT, nullable=True),
        sa.Column("muted_until", MOMENT, nullable=True),
        sa.Column("who", sa.String(100), nullable=False),
        sa.ForeignKeyConstraint(
            ["daemon_id"], ["daemons.id"], name="fk_failure_marks_daemon_id_daemons", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("daemon_id", "code", name="pk_failure_marks"),
    )
    op.create_table(
        "views",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("query", sa.String(1000), nullable=False),
        sa.Column("is_default", sa.Boolean(), nullable=False),
        sa.Column("who", sa.String(100), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_views"),
        sa.UniqueConstraint("name", name="uq_views_name"),
    )
    op.create_table(
        "users",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("name", sa.String(63), nullable=False),
        sa.Column("role", sa.String(20), nullable=False),
        sa.Column("password_hash", sa.String(255), nullable=True),
        sa.Column("password_set_at", MOMENT, nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_users"),
        sa.UniqueConstraint("name", name="uq_users_name"),
    )
    op.create_table(
        "milestones",
        sa.Column("name", sa.String(40), nullable=False),
        sa.Column("reached_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_milestones"),
    )
    # Who has worked with the deck before needs no first steps.
    op.execute(
        "INSERT INTO milestones (name, reached_at) SELECT 'first run', CURRENT_TIMESTAMP"
        " WHERE EXISTS (SELECT 1 FROM audit)"
    )
    op.create_table(
        "schedules",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("name", sa.String(63), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("expression", sa.String(200), nullable=False),
        sa.Column("zone", sa.String(64), nullable=False),
        sa.Column("action", sa.String(20), nullable=False),
        sa.Column("job_type", sa.String(100), nullable=True),
        sa.Column("args", sa.JSON(), nullable=True),
        sa.Column("daemon_name", sa.String(63), nullable=True),
        sa.Column("pause", sa.String(20), nullable=True),
        sa.Column("missed", sa.String(20), nullable=False),
        sa.Column("next_at", MOMENT, nullable=True),
        sa.Column("revision", sa.Integer(), server_default="1", nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_schedules"),
        sa.UniqueConstraint("name", name="uq_schedules_name"),
    )
    op.create_index("ix_schedules_next_at", "schedules", ["next_at"])
    op.create_table(
        "schedule_runs",
        sa.Column("id", SERIAL, nullable=False),
        sa.Column("schedule_id", sa.String(36), nullable=False),
        sa.Column("due_at", MOMENT, nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("outcome", sa.String(20), nullable=False),
        sa.Column("job_id", sa.String(36), nullable=True),
        sa.Column("error", sa.JSON(), nullable=True),
        sa.ForeignKeyConstraint(
            ["schedule_id"], ["schedules.id"], name="fk_schedule_runs_schedule_id_schedules", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_schedule_runs"),
    )
    op.create_index("ix_schedule_runs_schedule_id_id", "schedule_runs", ["schedule_id", "id"])
    op.create_table(
        "notice_targets",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("name", sa.String(63), nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("secret", sa.String(255), nullable=True),
        sa.Column("events", sa.JSON(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("quiet_from", sa.String(5), nullable=True),
        sa.Column("quiet_until", sa.String(5), nullable=True),
        sa.Column("errors_at_once", sa.Boolean(), nullable=False),
        sa.Column("zone", sa.String(64), nullable=False),
        sa.Column("revision", sa.Integer(), server_default="1", nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_notice_targets"),
        sa.UniqueConstraint("name", name="uq_notice_targets_name"),
    )
    op.create_table(
        "incidents",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("kind", sa.String(40), nullable=False),
        sa.Column("subject", sa.String(255), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("manager_id", sa.String(36), nullable=True),
        sa.Column("first_at", MOMENT, nullable=False),
        sa.Column("opened_at", MOMENT, nullable=False),
        sa.Column("recovered_at", MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_incidents"),
    )
    op.create_index("ix_incidents_opened_at", "incidents", ["opened_at"])
    op.create_index(
        "uq_incidents_open", "incidents", ["kind", "subject"], unique=True, **only_where("recovered_at IS NULL")
    )
    op.create_table(
        "deliveries",
        sa.Column("id", SERIAL, nullable=False),
        sa.Column("target_id", sa.String(36), nullable=True),
        sa.Column("target_name", sa.String(63), nullable=False),
        sa.Column("incident_id", sa.String(36), nullable=True),
        sa.Column("kind", sa.String(40), nullable=False),
        sa.Column("urgent", sa.Boolean(), nullable=False),
        sa.Column("title", sa.String(255), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("outcome", sa.String(20), nullable=False),
        sa.Column("detail", sa.String(500), nullable=True),
        sa.Column("tries", sa.Integer(), server_default="0", nullable=False),
        sa.Column("next_try_at", MOMENT, nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("finished_at", MOMENT, nullable=True),
        sa.ForeignKeyConstraint(
            ["incident_id"], ["incidents.id"], name="fk_deliveries_incident_id_incidents", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["target_id"], ["notice_targets.id"], name="fk_deliveries_target_id_notice_targets", ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_deliveries"),
    )
    op.create_index("ix_deliveries_created_at", "deliveries", ["created_at"])
    op.create_index("ix_deliveries_waiting", "deliveries", ["next_try_at"], **only_where("outcome = 'waiting'"))
    op.create_table(
        "questions",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("daemon_id", sa.String(36), nullable=True),
        sa.Column("daemon_name", sa.String(63), nullable=True),
        sa.Column("job_id", sa.String(36), nullable=True),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("title", sa.String(255), nullable=False),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.Column("form", sa.JSON(), nullable=False),
        sa.Column("suggestion", sa.JSON(), nullable=True),
        sa.Column("fallback", sa.JSON(), nullable=True),
        sa.Column("deadline", MOMENT, nullable=True),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("answer", sa.JSON(), nullable=True),
        sa.Column("answered_by", sa.String(100), nullable=True),
        sa.Column("answered_at", MOMENT, nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(
            ["daemon_id"], ["daemons.id"], name="fk_questions_daemon_id_daemons", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name="fk_questions_job_id_jobs", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_questions"),
    )
    op.create_index("ix_questions_state_created_at", "questions", ["state", "created_at"])
    op.create_index(
        "uq_questions_daemon_id",
        "questions",
        ["daemon_id", "name"],
        unique=True,
        **only_where("job_id IS NULL AND state IN ('open', 'answered')"),
    )
    op.create_index(
        "uq_questions_job_id", "questions", ["job_id", "name"], unique=True, **only_where("job_id IS NOT NULL")
    )


def downgrade() -> None:
    for table in (
        "questions",
        "deliveries",
        "incidents",
        "notice_targets",
        "schedule_runs",
        "schedules",
        "milestones",
        "users",
        "views",
        "failure_marks",
        "operation_items",
        "operations",
    ):
        op.drop_table(table)
    op.drop_index("ix_jobs_ended", "jobs")
    op.create_index("ix_jobs_finished_at", "jobs", ["finished_at"])
    op.drop_index("ix_jobs_created_at", "jobs")
    op.drop_index("ix_jobs_error_code_state_number", "jobs")
    op.drop_column("jobs", "error_code")
    op.drop_index("ix_audit_at", "audit")
    op.drop_column("sessions", "origin")
    op.drop_column("sessions", "user_id")
    op.drop_column("daemons", "vital")

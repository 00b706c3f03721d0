"""Records that climb a ladder of steps: where each stands, every try of a step, and what they are compared by."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)
# SQLite counts rows by itself only in a column declared exactly INTEGER.
SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "records",
        sa.Column("number", SERIAL, nullable=False),
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("ladder", sa.String(63), nullable=False),
        sa.Column("code", sa.String(32), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("title", sa.String(255), nullable=False),
        sa.Column("status", sa.String(100), nullable=False),
        sa.Column("fields", sa.JSON(), nullable=False),
        sa.Column("provenance", sa.JSON(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("parent_id", sa.String(36), nullable=True),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("error", sa.JSON(), nullable=True),
        sa.Column("reasons", sa.JSON(), nullable=True),
        sa.Column("due_at", MOMENT, nullable=True),
        sa.Column("parked_at", MOMENT, nullable=True),
        sa.Column("is_complete", sa.Boolean(), server_default="0", nullable=False),
        sa.Column("held_by", sa.String(36), nullable=True),
        sa.Column("held_attempt", sa.Integer(), nullable=True),
        sa.Column("fence", sa.Integer(), server_default="0", nullable=False),
        sa.Column("running_since", MOMENT, nullable=True),
        sa.Column("remote_id", sa.String(100), nullable=True),
        sa.Column("remote_revision", sa.String(100), nullable=True),
        sa.Column("remote_seen", sa.JSON(), nullable=True),
        sa.Column("remote_synced", sa.Integer(), nullable=True),
        sa.Column("remote_parent", sa.String(32), nullable=True),
        sa.Column("edited_by", sa.String(100), nullable=True),
        sa.Column("edited_until", MOMENT, nullable=True),
        sa.Column("status_at", MOMENT, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("updated_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_records"),
        sa.UniqueConstraint("id", name="uq_records_id"),
        sa.UniqueConstraint("digest", name="uq_records_digest"),
    )
    op.create_index("uq_records_ladder_code", "records", ["ladder", "code"], unique=True)
    op.create_index("ix_records_board", "records", ["ladder", "status", "parked_at", "status_at", "number"])
    op.create_index("ix_records_parent_id", "records", ["parent_id", "is_complete"])
    for name, columns, condition, is_unique in (
        ("ix_records_due", ["ladder", "due_at", "number"], "due_at IS NOT NULL", False),
        ("ix_records_held", ["held_by"], "held_by IS NOT NULL", False),
        ("ix_records_unsent", ["ladder", "number"], "remote_revision IS NOT NULL AND remote_synced < revision", False),
        ("ix_records_remote_parent", ["remote_parent"], "remote_parent IS NOT NULL", False),
        ("uq_records_ladder_remote_id", ["ladder", "remote_id"], "remote_id IS NOT NULL", True),
    ):
        where = sa.text(condition)
        op.create_index(name, "records", columns, unique=is_unique, sqlite_where=where, postgresql_where=where)
    op.create_table(
        "record_counters",
        sa.Column("ladder", sa.String(63), nullable=False),
        sa.Column("last", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("ladder", name="pk_record_counters"),
    )
    op.create_table(
        "record_steps",
        sa.Column("id", SERIAL, nullable=False),
        sa.Column("record", sa.Integer(), nullable=False),
        sa.Column("ladder", sa.String(63), nullable=False),
        sa.Column("step", sa.String(63), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("outcome", sa.String(12), nullable=False),
        sa.Column("old", sa.String(100), nullable=False),
        sa.Column("new", sa.String(100), nullable=False),
        sa.Column("started_at", MOMENT, nullable=False),
        sa.Column("seconds", sa.Double(), nullable=False),
        sa.Column("by", sa.String(100), nullable=True),
        sa.Column("error", sa.JSON(), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_record_steps"),
    )
    op.create_index("ix_record_steps_record", "record_steps", ["record", "id"])
    op.create_index(
        "ix_record_steps_figures",
        "record_steps",
        ["ladder", "started_at", "step", "outcome", "old", "new", "seconds"],
    )
    op.create_table(
        "record_vectors",
        sa.Column("record", sa.Integer(), nullable=False),
        sa.Column("space", sa.String(255), nullable=False),
        sa.Column("vector", sa.LargeBinary(), nullable=False),
        sa.Column("made_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("record", "space", name="pk_record_vectors"),
    )
    op.create_index("ix_record_vectors_made_at", "record_vectors", ["space", "made_at", "record"])


def downgrade() -> None:
    for table in ("record_vectors", "record_steps", "record_counters", "records"):
        op.drop_table(table)

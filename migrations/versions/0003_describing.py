"""Descriptions by models and by hand: what they were asked, what they said before, and what they are searched by."""

import hashlib
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)
# SQLite counts rows by itself only in a column declared exactly INTEGER.
SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

# Made anew for each use: a column belongs to the one table it was given to.
ADDED: tuple[tuple[str, Any, dict[str, Any]], ...] = (
    ("origin", sa.String(12), {"server_default": "describer", "nullable": False}),
    ("copied_from", sa.String(36), {}),
    ("edited_at", MOMENT, {}),
    ("edited_by", sa.String(100), {}),
    ("gone_at", MOMENT, {}),
    ("way", sa.String(32), {}),
    ("prompt_hash", sa.String(64), {}),
    ("finish", sa.String(12), {}),
    ("prompt_tokens", sa.Integer(), {}),
    ("output_tokens", sa.Integer(), {}),
    ("file_digest", sa.String(64), {}),
    ("taken_at", sa.String(32), {}),
    ("colour", sa.String(20), {}),
    ("perceptual_hash", sa.BigInteger(), {}),
)
INDEXES = {
    "ix_descriptions_size": ["size"],
    "ix_descriptions_choices": ["gone_at", "folder", "state", "describer", "model", "colour", "finish"],
    "ix_descriptions_figures": [
        "way",
        "created_at",
        "state",
        "seconds",
        "finish",
        "prompt_tokens",
        "output_tokens",
        "gone_at",
        "origin",
    ],
    "ix_descriptions_file_digest": ["file_digest"],
    "ix_descriptions_taken_at_number": ["taken_at", "number"],
    "ix_descriptions_colour_number": ["colour", "number"],
}
AT_ONCE = 1000

# The words of path and description, as both kinds of database can look for them: SQLite in a table beside, which
# triggers keep up, PostgreSQL in a column that it keeps up itself. No model knows of either.
# A table that is ever rebuilt in SQLite loses its triggers: they have to be made again.
_CHANGED = "old.path IS NOT new.path OR old.description IS NOT new.description"
_FORGET = (
    "INSERT INTO descriptions_words (descriptions_words, rowid, path, description)"
    " VALUES ('delete', old.number, old.path, old.description);"
)
_KEEP = "INSERT INTO descriptions_words (rowid, path, description) VALUES (new.number, new.path, new.description);"
WORDS_IN_SQLITE = (
    "CREATE VIRTUAL TABLE descriptions_words USING fts5(path, description, content='descriptions',"
    " content_rowid='number', tokenize='unicode61 remove_diacritics 2')",
    "INSERT INTO descriptions_words (descriptions_words) VALUES ('rebuild')",
    f"CREATE TRIGGER descriptions_words_insert AFTER INSERT ON descriptions BEGIN {_KEEP} END",
    f"CREATE TRIGGER descriptions_words_delete AFTER DELETE ON descriptions BEGIN {_FORGET} END",
    "CREATE TRIGGER descriptions_words_update AFTER UPDATE OF path, description ON descriptions"
    f" WHEN {_CHANGED} BEGIN {_FORGET} {_KEEP} END",
    # With what there is to choose from, so that a part of a folder is summed up without a look at its rows.
    "CREATE INDEX ix_descriptions_folder_path ON descriptions"
    " (folder, path, gone_at, state, describer, model, colour, finish)",
)
# Signs between words become blanks, for else its parser sees files and hosts; accents go. A tsvector holds 1 MB.
# (The driver takes a single percent sign for its own.)
_PLAIN = (
    "regexp_replace(normalize(left(path || ' ' || coalesce(description, ''), 100000), NFKD),"
    " '[\\u0300-\\u036f]', '', 'g')"
)
_SIGNS = "!\"#$%%&''()*+,-./:;<=>?@[\\]^_`{|}~"
WORDS_IN_POSTGRES = (
    "ALTER TABLE descriptions ADD COLUMN words tsvector GENERATED ALWAYS AS"
    f" (to_tsvector('simple', translate({_PLAIN}, '{_SIGNS}', repeat(' ', 32)))) STORED",
    "CREATE INDEX ix_descriptions_words ON descriptions USING gin (words)",
)


def upgrade() -> None:
    for name, kind, more in ADDED:
        op.add_column("descriptions", sa.Column(name, kind, **more))
    fill()
    for name, columns in INDEXES.items():
        op.create_index(name, "descriptions", columns)
    op.create_table(
        "description_versions",
        sa.Column("id", SERIAL, nullable=False),
        sa.Column("description_id", sa.String(36), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("error", sa.JSON(), nullable=True),
        sa.Column("origin", sa.String(12), nullable=False),
        sa.Column("by", sa.String(100), nullable=True),
        sa.Column("sha256", sa.String(64), nullable=True),
        sa.Column("prompt_hash", sa.String(64), nullable=True),
        sa.Column("finish", sa.String(12), nullable=True),
        sa.Column("prompt_tokens", sa.Integer(), nullable=True),
        sa.Column("output_tokens", sa.Integer(), nullable=True),
        sa.Column("seconds", sa.Double(), nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("replaced_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_description_versions"),
    )
    op.create_index(
        "ix_description_versions_description_id_revision", "description_versions", ["description_id", "revision"]
    )
    for statement in WORDS_IN_SQLITE if is_sqlite() else WORDS_IN_POSTGRES:
        op.get_bind().exec_driver_sql(statement)


def downgrade() -> None:
    if is_sqlite():
        for what in ("insert", "delete", "update"):
            op.execute(f"DROP TRIGGER descriptions_words_{what}")
        op.execute("DROP TABLE descriptions_words")
        op.drop_index("ix_descriptions_folder_path", "descriptions")
    else:
        op.drop_column("descriptions", "words")
    op.drop_table("description_versions")
    for name in INDEXES:
        op.drop_index(name, "descriptions")
    for name, *_ in reversed(ADDED):
        op.drop_column("descriptions", name)


def is_sqlite() -> bool:
    return op.get_bind().dialect.name == "sqlite"


def fill() -> None:
    """Give the descriptions there are what they are searched by from now on."""
    connection = op.get_bind()
    table = sa.table(
        "descriptions",
        sa.column("number", SERIAL),
        sa.column("folder_bytes", sa.LargeBinary()),
        sa.column("path_bytes", sa.LargeBinary()),
        sa.column("describer", sa.String(63)),
        sa.column("model", sa.String(255)),
        sa.column("facts", sa.JSON()),
        *(sa.column(name, kind) for name, kind, _ in ADDED),
    )
    known = table.c
    last = 0
    while rows := connection.execute(
        sa.select(known.number, known.folder_bytes, known.path_bytes, known.describer, known.model, known.facts)
        .where(known.number > last)
        .order_by(known.number)
        .limit(AT_ONCE)
    ).all():
        last = rows[-1].number
        number = sa.bindparam("row")
        wanted = table.update().where(known.number == number)
        connection.execute(wanted, [{"row": row.number, **searched_by(row)} for row in rows])


def searched_by(row: Any) -> dict[str, Any]:
    facts = row.facts or {}
    palette, spots = facts.get("palette"), facts.get("perceptual_hash")
    return {
        "file_digest": digest(row.folder_bytes, row.path_bytes),
        "way": digest(row.folder_bytes, row.describer.encode(), row.model.encode())[:32],
        "taken_at": facts.get("taken_at"),
        "colour": palette[0]["name"] if palette else None,
        "perceptual_hash": int.from_bytes(bytes.fromhex(spots), "big", signed=True) if spots else None,
    }


def digest(*parts: bytes) -> str:
    return hashlib.sha256(b"".join(len(part).to_bytes(4, "big") + part for part in parts)).hexdigest()

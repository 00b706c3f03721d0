"""The table of what daemons and jobs ask people."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from daemons.models.base import NAME_CHARACTERS, Base, Json


class QuestionTable(Base):
    """One question, the form of its answer, and the answer."""

    __tablename__ = "questions"

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    daemon_id: Mapped[str | None] = mapped_column(ForeignKey("daemons.id", ondelete="CASCADE"))
    daemon_name: Mapped[str | None] = mapped_column(String(NAME_CHARACTERS))
    job_id: Mapped[str | None] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"))
    # Who asks again under the same name is given the answer that is there.
    name: Mapped[str] = mapped_column(String(100))
    title: Mapped[str] = mapped_column(String(255))
    detail: Mapped[str | None] = mapped_column(Text)
    form: Mapped[dict[str, Any]]
    suggestion: Mapped[Any] = mapped_column(Json, nullable=True)
    fallback: Mapped[Any] = mapped_column(Json, nullable=True)
    deadline: Mapped[datetime | None]
    state: Mapped[str] = mapped_column(String(20))
    answer: Mapped[Any] = mapped_column(Json, nullable=True)
    answered_by: Mapped[str | None] = mapped_column(String(100))
    answered_at: Mapped[datetime | None]
    created_at: Mapped[datetime]

    __table_args__ = (
        Index(
            "uq_questions_job_id",
            "job_id",
            "name",
            unique=True,
            sqlite_where=text("job_id IS NOT NULL"),
            postgresql_where=text("job_id IS NOT NULL"),
        ),
        Index(
            "uq_questions_daemon_id",
            "daemon_id",
            "name",
            unique=True,
            sqlite_where=text("job_id IS NULL AND state IN ('open', 'answered')"),
            postgresql_where=text("job_id IS NULL AND state IN ('open', 'answered')"),
        ),
        Index("ix_questions_state_created_at", "state", "created_at"),
    )

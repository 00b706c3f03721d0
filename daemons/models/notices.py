"""The tables of notifications: where to, about what, and what was delivered."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, Integer, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from daemons.models.base import NAME_CHARACTERS, Base, Serial


class NoticeTargetTable(Base):
    """Somebody or something that is told; `url` and `secret` are never shown."""

    __tablename__ = "notice_targets"

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    name: Mapped[str] = mapped_column(String(NAME_CHARACTERS), unique=True)
    kind: Mapped[str] = mapped_column(String(20))
    url: Mapped[str] = mapped_column(Text)
    secret: Mapped[str | None] = mapped_column(String(255))
    events: Mapped[list[Any]]
    enabled: Mapped[bool]
    # Local times such as 22:00; both or neither.
    quiet_from: Mapped[str | None] = mapped_column(String(5))
    quiet_until: Mapped[str | None] = mapped_column(String(5))
    # Whether errors do not wait for the end of the quiet hours.
    errors_at_once: Mapped[bool]
    zone: Mapped[str] = mapped_column(String(64))
    revision: Mapped[int] = mapped_column(Integer, default=1, server_default="1")
    created_at: Mapped[datetime]


class IncidentTable(Base):
    """Something that went wrong from then until then; one message opens it and one closes it."""

    __tablename__ = "incidents"

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    kind: Mapped[str] = mapped_column(String(40))
    subject: Mapped[str] = mapped_column(String(255))
    message: Mapped[str] = mapped_column(Text)
    count: Mapped[int]
    # Who opened it or took it over: only that manager closes it while it lives.
    manager_id: Mapped[str | None] = mapped_column(String(36))
    # When the first came of those that `count` counts.
    first_at: Mapped[datetime]
    opened_at: Mapped[datetime]
    recovered_at: Mapped[datetime | None]

    __table_args__ = (
        Index(
            "uq_incidents_open",
            "kind",
            "subject",
            unique=True,
            sqlite_where=text("recovered_at IS NULL"),
            postgresql_where=text("recovered_at IS NULL"),
        ),
        Index("ix_incidents_opened_at", "opened_at"),
    )


class DeliveryTable(Base):
    """One message to one target, and how it went."""

    __tablename__ = "deliveries"

    id: Mapped[int] = mapped_column(Serial, primary_key=True)
    target_id: Mapped[str | None] = mapped_column(ForeignKey("notice_targets.id", ondelete="SET NULL"))
    target_name: Mapped[str] = mapped_column(String(NAME_CHARACTERS))
    incident_id: Mapped[str | None] = mapped_column(ForeignKey("incidents.id", ondelete="CASCADE"))
    kind: Mapped[str] = mapped_column(String(40))
    urgent: Mapped[bool]
    title: Mapped[str] = mapped_column(String(255))
    body: Mapped[str] = mapped_column(Text)
    outcome: Mapped[str] = mapped_column(String(20))
    detail: Mapped[str | None] = mapped_column(String(500))
    tries: Mapped[int] = mapped_column(Integer, default=0, server_default="0")
    next_try_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]

    __table_args__ = (
        Index("ix_deliveries_created_at", "created_at"),
        Index(
            "ix_deliveries_waiting",
            "next_try_at",
            sqlite_where=text("outcome = 'waiting'"),
            postgresql_where=text("outcome = 'waiting'"),
        ),
    )

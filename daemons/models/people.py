"""The tables of who may come in and what they did."""

from datetime import datetime

from sqlalchemy import Index, String
from sqlalchemy.orm import Mapped, mapped_column

from daemons.models.base import NAME_CHARACTERS, Base, Serial


class UserTable(Base):
    """A person with a password of their own."""

    __tablename__ = "users"

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    name: Mapped[str] = mapped_column(String(NAME_CHARACTERS), unique=True)
    role: Mapped[str] = mapped_column(String(20))
    # Argon2id with its parameters and salt.
    password_hash: Mapped[str | None] = mapped_column(String(255))
    password_set_at: Mapped[datetime | None]
    created_at: Mapped[datetime]


class SessionTable(Base):
    """A signed-in browser. Only the hash of its cookie is kept."""

    __tablename__ = "sessions"

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    digest: Mapped[str] = mapped_column(String(64), unique=True)
    role: Mapped[str] = mapped_column(String(20))
    user_name: Mapped[str | None] = mapped_column(String(NAME_CHARACTERS))
    user_id: Mapped[str | None] = mapped_column(String(36))
    origin: Mapped[str | None] = mapped_column(String(100))
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


class MilestoneTable(Base):
    """What is done once for these data, and not again."""

    __tablename__ = "milestones"

    name: Mapped[str] = mapped_column(String(40), primary_key=True)
    reached_at: Mapped[datetime]


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

    __table_args__ = (Index("ix_audit_at", "at"),)

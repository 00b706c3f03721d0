"""Sessions as rows: how one is opened, whose it is, and how long it stands."""

import secrets
import uuid
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, insert, select, update

from daemons.access.identities import OWNER, Identity, Role, SessionInfo, UserInfo
from daemons.access.record import digest_of
from daemons.database.transaction import Transaction
from daemons.models import SessionTable, UserTable

SESSION_LIFE = timedelta(days=30)
SESSION_IDLE = timedelta(days=7)


def open_session(tx: Transaction, role: Role, origin: str, user: UserInfo | None = None) -> str:
    """Open a session of `user`, or the owner, and return its cookie."""
    cookie = secrets.token_urlsafe(32)
    values = {
        "id": str(uuid.uuid4()),
        "digest": digest_of(cookie),
        "role": role.value,
        "user_name": user.name if user else OWNER.name,
        "user_id": user.id if user else None,
        "origin": origin[:100],
        "created_at": tx.now,
        "last_seen": tx.now,
    }
    tx.execute(insert(SessionTable).values(values))
    return cookie


def open_session_of(tx: Transaction, user: UserInfo, known: str | None, renewed: str | None, origin: str) -> str | None:
    """Open a session of `user` unless they were changed or removed while the password was checked."""
    row = tx.execute(select(UserTable.__table__).where(UserTable.id == user.id)).first()
    if row is None or row.password_hash != known:
        return None
    if renewed is not None:
        tx.execute(update(UserTable).where(UserTable.id == user.id).values(password_hash=renewed))
    return open_session(tx, Role(row.role), origin, replace(user, role=Role(row.role)))


def of_same_person(identity: Identity) -> Any:
    """Return the condition for the sessions of whoever `identity` is."""
    if identity.user_id is not None:
        return SessionTable.user_id == identity.user_id
    # Who came by a link or the owner's password is the owner.
    return SessionTable.user_id.is_(None) if identity.is_session else SessionTable.id.is_(None)


def expiry(row: Row[Any]) -> datetime:
    """Return when the session ends by itself."""
    ends: datetime = min(row.created_at + SESSION_LIFE, row.last_seen + SESSION_IDLE)
    return ends


def session_info(row: Row[Any]) -> SessionInfo:
    """Return the session without its secret."""
    user = row.user_name or OWNER.name
    return SessionInfo(row.id, user, Role(row.role), row.origin, row.created_at, row.last_seen, expiry(row))

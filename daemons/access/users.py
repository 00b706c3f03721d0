"""The people who have a name here: the only writer of `users`."""

import re
import uuid
from typing import Any

from sqlalchemy import Row, delete, select, update
from sqlalchemy.dialects import postgresql, sqlite

from daemons.access.identities import RESERVED_NAMES, Role, UserInfo
from daemons.database import Database
from daemons.database.transaction import Transaction
from daemons.errors import Conflict, Invalid, NotFound
from daemons.events import SessionEnded
from daemons.models import SessionTable, UserTable
from daemons.passwords import PasswordVerifier, check_strength

PROGRAM_NAME = r"[a-z][a-z0-9_-]{0,62}"
USER_NAME = r"[a-z0-9][a-z0-9._@+-]{0,62}"


class Users:
    """Adds, changes and removes people. One admin of them always remains."""

    def __init__(self, database: Database, verifier: PasswordVerifier) -> None:
        self._database = database
        self._verifier = verifier

    async def list(self) -> "list[UserInfo]":
        """Return everybody, by name."""
        rows = await self._database.fetch(select(UserTable.__table__).order_by(UserTable.name))
        return [_info(row) for row in rows]

    async def get(self, name: str) -> UserInfo:
        """Return the user of that name. Raises NotFound."""
        row = await self._database.fetch_one(select(UserTable.__table__).where(UserTable.name == tidy(name)))
        if row is None:
            raise _unknown(name)
        return _info(row)

    async def password_hash(self, name: str) -> tuple[UserInfo | None, str | None]:
        """Return the user of that name and the hash of their password, if there are such."""
        row = await self._database.fetch_one(select(UserTable.__table__).where(UserTable.name == tidy(name)))
        return (None, None) if row is None else (_info(row), row.password_hash)

    async def have_passwords(self) -> bool:
        """Whether anybody can sign in with a name and a password."""
        some = select(UserTable.id).where(UserTable.password_hash.is_not(None)).limit(1)
        return await self._database.fetch_one(some) is not None

    async def add(self, name: str, role: Role, password: str | None = None) -> UserInfo:
        """Add a person; without a password only a proxy or a link lets them in. Raises Invalid or Conflict."""
        name = checked_name(name)
        hashed = await self._hashed(name, password)
        user_id = str(uuid.uuid4())

        def unit(tx: Transaction) -> UserInfo:
            if not _insert(tx, user_id, name, role, hashed):
                raise Conflict(f"There is a user named {name} already.", code="ERR_NAME_TAKEN")
            return _info(_locked(tx, name))

        return await self._database.write(unit)

    async def change_role(self, name: str, role: Role) -> UserInfo:
        """Give a person another role and end their sessions. Raises NotFound, or Conflict for the last admin."""

        def unit(tx: Transaction) -> UserInfo:
            admins = _locked_admins(tx)
            row = _locked(tx, name)
            if row.role != role.value:
                _keep_one(admins, row)
                tx.execute(update(UserTable).where(UserTable.id == row.id).values(role=role.value))
                end_sessions_of(tx, row.id)
            return _info(_locked(tx, name))

        return await self._database.write(unit)

    async def set_password(self, name: str, password: str, *, keep_session: str | None = None) -> UserInfo:
        """Give a person another password and end their sessions but one. Raises NotFound or WeakPassword."""
        hashed = await self._hashed((await self.get(name)).name, password)

        def unit(tx: Transaction) -> UserInfo:
            row = _locked(tx, name)
            changed = update(UserTable).where(UserTable.id == row.id)
            tx.execute(changed.values(password_hash=hashed, password_set_at=tx.now))
            end_sessions_of(tx, row.id, keep=keep_session)
            return _info(_locked(tx, name))

        return await self._database.write(unit)

    async def remove(self, name: str) -> None:
        """Remove a person and end their sessions. Raises NotFound, or Conflict for the last admin."""

        def unit(tx: Transaction) -> None:
            admins = _locked_admins(tx)
            row = _locked(tx, name)
            _keep_one(admins, row)
            end_sessions_of(tx, row.id)
            tx.execute(delete(UserTable).where(UserTable.id == row.id))

        await self._database.write(unit)

    async def seen(self, name: str, default: Role, told: Role | None) -> UserInfo:
        """Return who a proxy vouches for: added on first sight, given the role that the proxy tells, if it does."""
        name = checked_name(name)
        row = await self._database.fetch_one(select(UserTable.__table__).where(UserTable.name == name))
        if row is not None and told in (None, row.role):
            return _info(row)
        user_id = str(uuid.uuid4())

        def unit(tx: Transaction) -> UserInfo:
            # Two requests may be the first at the same time.
            _insert(tx, user_id, name, told or default, None)
            found = _locked(tx, name)
            if told is not None and found.role != told.value:
                tx.execute(update(UserTable).where(UserTable.id == found.id).values(role=told.value))
                end_sessions_of(tx, found.id)
            return _info(_locked(tx, name))

        return await self._database.write(unit)

    async def _hashed(self, name: str, password: str | None) -> str | None:
        if password is None:
            return None
        check_strength(password, name=name)
        return await self._verifier.hash(password)


def tidy(name: str) -> str:
    """Return a name as it is kept: people write their own in many ways."""
    return name.strip().casefold()


def checked_name(name: str) -> str:
    """Return the name as it is kept. Raises Invalid for one that nobody may have."""
    tidied = tidy(name)
    if not re.fullmatch(USER_NAME, tidied):
        raise Invalid(
            "A user's name has at most 63 of a-z, 0-9 and ._@+- and begins with a letter or a digit.",
            code="ERR_INVALID_NAME",
        )
    if tidied in RESERVED_NAMES:
        raise Conflict(f"The name {tidied} is taken by the deck itself.", code="ERR_NAME_TAKEN")
    return tidied


def check_token_name(name: str) -> None:
    """Raise Invalid for a name that no token may have."""
    if not re.fullmatch(PROGRAM_NAME, name):
        raise Invalid(
            "A token's name has at most 63 of a-z, 0-9, _ and - and begins with a letter.", code="ERR_INVALID_NAME"
        )


def end_sessions_of(tx: Transaction, user_id: str, *, keep: str | None = None) -> None:
    """End what a person has open, in this transaction; `keep` is the session that asks for it."""
    end = (
        update(SessionTable)
        .where(SessionTable.user_id == user_id, SessionTable.revoked_at.is_(None), SessionTable.id != (keep or ""))
        .values(revoked_at=tx.now)
        .returning(SessionTable.id)
    )
    # Who comes by a proxy has no session: their sockets are known by the user's own id.
    for ended in [*tx.execute(end).scalars().all(), user_id]:
        tx.announce(SessionEnded(ended))


def _insert(tx: Transaction, user_id: str, name: str, role: Role, hashed: str | None) -> bool:
    """Add the row; return False where the name is taken."""
    insert = sqlite.insert(UserTable) if tx.is_sqlite else postgresql.insert(UserTable)
    values = {
        "id": user_id,
        "name": name,
        "role": role.value,
        "password_hash": hashed,
        "password_set_at": tx.now if hashed else None,
        "created_at": tx.now,
    }
    kept = insert.values(values).on_conflict_do_nothing().returning(UserTable.id)
    return tx.execute(kept).first() is not None


def _locked(tx: Transaction, name: str) -> Row[Any]:
    row = tx.execute(select(UserTable.__table__).where(UserTable.name == tidy(name)).with_for_update()).first()
    if row is None:
        raise _unknown(name)
    return row


def _locked_admins(tx: Transaction) -> set[str]:
    # All of them, and in one order: two admins may remove each other at the same time.
    admins = select(UserTable.id).where(UserTable.role == Role.ADMIN.value).order_by(UserTable.id).with_for_update()
    return set(tx.execute(admins).scalars())


def _keep_one(admins: set[str], leaving: Row[Any]) -> None:
    if admins == {leaving.id}:
        raise Conflict(
            f"{leaving.name} is the last admin.", remedy="Make somebody else an admin first.", code="ERR_LAST_ADMIN"
        )


def _info(row: Row[Any]) -> UserInfo:
    has_password = row.password_hash is not None
    return UserInfo(row.id, row.name, Role(row.role), has_password, row.password_set_at, row.created_at)


def _unknown(name: str) -> NotFound:
    return NotFound(f"There is no user named {name[:63]}.", code="ERR_UNKNOWN_USER")

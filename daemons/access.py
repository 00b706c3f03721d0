"""Who may come in: sessions, tokens, sign-in codes and the password, and the record of who did what.

Secrets are random or hashed with Argon2; the database holds only digests, so a copy of it opens no door.
"""

import asyncio
import hashlib
import hmac
import os
import secrets
import uuid
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

from sqlalchemy import Row, delete, insert, or_, select, update

from daemons.clock import Clock
from daemons.database import Database
from daemons.database.transaction import Transaction
from daemons.errors import Conflict, Denied, Fatal, NotFound
from daemons.events import SessionEnded
from daemons.models import AuditTable, SessionTable, SigninCodeTable, TokenTable
from daemons.passwords import PasswordVerifier, Throttle

AuthMode = Literal["token", "password", "none"]

CODE_LIFE = timedelta(minutes=30)
SESSION_LIFE = timedelta(days=30)
SESSION_IDLE = timedelta(days=7)
SEEN_EVERY = timedelta(hours=1)
"""How stale `last_seen` and `last_used_at` may be: reading a page must not be a write."""
AUDIT_LIFE = timedelta(days=365)
TOKEN_PREFIX = "dd_"  # noqa: S105 - what tells our tokens from other programs' in a leak scan


class Role(StrEnum):
    """What somebody may do, least first."""

    VIEWER = "viewer"  #: look
    OPERATOR = "operator"  #: and command daemons and jobs
    ADMIN = "admin"  #: and hand out tokens and sign-in links

    @property
    def rank(self) -> int:
        return _RANKS[self]


_RANKS = {role: rank for rank, role in enumerate(Role)}


@dataclass(frozen=True, slots=True)
class Identity:
    """Somebody who was let in; `id` is the session or token that can be revoked, None when nothing can."""

    name: str
    role: Role
    id: str | None = None
    is_session: bool = False

    @property
    def may_command(self) -> bool:
        return self.role is not Role.VIEWER


OWNER = Identity("owner", Role.ADMIN)
ANYONE = Identity("anyone", Role.ADMIN)


@dataclass(frozen=True, slots=True)
class TokenInfo:
    """A token without its secret."""

    id: str
    name: str
    role: Role
    created_at: datetime
    last_used_at: datetime | None
    expires_at: datetime | None

    def as_dict(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "name": self.name,
            "role": self.role.value,
            "created_at": self.created_at,
            "last_used_at": self.last_used_at,
            "expires_at": self.expires_at,
        }


class SignInRefused(Denied):
    """That did not sign you in."""

    code = "ERR_SIGN_IN_REFUSED"


class Access:
    """Lets people and programs in, and puts them out, from enter to exit."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        *,
        auth: AuthMode = "token",
        password: str | None = None,
        token: str | None = None,
        token_file: Path | None = None,
    ) -> None:
        self._database = database
        self._clock = clock
        self._auth = auth
        self._password = password
        self._token_file = token_file
        self._fixed_digests = [_digest(token)] if token else []
        self._verifier = PasswordVerifier()
        self._throttle = Throttle(clock)

    async def __aenter__(self) -> Self:
        if self._password is not None:
            await self._verifier.learn(self._password)
        self._password = None
        if self._token_file is not None:
            self._fixed_digests.append(_digest(await asyncio.to_thread(_read_or_make_token, self._token_file)))
        await self.sweep()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._fixed_digests.clear()

    @property
    def is_open(self) -> bool:
        """Whether nobody needs to sign in."""
        return self._auth == "none"

    @property
    def takes_password(self) -> bool:
        """Whether the sign-in page asks for a password; links work besides it."""
        return self._verifier.is_ready

    # Coming in.

    async def new_code(self, role: Role = Role.ADMIN) -> str:
        """Return a code that signs in one browser, once, within CODE_LIFE."""
        code = secrets.token_urlsafe(24)

        def unit(tx: Transaction) -> None:
            values = {"digest": _digest(code), "role": role.value, "expires_at": tx.now + CODE_LIFE}
            tx.execute(insert(SigninCodeTable).values(values))

        await self._database.write(unit)
        return code

    async def sign_in_with_code(self, code: str, *, origin: str) -> str:
        """Spend `code` and return the cookie of a new session. Raises SignInRefused."""

        def unit(tx: Transaction) -> str | None:
            spend = (
                update(SigninCodeTable)
                .where(SigninCodeTable.digest == _digest(code), SigninCodeTable.spent_at.is_(None))
                .where(SigninCodeTable.expires_at > tx.now)
                .values(spent_at=tx.now)
                .returning(SigninCodeTable.role)
            )
            role: str | None = tx.execute(spend).scalar_one_or_none()
            if role is None:
                record_audit(tx, "nobody", origin, "sign in with a link", None, "refused")
                return None
            record_audit(tx, OWNER.name, origin, "sign in with a link", None, "done")
            return _open_session(tx, Role(role))

        cookie = await self._database.write(unit)
        if cookie is None:
            raise SignInRefused(
                "This sign-in link was used before, or it is older than 30 minutes.",
                remedy="Ask for a new one where the deck runs: daemondeck token link",
            )
        return cookie

    async def sign_in_with_password(self, password: str, *, origin: str) -> str:
        """Check `password` and return the cookie of a new session. Raises SignInRefused or TooManyTries."""
        # Counted before it is checked: a thousand tries at once are a thousand failures, not one.
        self._throttle.count(origin)
        is_right = await self._verifier.accepts(password)

        def unit(tx: Transaction) -> str | None:
            outcome = "done" if is_right else "refused"
            record_audit(tx, OWNER.name if is_right else "nobody", origin, "sign in with the password", None, outcome)
            return _open_session(tx, Role.ADMIN) if is_right else None

        cookie = await self._database.write(unit)
        if cookie is None:
            raise SignInRefused("That is not the password.")
        self._throttle.forget(origin)
        return cookie

    async def session(self, cookie: str) -> Identity | None:
        """Return who holds the session of `cookie`, or None if it does not stand."""
        row = await self._database.fetch_one(select(SessionTable).where(SessionTable.digest == _digest(cookie)))
        if row is None or not self._session_stands(row):
            return None
        if self._clock.now() - row.last_seen > SEEN_EVERY:
            touch = update(SessionTable).where(SessionTable.id == row.id).values(last_seen=self._clock.now())
            await self._database.write(lambda tx: tx.execute(touch).rowcount, durable=False)
        return Identity(row.user_name or OWNER.name, Role(row.role), row.id, is_session=True)

    async def bearer(self, token: str) -> Identity | None:
        """Return who holds `token`, or None if it is not good."""
        digest = _digest(token)
        if any(hmac.compare_digest(digest, known) for known in self._fixed_digests):
            return OWNER
        if not token.startswith(TOKEN_PREFIX):
            return None
        row = await self._database.fetch_one(select(TokenTable).where(TokenTable.digest == digest))
        if row is None or not self._token_stands(row):
            return None
        if row.last_used_at is None or self._clock.now() - row.last_used_at > SEEN_EVERY:
            touch = update(TokenTable).where(TokenTable.id == row.id).values(last_used_at=self._clock.now())
            await self._database.write(lambda tx: tx.execute(touch).rowcount, durable=False)
        return Identity(f"token {row.name}", Role(row.role), row.id)

    async def ended(self, ids: Collection[str]) -> set[str]:
        """Return those of the sessions and tokens `ids` that do not stand any more, whoever ended them."""
        sessions = await self._database.fetch(select(SessionTable).where(SessionTable.id.in_(ids)))
        tokens = await self._database.fetch(select(TokenTable).where(TokenTable.id.in_(ids)))
        standing = {row.id for row in sessions if self._session_stands(row)}
        return set(ids) - standing - {row.id for row in tokens if self._token_stands(row)}

    # Being put out.

    async def sign_out(self, session_id: str) -> None:
        """End one session; its sockets close at once."""
        await self._end_sessions(SessionTable.id == session_id)

    async def sign_out_everywhere(self) -> int:
        """End every session; return how many there were."""
        return await self._end_sessions(SessionTable.id.is_not(None))

    async def _end_sessions(self, which: Any) -> int:
        def unit(tx: Transaction) -> int:
            end = update(SessionTable).where(which, SessionTable.revoked_at.is_(None)).values(revoked_at=tx.now)
            ids = tx.execute(end.returning(SessionTable.id)).scalars().all()
            for session_id in ids:
                tx.announce(SessionEnded(session_id))
            return len(ids)

        return await self._database.write(unit)

    # Tokens for programs.

    async def create_token(self, name: str, role: Role, expires_at: datetime | None = None) -> tuple[str, TokenInfo]:
        """Make a token and return its secret, which is never shown again. Raises Conflict for a taken name."""
        secret = TOKEN_PREFIX + secrets.token_urlsafe(32)
        token_id = str(uuid.uuid4())

        def unit(tx: Transaction) -> TokenInfo:
            taken = select(TokenTable.id).where(TokenTable.name == name, TokenTable.revoked_at.is_(None))
            if tx.execute(taken).first() is not None:
                raise Conflict(f"There is a token named {name} already.", code="ERR_NAME_TAKEN")
            # A revoked token gives its name back.
            tx.execute(delete(TokenTable).where(TokenTable.name == name))
            info = TokenInfo(token_id, name, role, tx.now, None, expires_at)
            tx.execute(insert(TokenTable).values({**info.as_dict(), "digest": _digest(secret)}))
            return info

        return secret, await self._database.write(unit)

    async def tokens(self) -> list[TokenInfo]:
        """Return the tokens that were not revoked, by name."""
        standing = select(TokenTable).where(TokenTable.revoked_at.is_(None)).order_by(TokenTable.name)
        return [
            TokenInfo(row.id, row.name, Role(row.role), row.created_at, row.last_used_at, row.expires_at)
            for row in await self._database.fetch(standing)
        ]

    async def revoke_token(self, name: str) -> None:
        """Make the token useless from now on; its sockets close. Raises NotFound."""

        def unit(tx: Transaction) -> None:
            revoke = (
                update(TokenTable)
                .where(TokenTable.name == name, TokenTable.revoked_at.is_(None))
                .values(revoked_at=tx.now)
                .returning(TokenTable.id)
            )
            token_id = tx.execute(revoke).scalar_one_or_none()
            if token_id is None:
                raise NotFound(f"There is no token named {name}.", code="ERR_UNKNOWN_TOKEN")
            tx.announce(SessionEnded(token_id))

        await self._database.write(unit)

    # The record.

    async def record(self, who: str, origin: str, action: str, target: str | None, outcome: str) -> None:
        """Keep who did what, from where, and how it ended."""
        await self._database.write(lambda tx: record_audit(tx, who, origin, action, target, outcome), durable=False)

    async def sweep(self) -> None:
        """Delete what nobody can use any more, and the oldest of the record."""

        def unit(tx: Transaction) -> None:
            tx.execute(delete(SigninCodeTable).where(SigninCodeTable.expires_at < tx.now - CODE_LIFE))
            gone = or_(SessionTable.revoked_at.is_not(None), SessionTable.created_at < tx.now - SESSION_LIFE)
            tx.execute(delete(SessionTable).where(gone))
            tx.execute(delete(AuditTable).where(AuditTable.at < tx.now - AUDIT_LIFE))

        await self._database.write(unit, durable=False)

    def _session_stands(self, row: Row[Any]) -> bool:
        now = self._clock.now()
        return row.revoked_at is None and now < row.created_at + SESSION_LIFE and now < row.last_seen + SESSION_IDLE

    def _token_stands(self, row: Row[Any]) -> bool:
        return row.revoked_at is None and (row.expires_at is None or self._clock.now() < row.expires_at)


def record_audit(tx: Transaction, who: str, origin: str, action: str, target: str | None, outcome: str) -> None:
    """Keep who did what, in the transaction that does it."""
    values = {
        "at": tx.now,
        "who": who[:100],
        "origin": origin[:100],
        "action": action[:100],
        "target": target and target[:255],
        "outcome": outcome[:40],
    }
    tx.execute(insert(AuditTable).values(values))


def _open_session(tx: Transaction, role: Role) -> str:
    cookie = secrets.token_urlsafe(32)
    values = {
        "id": str(uuid.uuid4()),
        "digest": _digest(cookie),
        "role": role.value,
        "user_name": OWNER.name,
        "created_at": tx.now,
        "last_seen": tx.now,
    }
    tx.execute(insert(SessionTable).values(values))
    return cookie


def _digest(secret: str) -> str:
    # Plain SHA-256 is enough for 192 random bits and more; only the password needs a slow hash.
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()


def _read_or_make_token(path: Path) -> str:
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    except FileExistsError:
        if path.is_symlink():
            raise Fatal(f"{path} is a link to another file.", remedy="Delete it.") from None
        path.chmod(0o600)
        if token := path.read_text("utf-8").strip():
            return token
        raise Fatal(f"{path} is empty.", remedy="Delete it; a new token is made at the next start.") from None
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        token = TOKEN_PREFIX + secrets.token_urlsafe(32)
        file.write(token + "\n")
    return token

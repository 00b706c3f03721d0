"""Who may come in: people, sessions, tokens, tickets and sign-in codes, and the record of who did what.

Secrets are random or hashed with Argon2; the database holds only digests, so a copy of it opens no door.
"""

import asyncio
import hmac
import secrets
import uuid
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

from sqlalchemy import Row, delete, insert, or_, select, update

from daemons.access.audit_trail import AuditTrail
from daemons.access.first_run import FirstRun
from daemons.access.identities import (
    ANYONE,
    OWNER,
    Identity,
    Role,
    SessionInfo,
    SignInRefused,
    TokenInfo,
    UserInfo,
)
from daemons.access.record import Seldom, digest_of, record_audit
from daemons.access.session_rows import (
    SESSION_IDLE,
    SESSION_LIFE,
    expiry,
    of_same_person,
    open_session,
    open_session_of,
    session_info,
)
from daemons.access.tickets import TICKET_SECONDS, Tickets
from daemons.access.token_file import TOKEN_PREFIX, new_token, read_or_make_token
from daemons.access.users import Users, check_token_name, tidy
from daemons.clock import Clock
from daemons.database import Database
from daemons.database.transaction import Transaction
from daemons.errors import Conflict, Denied, NotFound
from daemons.events import SessionEnded
from daemons.models import AuditTable, SessionTable, SigninCodeTable, TokenTable, UserTable
from daemons.passwords import PasswordVerifier, Throttle

__all__ = [
    "ANYONE",
    "CODE_LIFE",
    "OWNER",
    "SESSION_IDLE",
    "SESSION_LIFE",
    "TICKET_SECONDS",
    "Access",
    "AuthMode",
    "Identity",
    "Role",
    "SessionInfo",
    "SignInRefused",
    "TokenInfo",
    "UserInfo",
]

AuthMode = Literal["token", "password", "proxy", "none"]

CODE_LIFE = timedelta(minutes=30)
SEEN_EVERY = timedelta(hours=1)
"""How stale `last_seen` and `last_used_at` may be: reading a page must not be a write."""
AUDIT_LIFE = timedelta(days=365)


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
        proxy_default: Role = Role.VIEWER,
        proxy_roles: Mapping[str, Role] | None = None,
    ) -> None:
        self._database = database
        self._clock = clock
        self._auth = auth
        self._password = password
        self._token_file = token_file
        self._fixed_digests = [digest_of(token)] if token else []
        self._owner_hash: str | None = None
        self._proxy_default = proxy_default
        self._proxy_roles = {group.casefold(): role for group, role in (proxy_roles or {}).items()}
        self._verifier = PasswordVerifier()
        self._throttle = Throttle(clock)
        self._strangers = Seldom(clock, a_minute=30, a_day=1_000)
        self._guessers = Seldom(clock, a_minute=100, a_day=5_000)
        self._tickets = Tickets(clock)
        self.users = Users(database, self._verifier)
        self.audit = AuditTrail(database)
        self.first_run = FirstRun(database)

    async def __aenter__(self) -> Self:
        if self._password is not None:
            self._owner_hash = await self._verifier.learn(self._password)
        self._password = None
        if self._token_file is not None:
            self._fixed_digests.append(digest_of(await asyncio.to_thread(read_or_make_token, self._token_file)))
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
    def mode(self) -> AuthMode:
        """How people sign in."""
        return self._auth

    @property
    def has_owner_password(self) -> bool:
        """Whether the settings hold a password, which is the owner's."""
        return self._owner_hash is not None

    async def takes_password(self) -> bool:
        """Whether the sign-in page asks for a password; links work besides it."""
        return self.has_owner_password or await self.users.have_passwords()

    # Coming in.

    async def new_code(self, role: Role = Role.ADMIN) -> str:
        """Return a code that signs in one browser, once, within CODE_LIFE."""
        code = secrets.token_urlsafe(24)

        def unit(tx: Transaction) -> None:
            values = {"digest": digest_of(code), "role": role.value, "expires_at": tx.now + CODE_LIFE}
            tx.execute(insert(SigninCodeTable).values(values))

        await self._database.write(unit)
        return code

    async def sign_in_with_code(self, code: str, *, origin: str) -> str:
        """Spend `code` and return the cookie of a new session. Raises SignInRefused."""

        def unit(tx: Transaction) -> str | None:
            spend = (
                update(SigninCodeTable)
                .where(SigninCodeTable.digest == digest_of(code), SigninCodeTable.spent_at.is_(None))
                .where(SigninCodeTable.expires_at > tx.now)
                .values(spent_at=tx.now)
                .returning(SigninCodeTable.role)
            )
            role: str | None = tx.execute(spend).scalar_one_or_none()
            if role is None:
                record_audit(tx, "nobody", origin, "sign in with a link", None, "refused")
                return None
            record_audit(tx, OWNER.name, origin, "sign in with a link", None, "done")
            return open_session(tx, Role(role), origin)

        cookie = await self._database.write(unit)
        if cookie is None:
            raise SignInRefused(
                "This sign-in link was used before, or it is older than 30 minutes.",
                remedy="Ask for a new one where the deck runs: daemondeck token link",
            )
        return cookie

    async def sign_in_with_password(self, password: str, *, origin: str, name: str = "") -> str:
        """Check the password of `name`, or the owner's, and return the cookie of a new session.

        Raises SignInRefused or TooManyTries. Neither the answer nor its time tells whether there is such a user.
        """
        name = tidy(name) or OWNER.name
        # Counted before it is checked: a thousand tries at once are a thousand failures, not one.
        self._throttle.count(origin, name[:64])
        user, known = await self.users.password_hash(name)
        if name == OWNER.name:
            known = self._owner_hash
        is_right = await self._verifier.accepts(known, password) and known is not None
        is_told = is_right or self._guessers.takes_one()
        renewed = await self._verifier.renewed(known, password) if is_right and known and user else None

        def unit(tx: Transaction) -> str | None:
            outcome = "done" if is_right else "refused"
            if is_told:
                record_audit(tx, name if is_right else "nobody", origin, "sign in with a password", name, outcome)
            if not is_right:
                return None
            if user is None:
                return open_session(tx, Role.ADMIN, origin)
            return open_session_of(tx, user, known, renewed, origin)

        cookie = await self._database.write(unit)
        if cookie is None:
            raise SignInRefused("The name or the password is not right.")
        self._throttle.forget(origin, name[:64])
        return cookie

    async def change_own_password(self, identity: Identity, old: str, new: str, *, origin: str) -> None:
        """Give who asks another password and end their other sessions. Raises Denied, WeakPassword, TooManyTries."""
        if identity.user_id is None or not identity.is_session:
            raise Conflict(
                f"{identity.name} has no password here.",
                remedy="The owner's password is in the settings; programs have tokens.",
                code="ERR_NO_PASSWORD",
            )
        self._throttle.count(origin, identity.name)
        _, known = await self.users.password_hash(identity.name)
        if known is not None and not await self._verifier.accepts(known, old):
            raise Denied("The old password is not right.", code="ERR_WRONG_PASSWORD")
        self._throttle.forget(origin, identity.name)
        await self.users.set_password(identity.name, new, keep_session=identity.id)

    async def vouched(self, name: str, groups: Sequence[str] = ()) -> Identity:
        """Return who a trusted proxy says is there. Raises Invalid for a name that nobody may have."""
        roles = [role for group in groups if (role := self._proxy_roles.get(group.strip().casefold()))]
        told = max(roles, key=lambda role: role.rank, default=self._proxy_default) if self._proxy_roles else None
        user = await self.users.seen(name, self._proxy_default, told)
        return Identity(user.name, user.role, user.id, user_id=user.id)

    def ticket(self, identity: Identity) -> str:
        """Return what lets one socket of `identity` in, once, within TICKET_SECONDS."""
        return self._tickets.give(identity)

    async def spend_ticket(self, ticket: str) -> Identity | None:
        """Return who the ticket was given to, if they still stand."""
        identity = self._tickets.spend(ticket)
        ended = await self.ended({identity.id}) if identity and identity.id else set()
        return None if ended else identity

    async def session(self, cookie: str) -> Identity | None:
        """Return who holds the session of `cookie`, or None if it does not stand."""
        row = await self._database.fetch_one(select(SessionTable).where(SessionTable.digest == digest_of(cookie)))
        if row is None or not self._session_stands(row):
            return None
        if self._clock.now() - row.last_seen > SEEN_EVERY:
            touch = update(SessionTable).where(SessionTable.id == row.id).values(last_seen=self._clock.now())
            await self._database.write(lambda tx: tx.execute(touch).rowcount, durable=False)
        return Identity(row.user_name or OWNER.name, Role(row.role), row.id, is_session=True, user_id=row.user_id)

    async def ended_at(self, cookie: str) -> datetime | None:
        """Return when the session of `cookie` ended, None where it stands or nothing is known of it."""
        row = await self._database.fetch_one(select(SessionTable).where(SessionTable.digest == digest_of(cookie)))
        if row is None or self._session_stands(row):
            return None
        ended: datetime = row.revoked_at or expiry(row)
        return ended

    async def bearer(self, token: str) -> Identity | None:
        """Return who holds `token`, or None if it is not good."""
        digest = digest_of(token)
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
        users = await self._database.fetch(select(UserTable.id).where(UserTable.id.in_(ids)))
        standing = {row.id for row in sessions if self._session_stands(row)} | {row.id for row in users}
        return set(ids) - standing - {row.id for row in tokens if self._token_stands(row)}

    # Being put out.

    async def sessions(self, identity: Identity | None = None) -> list[SessionInfo]:
        """Return the sessions that stand, the newest first; with `identity` only their own."""
        mine = [] if identity is None else [of_same_person(identity)]
        rows = await self._database.fetch(
            select(SessionTable)
            .where(SessionTable.revoked_at.is_(None), *mine)
            .order_by(SessionTable.created_at.desc())
        )
        return [session_info(row) for row in rows if self._session_stands(row)]

    async def sign_out(self, session_id: str) -> None:
        """End one session; its sockets close at once."""
        await self._end_sessions(SessionTable.id == session_id)

    async def end_session(self, session_id: str, *, identity: Identity | None = None) -> None:
        """End one session; with `identity` only one of their own. Raises NotFound."""
        mine = [] if identity is None else [of_same_person(identity)]
        if not await self._end_sessions(SessionTable.id == session_id, *mine):
            raise NotFound("There is no such session, or it ended already.", code="ERR_UNKNOWN_SESSION")

    async def end_others(self, identity: Identity) -> int:
        """End the other sessions of the same person; return how many there were."""
        return await self._end_sessions(of_same_person(identity), SessionTable.id != (identity.id or ""))

    async def sign_out_everywhere(self) -> int:
        """End every session; return how many there were."""
        return await self._end_sessions(SessionTable.id.is_not(None))

    async def _end_sessions(self, *which: Any) -> int:
        def unit(tx: Transaction) -> int:
            end = update(SessionTable).where(*which, SessionTable.revoked_at.is_(None)).values(revoked_at=tx.now)
            ids = tx.execute(end.returning(SessionTable.id)).scalars().all()
            for session_id in ids:
                tx.announce(SessionEnded(session_id))
            return len(ids)

        return await self._database.write(unit)

    # Tokens for programs.

    async def create_token(self, name: str, role: Role, expires_at: datetime | None = None) -> tuple[str, TokenInfo]:
        """Make a token and return its secret, which is never shown again. Raises Invalid or Conflict."""
        check_token_name(name)
        secret = new_token()
        token_id = str(uuid.uuid4())

        def unit(tx: Transaction) -> TokenInfo:
            taken = select(TokenTable.id).where(TokenTable.name == name, TokenTable.revoked_at.is_(None))
            if tx.execute(taken).first() is not None:
                raise Conflict(f"There is a token named {name} already.", code="ERR_NAME_TAKEN")
            # A revoked token gives its name back.
            tx.execute(delete(TokenTable).where(TokenTable.name == name))
            info = TokenInfo(token_id, name, role, tx.now, None, expires_at)
            tx.execute(insert(TokenTable).values({**info.as_dict(), "digest": digest_of(secret)}))
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

    async def record_stranger(self, origin: str, action: str, target: str | None) -> None:
        """Keep that somebody unknown was refused, as long as it is not too often."""
        if self._strangers.takes_one():
            await self.record("nobody", origin, action, target, "refused")

    async def sweep(self) -> None:
        """Delete what nobody can use any more, and the oldest of the record."""

        def unit(tx: Transaction) -> None:
            tx.execute(delete(SigninCodeTable).where(SigninCodeTable.expires_at < tx.now - CODE_LIFE))
            gone = or_(SessionTable.revoked_at.is_not(None), SessionTable.created_at < tx.now - SESSION_LIFE)
            tx.execute(delete(SessionTable).where(gone))
            tx.execute(delete(AuditTable).where(AuditTable.at < tx.now - AUDIT_LIFE))

        await self._database.write(unit, durable=False)

    def _session_stands(self, row: Row[Any]) -> bool:
        return row.revoked_at is None and self._clock.now() < expiry(row)

    def _token_stands(self, row: Row[Any]) -> bool:
        return row.revoked_at is None and (row.expires_at is None or self._clock.now() < row.expires_at)

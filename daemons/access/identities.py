"""Who somebody is and what they may do."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from daemons.errors import Denied


class Role(StrEnum):
    """What somebody may do, least first."""

    VIEWER = "viewer"  #: look
    OPERATOR = "operator"  #: and command daemons and jobs
    ADMIN = "admin"  #: and say who may come in

    @property
    def rank(self) -> int:
        return _RANKS[self]


_RANKS = {role: rank for rank, role in enumerate(Role)}


@dataclass(frozen=True, slots=True)
class Identity:
    """Somebody who was let in; `id` is the session, token or proxy's user that can be ended, None when nothing can."""

    name: str
    role: Role
    id: str | None = None
    is_session: bool = False
    user_id: str | None = None
    """The user it is, None for tokens and for the owner, who is no row."""

    @property
    def may_command(self) -> bool:
        return self.role is not Role.VIEWER


OWNER = Identity("owner", Role.ADMIN)
ANYONE = Identity("anyone", Role.ADMIN)
RESERVED_NAMES = frozenset({OWNER.name, ANYONE.name, "nobody"})


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


@dataclass(frozen=True, slots=True)
class UserInfo:
    """A person without their password."""

    id: str
    name: str
    role: Role
    has_password: bool
    password_set_at: datetime | None
    created_at: datetime

    def as_dict(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "name": self.name,
            "role": self.role.value,
            "has_password": self.has_password,
            "password_set_at": self.password_set_at,
            "created_at": self.created_at,
        }


@dataclass(frozen=True, slots=True)
class SessionInfo:
    """A browser that is signed in."""

    id: str
    user: str
    role: Role
    origin: str | None
    created_at: datetime
    last_seen: datetime
    expires_at: datetime

    def as_dict(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "user": self.user,
            "role": self.role.value,
            "origin": self.origin,
            "created_at": self.created_at,
            "last_seen": self.last_seen,
            "expires_at": self.expires_at,
        }


class SignInRefused(Denied):
    """That did not sign you in."""

    code = "ERR_SIGN_IN_REFUSED"

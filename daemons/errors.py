"""Every error has a code, says what is wrong and what to do.

    DaemonError
        Invalid             the input is wrong (422)
            UnknownName     a type, option, filter, sort or topic that does not exist
        NotFound            no daemon, job or item of that name (404)
        Conflict            refused in this state (409)
        Denied              not signed in or not allowed
        Superseded          somebody else has the job now
        LeaseLost           somebody else runs the daemon now
        Unavailable         try again later (503)
            StorageFull     no space left (507)
        Permanent           a failure that another try cannot mend
        Fatal               the program cannot start or go on; carries its exit code

The docstring of a class is its default message.
"""

import traceback
from dataclasses import dataclass, replace
from typing import Any, ClassVar

_CAUSES_KEPT = 8
_DETAIL_CHARACTERS = 16_384


class DaemonError(Exception):
    """Something went wrong."""

    code: ClassVar[str] = "ERR_INTERNAL"
    remedy: str | None = None
    inner: "ErrorInfo | None" = None
    """An error recorded elsewhere, in a job for instance, that is the cause of this one."""

    def __init__(self, message: str | None = None, *, remedy: str | None = None, code: str | None = None) -> None:
        self.message = message or (type(self).__doc__ or "").strip().splitlines()[0]
        super().__init__(self.message)
        if remedy is not None:
            self.remedy = remedy
        self.error_code = code or self.code


class Invalid(DaemonError):
    """The input is not valid."""

    code = "ERR_INVALID"


class UnknownName(Invalid):
    """There is nothing of that name."""

    code = "ERR_UNKNOWN_NAME"


class NotFound(DaemonError):
    """There is nothing of that name."""

    code = "ERR_NOT_FOUND"


class Conflict(DaemonError):
    """That cannot be done in the present state."""

    code = "ERR_CONFLICT"


class Denied(DaemonError):
    """You are not allowed to do that."""

    code = "ERR_DENIED"


class Superseded(DaemonError):
    """The job was taken over, so this worker's writes are refused."""

    code = "ERR_SUPERSEDED"


class LeaseLost(DaemonError):
    """Another manager runs this daemon now, so this run's writes are refused."""

    code = "ERR_LEASE_LOST"


class Unavailable(DaemonError):
    """The service cannot do that at the moment."""

    code = "ERR_BUSY"
    remedy = "Try again in a few seconds."


class StorageFull(Unavailable):
    """There is no space left where the data is kept."""

    code = "ERR_DISK_FULL"
    remedy = "Free some disk space; the service goes on by itself."


class Permanent(DaemonError):
    """The work failed in a way that another try cannot mend."""

    code = "ERR_PERMANENT"


class Fatal(DaemonError):
    """The program cannot go on."""

    code = "ERR_FATAL"
    exit_code: ClassVar[int] = 1


@dataclass(frozen=True, slots=True)
class ErrorInfo:
    """An error as it is stored and shown: code, message, detail, remedy and the chain of causes."""

    code: str
    message: str
    detail: str | None = None
    remedy: str | None = None
    cause: "ErrorInfo | None" = None

    @classmethod
    def of(cls, error: BaseException) -> "ErrorInfo":
        """Describe `error` with its traceback as the detail and its causes, outermost first."""
        return cls._of(error, _CAUSES_KEPT)

    @classmethod
    def _of(cls, error: BaseException, depth: int) -> "ErrorInfo":
        inner = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
        cause = cls._of(inner, depth - 1) if inner is not None and depth > 1 else None
        detail = "".join(traceback.format_exception(error, chain=False))[-_DETAIL_CHARACTERS:]
        if isinstance(error, DaemonError):
            return cls(error.error_code, error.message, detail, error.remedy, error.inner or cause)._without_echo()
        message = str(error).strip() or type(error).__name__
        return cls(_code_of(error), message[:2000], detail, None, cause)._without_echo()

    def _without_echo(self) -> "ErrorInfo":
        """Leave out a cause that says the same once more: it only tells where the error was raised first."""
        cause = self.cause
        if cause is None or (cause.code, cause.message) != (self.code, self.message):
            return self
        details = [detail for detail in (cause.detail, self.detail) if detail]
        detail = "\n".join(details)[-_DETAIL_CHARACTERS:] or None
        return replace(self, detail=detail, remedy=self.remedy or cause.remedy, cause=cause.cause)

    def as_dict(self) -> dict[str, Any]:
        """Return JSON values, the cause nested."""
        return {
            "code": self.code,
            "message": self.message,
            "detail": self.detail,
            "remedy": self.remedy,
            "cause": self.cause.as_dict() if self.cause else None,
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "ErrorInfo":
        """Read what `as_dict` wrote."""
        cause = data.get("cause")
        return cls(
            data["code"],
            data["message"],
            data.get("detail"),
            data.get("remedy"),
            cls.from_dict(cause) if cause else None,
        )


def _code_of(error: BaseException) -> str:
    """Turn a foreign exception's class name into a code: FileNotFoundError → ERR_FILE_NOT_FOUND."""
    name = type(error).__name__.removesuffix("Error").removesuffix("Exception") or "UNKNOWN"
    spelled = "".join("_" + c if c.isupper() and i and not name[i - 1].isupper() else c for i, c in enumerate(name))
    return "ERR_" + spelled.upper()

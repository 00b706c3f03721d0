"""How FileMaker says no: by the code of its first message, whatever the HTTP status is.

0    as it should be                301  somebody has the record open      952  the session is over
401  no record was found            306  somebody changed the record       953  the year's transfer is used up
"""

from collections.abc import Callable, Mapping

from daemons.clients.errors import BadAnswer, ServerAway, ServerBusy, ServerRefuses
from daemons.errors import Conflict, DaemonError, NotFound, Permanent

OK, RECORD_MISSING, NONE_FOUND, TOKEN_REFUSED = 0, 101, 401, 952
QUOTA_SECONDS = 3600.0
"""So long nothing is asked once the year's transfer is used up: whoever buys more should not have to restart."""


class RecordMissing(NotFound):
    """FileMaker has no such record."""

    code = "ERR_FILEMAKER_RECORD_MISSING"
    remedy = "It was deleted there; find it again."


class NoneFound(NotFound):
    """FileMaker found no record."""

    code = "ERR_FILEMAKER_NONE_FOUND"


class FieldMissing(ServerRefuses):
    """A field is not on the layout."""

    code = "ERR_FILEMAKER_FIELD_MISSING"
    remedy = "Put the field on the layout in FileMaker, or correct the names in filemaker.stills, footage or frames."


class ScriptMissing(ServerRefuses):
    """FileMaker has no such script."""

    code = "ERR_FILEMAKER_SCRIPT_MISSING"
    remedy = "Correct the script's name."


class LayoutMissing(ServerRefuses):
    """FileMaker has no such layout."""

    code = "ERR_FILEMAKER_LAYOUT_MISSING"
    remedy = "Correct the layout's name in filemaker.stills, footage or frames."


class AccountRefused(ServerRefuses):
    """FileMaker does not take the account."""

    code = "ERR_FILEMAKER_ACCOUNT"
    remedy = (
        "Correct filemaker.user and filemaker.password; the account needs the extended privilege fmrest. Then restart."
    )


class PrivilegeMissing(ServerRefuses):
    """FileMaker does not let the account do that."""

    code = "ERR_FILEMAKER_PRIVILEGE"
    remedy = (
        "Give the account's privilege set the extended privilege fmrest, and rights on the layout and its records, "
        "in FileMaker under Manage > Security."
    )


class RecordInUse(Conflict):
    """Somebody has the record open in FileMaker."""

    code = "ERR_FILEMAKER_RECORD_IN_USE"
    remedy = "Wait; it is tried again by itself."


class RecordChanged(Conflict):
    """Somebody changed the record in FileMaker meanwhile."""

    code = "ERR_FILEMAKER_RECORD_CHANGED"
    remedy = "Read it anew; it is tried again by itself."


class ValueRefused(Permanent):
    """FileMaker does not take the value."""

    code = "ERR_FILEMAKER_VALUE"
    remedy = "Correct the value, or the field's validation in FileMaker."


class DatabaseClosed(ServerAway):
    """FileMaker does not open the database."""

    code = "ERR_FILEMAKER_CLOSED"
    remedy = (
        "Open the file in the server's admin console, or correct filemaker.database; in the file, the account has to "
        "have the extended privilege fmrest."
    )


class HostFull(ServerBusy):
    """FileMaker has no room for another session."""

    code = "ERR_FILEMAKER_FULL"
    remedy = "Wait, or end sessions in the server's admin console."


class QuotaUsed(ServerBusy):
    """FileMaker's transfer for this year is used up."""

    code = "ERR_FILEMAKER_QUOTA"
    remedy = "Buy more transfer; fewer calls need a longer interval, and layouts with fewer fields."

    def __init__(self, message: str) -> None:
        super().__init__(message, QUOTA_SECONDS)


class SessionRefused(ServerAway):
    """FileMaker takes no session, not even a new one."""

    code = "ERR_FILEMAKER_SESSION"
    remedy = "Look into the server's own log; it is tried again by itself."


class TokenRefused(DaemonError):
    """The session is over, and a new one is wanted."""

    code = "ERR_FILEMAKER_SESSION"


_KINDS: Mapping[int, Callable[[str], DaemonError]] = {
    9: PrivilegeMissing,
    RECORD_MISSING: RecordMissing,
    102: FieldMissing,
    104: ScriptMissing,
    105: LayoutMissing,
    212: AccountRefused,
    213: AccountRefused,
    214: AccountRefused,
    301: RecordInUse,
    306: RecordChanged,
    NONE_FOUND: NoneFound,
    802: DatabaseClosed,
    812: HostFull,
    TOKEN_REFUSED: TokenRefused,
    953: QuotaUsed,
}
_VALIDATION = {402, *range(500, 512)}
_PARAMETERS = {958, 960, *range(1700, 1720)}


def error_of(number: int, said: str) -> DaemonError:
    """Return what to raise for a code; `said` is a sentence that has it and FileMaker's own words."""
    if (kind := _KINDS.get(number)) is not None:
        return kind(said)
    if number in _VALIDATION:
        return ValueRefused(said)
    if number in _PARAMETERS:
        remedy = "Correct filemaker.version, or tell the developers: the call was not as this server wants it."
        return BadAnswer(said, code="ERR_FILEMAKER_PARAMETER", remedy=remedy)
    return BadAnswer(said, code="ERR_FILEMAKER", remedy="Look the number up among FileMaker's error codes.")

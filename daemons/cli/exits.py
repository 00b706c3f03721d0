"""What a command's exit code means; scripts rely on it."""

from enum import IntEnum

from daemons.errors import DaemonError


class Exit(IntEnum):
    """The exit codes, a worse one with a higher number."""

    DONE = 0  #: it is done, or it was so already
    FAILED = 1  #: the operation failed
    USAGE = 2  #: the command line makes no sense
    NOT_RUNNING = 3  #: something that should run does not
    UNKNOWN = 4  #: there is nothing of that name
    REFUSED = 5  #: refused in the present state
    UNREACHABLE = 6  #: no deck answers
    NOT_ALLOWED = 7  #: not signed in, or not allowed
    TIMED_OUT = 8  #: waited long enough
    AWAITING = 9  #: it stands still until a person answers
    BUSY = 75  #: what is needed is taken, for now
    SETTINGS = 78  #: the settings or the place cannot be used
    INTERRUPTED = 130  #: Ctrl-C


class CommandError(DaemonError):
    """The command failed."""

    code = "ERR_COMMAND"

    def __init__(self, exit_code: Exit, message: str, *, remedy: str | None = None, code: str | None = None) -> None:
        super().__init__(message, remedy=remedy, code=code)
        self.exit_code = exit_code

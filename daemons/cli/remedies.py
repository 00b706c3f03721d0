"""What to do about an error, in commands: what the deck says speaks to pages and programs too."""

from daemons.errors import DaemonError

_HERE = {
    "ERR_UNKNOWN_DAEMON": "`daemondeck status` lists them.",
    "ERR_UNKNOWN_DAEMON_TYPE": "`daemondeck types` lists them; `daemondeck doctor` names a plug-in that did not load.",
    "ERR_INVALID_OPTION": "`daemondeck types -o json` lists the options of each type with their bounds.",
    "ERR_NOT_SIGNED_IN": "Give --token or DAEMONDECK_TOKEN, or run the command as the user who runs the deck.",
}


def remedy_of(error: DaemonError) -> str | None:
    """Return what to do about `error` on the command line. What came without a remedy needs none."""
    return _HERE.get(error.error_code, error.remedy) if error.remedy else None

"""The daemon that has clips and their frames climb."""

from daemons.base import daemon
from daemons.workflows.polling.climbing_daemon import ClimbingDaemon
from daemons.workflows.polling.options import FootageOptions

ENDINGS = frozenset(
    {b".mov", b".mp4", b".m4v", b".mkv", b".webm", b".avi", b".mxf", b".mts", b".m2ts", b".mpg", b".mpeg", b".wmv"}
    | {b".3g2", b".3gp", b".asf", b".dv", b".flv", b".gxf", b".ogv", b".qt", b".vob"}
)
"""Of files that are clips by their name."""


@daemon("footage", title="Footage")
class Footage(ClimbingDaemon):
    """Has every clip climb: its facts, frames that are described one by one, its speech, and what it shows in all."""

    Options = FootageOptions
    ladders = ("footage", "frames")
    endings = ENDINGS

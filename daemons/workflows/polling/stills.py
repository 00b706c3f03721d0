"""The daemon that has stills climb."""

from daemons.base import daemon
from daemons.folders.scan import IMAGE_ENDINGS
from daemons.workflows.polling.climbing_daemon import ClimbingDaemon
from daemons.workflows.polling.options import StillsOptions


@daemon("stills", title="Stills")
class Stills(ClimbingDaemon):
    """Has every still climb from its file to its description the moment it can, and asks where too little is known."""

    Options = StillsOptions
    ladders = ("stills",)
    endings = frozenset(IMAGE_ENDINGS)

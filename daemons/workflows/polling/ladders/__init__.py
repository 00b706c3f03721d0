"""The ladders there are, by name."""

from collections.abc import Mapping

from daemons.workflows.polling.ladder import Ladder
from daemons.workflows.polling.ladders.footage import FOOTAGE
from daemons.workflows.polling.ladders.frames import FRAMES
from daemons.workflows.polling.ladders.stills import STILLS

LADDERS: Mapping[str, Ladder] = {ladder.name: ladder for ladder in (STILLS, FOOTAGE, FRAMES)}

"""The ladders there are, by name."""

from collections.abc import Mapping

from daemons.workflows.polling.ladder import Ladder

LADDERS: Mapping[str, Ladder] = {}

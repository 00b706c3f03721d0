"""A deck that was opened for one piece of work: what of it runs."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from daemons.executor.lanes import SLOTS
from daemons.handlers import spec_of
from daemons.registry import Registry
from daemons.settings import Settings


@dataclass(frozen=True, slots=True)
class Alone:
    """These daemons and the jobs of these workflows run; all else waits for the next deck."""

    workflows: frozenset[str]
    daemons: set[str] = field(default_factory=set)
    """Their names; one that is added runs once it is started."""


def slots_of(settings: Settings, registry: Registry, alone: Alone | None) -> Mapping[str, int]:
    """Return how many jobs run at once on each lane."""
    if alone is None:
        return settings.lanes
    lanes = {spec.lane for spec in registry.jobs.values()}
    jobs = [job for workflow in registry.workflows if workflow.name in alone.workflows for job in workflow.jobs]
    own = {spec.lane for job in jobs if (spec := spec_of(job))}
    return {**dict.fromkeys(lanes, 0), **{lane: settings.lanes.get(lane, SLOTS) for lane in own}}

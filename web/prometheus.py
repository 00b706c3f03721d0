"""What Prometheus collects: the figures of GET /metrics, by their names."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from daemons.states import DaemonState
from web.context import Context


@dataclass(frozen=True, eq=False)
class _Reading(Collector):
    """What was read for one answer: collectors cannot wait, the database can only be waited for."""

    context: Context
    jobs: dict[str, int]
    ended: dict[tuple[str, str], int]

    def collect(self) -> Iterator[Metric]:
        yield from self._daemons()
        yield from self._jobs()
        yield from self._process()

    def _daemons(self) -> Iterator[Metric]:
        board = self.context.service.board.all()
        states = Counter(daemon.state for daemon in board)
        by_state = GaugeMetricFamily("daemondeck_daemons", "Daemons by state.", labels=["state"])
        for state in DaemonState:
            by_state.add_metric([state.value], states[state])
        yield by_state
        silent = sum(daemon.live.silent for daemon in board)
        yield GaugeMetricFamily("daemondeck_daemons_silent", "Running daemons that say nothing.", silent)
        restarts = CounterMetricFamily("daemondeck_daemon_restarts", "Restarts after a crash.", labels=["daemon"])
        beats = GaugeMetricFamily(
            "daemondeck_daemon_last_heartbeat_seconds", "When each daemon was last heard of.", labels=["daemon"]
        )
        for daemon in board:
            restarts.add_metric([daemon.name], daemon.row.restarts)
            if daemon.live.last_heartbeat is not None:
                beats.add_metric([daemon.name], daemon.live.last_heartbeat.timestamp())
        yield restarts
        yield beats

    def _jobs(self) -> Iterator[Metric]:
        now = GaugeMetricFamily("daemondeck_jobs", "Jobs in the database by state.", labels=["state"])
        for state, count in self.jobs.items():
            now.add_metric([state], count)
        yield now
        ended = CounterMetricFamily("daemondeck_jobs_ended", "Jobs that ended.", labels=["type", "state"])
        for (job_type, state), count in self.ended.items():
            ended.add_metric([job_type, state], count)
        yield ended

    def _process(self) -> Iterator[Metric]:
        hub, journal = self.context.hub, self.context.service.journal
        yield GaugeMetricFamily("daemondeck_event_loop_lag_seconds", "How late the event loop last was.", hub.lag)
        service = self.context.service
        wrong = GaugeMetricFamily("daemondeck_findings", "What is wrong, by severity.", labels=["severity"])
        severities = Counter(finding.severity for finding in service.problems())
        for severity in ("error", "warning", "info"):
            wrong.add_metric([severity], severities[severity])
        yield wrong
        if (size := service.health.picture.database_bytes) is not None:
            yield GaugeMetricFamily("daemondeck_database_bytes", "Size of the database.", size)
        yield GaugeMetricFamily("daemondeck_units_waiting", "Writes in line.", service.database.waiting)
        yield CounterMetricFamily("daemondeck_loop_blocks", "Times the loop stood still.", service.supervisor.blocks)
        yield GaugeMetricFamily("daemondeck_sockets", "Open sockets.", len(hub.listeners))
        yield CounterMetricFamily("daemondeck_changes", "Changes told to sockets.", hub.seq)
        yield CounterMetricFamily("daemondeck_sockets_stalled", "Sockets cut for not reading.", hub.stalled_listeners)
        yield CounterMetricFamily("daemondeck_log_lines_unsent", "Log lines sockets were not told.", hub.dropped_lines)
        yield CounterMetricFamily("daemondeck_log_lines_dropped", "Log lines not stored.", journal.lines_dropped)
        yield CounterMetricFamily(
            "daemondeck_log_lines_refused", "Log lines of runs that had lost their lease.", journal.lines_refused
        )


async def exposition(context: Context) -> bytes:
    """Return all figures of the deck and of its process as Prometheus reads them."""
    jobs = context.service.jobs
    registry = CollectorRegistry()
    registry.register(_Reading(context, await jobs.counts(), await jobs.ended_counts()))
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    return generate_latest(registry)

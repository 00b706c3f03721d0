"""Probes, findings and figures."""

import httpx2
import pytest
from prometheus_client.parser import text_string_to_metric_families

from daemons.findings import Finding
from daemons.service import Service
from web.api import shapes


async def test_a_healthy_deck_is_alive_ready_and_has_nothing_to_mend(program: httpx2.AsyncClient) -> None:
    alive, ready, health = [(await program.get(path)).json() for path in ("/healthz", "/readyz", "/api/health")]

    assert alive == {"alive": True}
    assert ready == {"ready": True, "reasons": []}
    assert health["ready"] is True
    shapes.HealthShape.model_validate(health)


async def test_a_deck_that_is_not_ready_says_why(
    guest: httpx2.AsyncClient, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "is_ready", lambda: False)
    monkeypatch.setattr(service, "problems", lambda: [Finding("ERR_STOPPING", "warning", "The deck is closing.")])

    answer = await guest.get("/readyz")

    assert answer.status_code == 503
    assert answer.json() == {"ready": False, "reasons": ["ERR_STOPPING"]}


async def test_figures_are_what_prometheus_reads(program: httpx2.AsyncClient, service: Service) -> None:
    await service.orders.create("wait")

    answer = await program.get("/metrics")

    families = {family.name: family for family in text_string_to_metric_families(answer.text)}
    daemons = {sample.labels["state"]: sample.value for sample in families["daemondeck_daemons"].samples}
    assert sum(daemons.values()) == len(service.board.all())
    jobs = {sample.labels["state"]: sample.value for sample in families["daemondeck_jobs"].samples}
    assert jobs["queued"] + jobs["running"] == 1
    for name in ("daemondeck_event_loop_lag_seconds", "daemondeck_sockets", "process_resident_memory_bytes"):
        assert len(families[name].samples) == 1

"""Behind a proxy: what it says of the client is believed if it is trusted, and only then."""

import httpx2
import pytest
from sqlalchemy import select

from daemons.models import AuditTable
from daemons.settings import Settings
from tests.web.served import Served

FORWARDED = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "192.0.2.7"}


@pytest.fixture(params=[["127.0.0.1"], []])
def settings(settings: Settings, request: pytest.FixtureRequest) -> Settings:
    return settings.model_copy(update={"trusted_proxies": request.param, "allowed_hosts": ["deck.example.org"]})


async def test_only_a_trusted_proxy_speaks_for_its_clients(served: Served, settings: Settings) -> None:
    is_trusted = bool(settings.trusted_proxies)
    scheme = "https" if is_trusted else "http"
    headers = {**FORWARDED, "Host": "deck.example.org", "Origin": f"{scheme}://deck.example.org"}
    code = await served.service.access.new_code()

    async with httpx2.AsyncClient(trust_env=False) as proxy:
        answer = await proxy.post(f"http://{served.host}/signin", data={"code": code}, headers=headers)

    row = await served.service.database.fetch_one(select(AuditTable.__table__))
    assert answer.status_code == 303
    assert ("Secure" in answer.headers["set-cookie"]) == is_trusted
    assert row is not None and row.origin == ("192.0.2.7" if is_trusted else "127.0.0.1")

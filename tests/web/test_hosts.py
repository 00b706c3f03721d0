"""Which names the deck answers to."""

import httpx2
import pytest

from daemons.settings import Settings

OUR_HOSTS = [
    "127.0.0.1:8420",
    "localhost:8420",
    "LOCALHOST:8420",
    "[::1]:8420",
    "deck.example.org",
    "deck.example.org:8420",
    "other.example.org:9999",
]
FOREIGN_HOSTS = [
    "evil.example",
    "evil.example:8420",
    "localhost.evil.example:8420",
    "127.0.0.1.evil.example:8420",
    "127.0.0.1",
    "localhost:80",
    "localhost:8421",
    "deck.example.org:8421",
    "other.example.org",
    "localhost.:8420",
    "127.1:8420",
    "2130706433:8420",
    "0.0.0.0:8420",
    "::1:8420",
    "localhost:8420@evil.example",
    "localhost:8420/",
    "",
]


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(
        update={"host": "0.0.0.0", "allowed_hosts": ["deck.example.org", "other.example.org:9999"]}
    )


async def test_our_names_are_answered(guest: httpx2.AsyncClient) -> None:
    for host in OUR_HOSTS:
        answer = await guest.get("/healthz", headers={"Host": host})

        assert answer.status_code == 200, host


async def test_other_names_are_refused_before_anything_is_looked_up(guest: httpx2.AsyncClient) -> None:
    for host in FOREIGN_HOSTS:
        answer = await guest.get("/api/daemons", headers={"Host": host})

        assert (answer.status_code, answer.json()["error"]["code"]) == (421, "ERR_FOREIGN_HOST"), host


async def test_two_host_headers_are_refused(guest: httpx2.AsyncClient) -> None:
    answer = await guest.get("/healthz", headers=[("Host", "127.0.0.1:8420"), ("Host", "evil.example")])

    assert answer.status_code == 421

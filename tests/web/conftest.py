"""A whole deck with its web side: called in the same event loop, or served on a port of its own."""

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest
from starlette.applications import Starlette

from daemons import schema
from daemons.access import Role
from daemons.clock import SystemClock
from daemons.service import Service, open_service
from daemons.settings import Settings
from tests.web.served import Served, serve
from web.app import create_app

ADDRESS = "http://127.0.0.1:8420"


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a migrated SQLite file to copy."""
    directory = tmp_path_factory.mktemp("migrated")
    file = directory / "daemondeck.db"
    schema.prepare(f"sqlite:///{file}", directory, SystemClock())
    return file


@pytest.fixture
def settings(tmp_path: Path, migrated: Path) -> Settings:
    """Return the settings of a deck in a directory of its own."""
    shutil.copyfile(migrated, tmp_path / migrated.name)
    return Settings(data_dir=tmp_path, plugins=["tests.web.plugin", "tests.web.toy_ladder"])


@pytest.fixture
async def service(settings: Settings) -> AsyncIterator[Service]:
    """Run a whole deck."""
    async with open_service(settings) as service:
        yield service


@pytest.fixture
def app(service: Service) -> Starlette:
    """Return the web side of `service`."""
    return create_app(service)


@pytest.fixture
async def guest(app: Starlette) -> AsyncIterator[httpx2.AsyncClient]:
    """Return somebody who is not signed in."""
    transport = httpx2.ASGITransport(app, raise_app_exceptions=False, client=("127.0.0.1", 50_000))
    async with (
        app.router.lifespan_context(app),
        httpx2.AsyncClient(transport=transport, base_url=ADDRESS) as client,
    ):
        yield client


@pytest.fixture
def token(service: Service) -> str:
    """Return the token of this machine."""
    return (service.settings.data_dir / "token").read_text().strip()


@pytest.fixture
async def program(guest: httpx2.AsyncClient, token: str) -> httpx2.AsyncClient:
    """Return a program with the token of this machine."""
    guest.headers["Authorization"] = f"Bearer {token}"
    return guest


@pytest.fixture
async def browser(guest: httpx2.AsyncClient, service: Service) -> httpx2.AsyncClient:
    """Return a browser whose owner is signed in."""
    return await sign_in(guest, service, Role.ADMIN)


@pytest.fixture
async def onlooker(guest: httpx2.AsyncClient, service: Service) -> httpx2.AsyncClient:
    """Return the browser of somebody who may only look."""
    return await sign_in(guest, service, Role.VIEWER)


async def sign_in(client: httpx2.AsyncClient, service: Service, role: Role) -> httpx2.AsyncClient:
    """Spend a link with `client`, which then behaves like a browser on the deck's own page."""
    client.headers["Sec-Fetch-Site"] = "same-origin"
    code = await service.access.new_code(role)
    answer = await client.post("/signin", data={"code": code})
    assert answer.status_code == 303
    return client


@pytest.fixture
async def served(app: Starlette, service: Service) -> AsyncIterator[Served]:
    """Serve the deck on a port of its own."""
    async with serve(app, service) as served:
        yield served

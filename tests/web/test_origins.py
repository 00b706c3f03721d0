"""What another site's page may have a browser do here: nothing. Each test runs with sign-in on and off."""

import httpx2
import pytest
from starlette.types import Message

from daemons.service import Service
from daemons.settings import Settings
from tests.web.conftest import ADDRESS

FOREIGN = [
    {"Origin": "http://evil.example"},
    {"Origin": "http://localhost.evil.example:8420"},
    {"Origin": "http://127.0.0.1:8421"},
    {"Origin": "https://127.0.0.1:8420"},
    {"Origin": "http://localhost:8420"},  # a page of ours under another name cannot be told from a foreign one
    {"Origin": "null"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "cross-site", "Origin": ADDRESS},
    {"Sec-Fetch-Site": "same-origin", "Origin": "http://evil.example"},
]
OWN = [{"Origin": ADDRESS}, {"Sec-Fetch-Site": "same-origin"}, {"Sec-Fetch-Site": "same-origin", "Origin": "null"}]


@pytest.fixture(params=["token", "none"])
def settings(settings: Settings, request: pytest.FixtureRequest) -> Settings:
    return settings.model_copy(update={"auth": request.param})


@pytest.fixture
async def cookie(guest: httpx2.AsyncClient, service: Service) -> dict[str, str]:
    """Return the headers of a browser that is signed in, but not those that say where a request comes from."""
    code = await service.access.new_code()
    await guest.post("/signin", data={"code": code}, headers={"Origin": ADDRESS})
    return {"Cookie": "; ".join(f"{name}={value}" for name, value in guest.cookies.items())}


@pytest.mark.parametrize("path", ["/api/daemons/talker/start", "/daemons/talker/start", "/signin", "/signout"])
async def test_a_post_from_elsewhere_is_refused(
    guest: httpx2.AsyncClient, service: Service, cookie: dict[str, str], path: str
) -> None:
    for headers in FOREIGN:
        answer = await guest.post(path, headers={**cookie, **headers})

        assert answer.status_code == 403, headers
    assert service.board.get("talker").row.desired == "off"


async def test_a_good_token_does_not_excuse_a_foreign_page(guest: httpx2.AsyncClient, token: str) -> None:
    for headers in FOREIGN:
        answer = await guest.post("/api/daemons/talker/start", headers={"Authorization": f"Bearer {token}", **headers})

        assert answer.status_code == 403, headers


async def test_a_cookie_alone_does_not_say_where_it_comes_from(
    guest: httpx2.AsyncClient, cookie: dict[str, str]
) -> None:
    answer = await guest.post("/api/daemons/talker/start", headers=cookie)

    assert answer.status_code == 403


async def test_our_own_pages_may_post(guest: httpx2.AsyncClient, cookie: dict[str, str]) -> None:
    for headers in OWN:
        answer = await guest.post("/api/daemons/talker/start", headers={**cookie, **headers})

        assert answer.status_code == 202, headers


async def test_a_program_with_a_token_needs_no_origin(guest: httpx2.AsyncClient, token: str) -> None:
    answer = await guest.post("/api/daemons/talker/start", headers={"Authorization": f"Bearer {token}"})

    assert answer.status_code == 202


@pytest.mark.parametrize("path", ["/api/events", "/live"])
async def test_a_socket_from_elsewhere_is_refused_before_it_is_accepted(
    guest: httpx2.AsyncClient, app: object, cookie: dict[str, str], path: str
) -> None:
    for headers in [{}, *FOREIGN, {"Origin": "null", "Sec-Fetch-Site": "same-origin"}]:
        said = await ask_for_socket(app, path, {**cookie, **headers})

        assert [message["type"] for message in said] == ["websocket.close"], headers


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1:8421"])
async def test_a_socket_under_a_foreign_name_is_refused_before_it_is_accepted(
    guest: httpx2.AsyncClient, app: object, cookie: dict[str, str], host: str
) -> None:
    said = await ask_for_socket(app, "/api/events", {**cookie, "Host": host, "Origin": f"http://{host}"})

    assert [message["type"] for message in said] == ["websocket.close"]


async def ask_for_socket(app: object, path: str, headers: dict[str, str]) -> list[Message]:
    """Return what the application says to a client that asks for a socket and goes at once."""
    said: list[Message] = []
    coming = [{"type": "websocket.connect"}, {"type": "websocket.disconnect", "code": 1001}]

    async def receive() -> Message:
        return coming.pop(0)

    async def send(message: Message) -> None:
        said.append(message)

    given = {"Host": ADDRESS.removeprefix("http://"), **headers}
    scope = {
        "type": "websocket",
        "asgi": {"version": "3.0"},
        "scheme": "ws",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [(name.lower().encode(), value.encode()) for name, value in given.items()],
        "server": ("127.0.0.1", 8420),
        "client": ("127.0.0.1", 50_000),
        "extensions": {"websocket.http.response": {}},
    }
    await app(scope, receive, send)  # type: ignore[operator]
    return said

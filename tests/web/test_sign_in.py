"""Links, passwords, cookies and tokens: how people and programs come in, and how they are put out."""

from datetime import timedelta

import httpx2
import pytest
from pydantic import SecretStr
from sqlalchemy import select
from starlette.applications import Starlette
from websockets.exceptions import ConnectionClosed, InvalidStatus

from daemons.access import Role
from daemons.models import AuditTable
from daemons.service import Service
from daemons.settings import Settings
from tests.web.conftest import ADDRESS
from tests.web.served import Served, next_frame, opening

OWN = {"Origin": ADDRESS}


async def test_a_stranger_sees_the_sign_in_page_and_comes_back_to_where_it_was_going(guest: httpx2.AsyncClient) -> None:
    answer = await guest.get("/jobs?state=failed")

    assert answer.status_code == 303
    assert answer.headers["location"] == "/signin?next=%2Fjobs%3Fstate%3Dfailed"
    assert "Sign in" in (await guest.get(answer.headers["location"])).text


@pytest.mark.parametrize("path", ["/api/daemons", "/api/nothing", "/metrics", "/api/openapi.json", "/api/health"])
async def test_the_api_tells_a_stranger_nothing(guest: httpx2.AsyncClient, path: str) -> None:
    answer = await guest.get(path)

    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert answer.json()["error"]["code"] == "ERR_NOT_SIGNED_IN"


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/signin"])
async def test_probes_and_the_sign_in_page_are_open(guest: httpx2.AsyncClient, path: str) -> None:
    assert (await guest.get(path)).status_code == 200


async def test_looking_at_a_link_does_not_spend_it(guest: httpx2.AsyncClient, service: Service) -> None:
    code = await service.access.new_code()

    for _ in range(3):
        assert code in (await guest.get(f"/signin?code={code}")).text

    assert (await guest.post("/signin", data={"code": code}, headers=OWN)).status_code == 303


async def test_a_link_signs_in_once(guest: httpx2.AsyncClient, service: Service) -> None:
    code = await service.access.new_code()
    await guest.post("/signin", data={"code": code}, headers=OWN)
    guest.cookies.clear()

    again = await guest.post("/signin", data={"code": code}, headers=OWN)

    assert again.status_code == 401
    assert "used before" in again.text
    assert not guest.cookies


async def test_after_sign_in_the_browser_goes_where_it_wanted(guest: httpx2.AsyncClient, service: Service) -> None:
    code = await service.access.new_code()

    answer = await guest.post("/signin", data={"code": code, "next": "/jobs?state=failed"}, headers=OWN)

    assert answer.headers["location"] == "/jobs?state=failed"


@pytest.mark.parametrize("next", ["https://evil.example", "//evil.example", "/\\evil.example", "javascript:alert(1)"])
async def test_a_link_cannot_lead_elsewhere(guest: httpx2.AsyncClient, service: Service, next: str) -> None:
    await service.access.first_run.end()
    code = await service.access.new_code()

    answer = await guest.post("/signin", data={"code": code, "next": next}, headers=OWN)

    assert answer.headers["location"] == "/"


async def test_the_cookie_is_kept_from_scripts_and_other_sites(guest: httpx2.AsyncClient, service: Service) -> None:
    code = await service.access.new_code()

    answer = await guest.post("/signin", data={"code": code}, headers=OWN)

    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("daemondeck_8420=")
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert "Domain" not in cookie
    assert "Secure" not in cookie


async def test_under_tls_the_cookie_is_bound_to_the_host(app: Starlette, service: Service) -> None:
    transport = httpx2.ASGITransport(app)
    address = "https://127.0.0.1:8420"
    async with httpx2.AsyncClient(transport=transport, base_url=address) as browser:
        code = await service.access.new_code()
        answer = await browser.post("/signin", data={"code": code}, headers={"Origin": address})
        page = await browser.get("/")

    assert answer.headers["set-cookie"].startswith("__Host-daemondeck_8420=")
    assert "Secure" in answer.headers["set-cookie"]
    assert page.status_code == 200
    assert "max-age" in page.headers["strict-transport-security"]


async def test_signing_out_ends_the_session_and_not_only_the_cookie(browser: httpx2.AsyncClient) -> None:
    stolen = {"Cookie": "; ".join(f"{name}={value}" for name, value in browser.cookies.items())}

    await browser.post("/signout")
    browser.cookies.clear()

    assert (await browser.get("/api/daemons", headers=stolen)).status_code == 401


async def test_every_sign_in_is_a_new_session(browser: httpx2.AsyncClient, service: Service) -> None:
    first = dict(browser.cookies)
    code = await service.access.new_code()

    await browser.post("/signin", data={"code": code})

    assert dict(browser.cookies) != first


@pytest.mark.parametrize("token", ["", "x", "dd_" + "A" * 43, "dd_\u00e9"])
async def test_a_bad_token_is_no_token(guest: httpx2.AsyncClient, token: str) -> None:
    answer = await guest.get("/api/daemons", headers={"Authorization": f"Bearer {token}".encode()})

    assert answer.status_code == 401


@pytest.mark.parametrize("path", ["/api/daemons?token=", "/jobs?q=x&apikey=", "/signin?access_token="])
async def test_a_token_in_an_address_is_refused_and_put_on_record_without_it(
    guest: httpx2.AsyncClient, token: str, service: Service, path: str
) -> None:
    answer = await guest.get(path + token)

    assert answer.status_code == 403
    assert "Authorization: Bearer" in answer.text
    assert token not in answer.text
    row = await service.database.fetch_one(select(AuditTable.__table__))
    assert row is not None
    assert (row.who, row.origin, row.action, row.outcome) == ("nobody", "127.0.0.1", "secret in an address", "refused")
    assert token not in str(row)


async def test_a_bad_token_is_not_helped_by_a_good_cookie(browser: httpx2.AsyncClient) -> None:
    assert (await browser.get("/api/daemons", headers={"Authorization": "Bearer nonsense"})).status_code == 401


@pytest.mark.parametrize("path", ["/daemons/talker/start", "/api/daemons/talker/start", "/api/jobs"])
async def test_an_onlooker_may_look_but_not_touch(onlooker: httpx2.AsyncClient, path: str) -> None:
    assert (await onlooker.get("/daemons/talker")).status_code == 200
    assert (await onlooker.post(path)).status_code == 403


async def test_an_operator_cannot_hand_out_tokens(guest: httpx2.AsyncClient, service: Service) -> None:
    secret, _ = await service.access.create_token("helper", Role.OPERATOR)
    guest.headers["Authorization"] = f"Bearer {secret}"

    assert (await guest.post("/api/daemons/talker/start")).status_code == 202
    assert (await guest.get("/api/tokens")).status_code == 403
    assert (await guest.post("/api/signin-links")).status_code == 403


async def test_tokens_are_made_listed_without_secret_and_revoked(program: httpx2.AsyncClient) -> None:
    made = (await program.post("/api/tokens", json={"name": "backup", "role": "viewer"})).json()
    listed = (await program.get("/api/tokens")).json()["items"]
    theirs = {"Authorization": f"Bearer {made['secret']}"}
    before = (await program.get("/api/daemons", headers=theirs)).status_code

    revoked = await program.delete("/api/tokens/backup")

    assert made["secret"] not in str(listed)
    assert [token["name"] for token in listed] == ["backup"]
    assert (before, revoked.status_code) == (200, 204)
    assert (await program.get("/api/daemons", headers=theirs)).status_code == 401
    assert (await program.delete("/api/tokens/backup")).status_code == 404


async def test_a_link_from_the_api_leads_to_the_page(program: httpx2.AsyncClient) -> None:
    link = (await program.post("/api/signin-links")).json()["url"]

    assert link.startswith(f"{ADDRESS}/signin?code=")
    assert (await program.get(link, headers={"Authorization": ""})).status_code == 200


async def test_who_changed_what_is_on_record(program: httpx2.AsyncClient, service: Service) -> None:
    await program.post("/api/daemons/talker/start")

    rows = await service.database.fetch(select(AuditTable.__table__))

    assert [(row.who, row.origin, row.action, row.target, row.outcome) for row in rows] == [
        ("owner", "127.0.0.1", "daemon start", "talker", "done")
    ]


async def test_a_browser_whose_session_ended_is_told_so_on_its_socket(served: Served) -> None:
    headers = {"Origin": f"http://{served.host}", "Cookie": f"daemondeck_{served.port}=nonsense"}

    async with served.client("/live", **headers) as live:
        with pytest.raises(ConnectionClosed) as closed:
            await live.recv()

    assert closed.value.rcvd is not None and closed.value.rcvd.code == 4401


async def test_a_program_with_a_bad_token_gets_no_socket(served: Served) -> None:
    with pytest.raises(InvalidStatus) as refusal:
        async with served.client("/api/events", Authorization="Bearer nonsense"):
            pass

    assert refusal.value.response.status_code == 401


async def test_signing_out_closes_the_sockets_of_the_session(served: Served) -> None:
    access = served.service.access
    cookie = await access.sign_in_with_code(await access.new_code(), origin="here")
    headers = {"Origin": f"http://{served.host}", "Cookie": f"daemondeck_{served.port}={cookie}"}

    async with served.client("/live", **headers) as live, served.client("/api/events") as other:
        await next_frame(live)
        await opening(other)
        await access.sign_out_everywhere()
        with pytest.raises(ConnectionClosed) as closed:
            await next_frame(live, lambda frame: False)
        await (await other.ping())

    assert closed.value.rcvd is not None and closed.value.rcvd.code == 4401


class TestPassword:
    """With a password in the settings."""

    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        return settings.model_copy(update={"auth": "password", "password": SecretStr("correct horse")})

    async def test_the_password_signs_in(self, guest: httpx2.AsyncClient) -> None:
        answer = await guest.post("/signin", data={"password": "correct horse"}, headers=OWN)

        assert answer.status_code == 303
        assert (await guest.get("/")).status_code == 200

    async def test_a_wrong_password_does_not(self, guest: httpx2.AsyncClient) -> None:
        answer = await guest.post("/signin", data={"password": "wrong horse"}, headers=OWN)

        assert answer.status_code == 401
        assert (await guest.get("/")).status_code == 303

    async def test_guessing_is_slowed_down(self, guest: httpx2.AsyncClient) -> None:
        answers = [await guest.post("/signin", data={"password": str(n)}, headers=OWN) for n in range(40)]

        refused = [answer for answer in answers if answer.status_code == 429]
        assert len(refused) >= 30
        assert int(refused[-1].headers["retry-after"]) >= 1
        assert "Wait" in refused[-1].text

    async def test_a_link_still_signs_in(self, guest: httpx2.AsyncClient, service: Service) -> None:
        code = await service.access.new_code()

        assert (await guest.post("/signin", data={"code": code}, headers=OWN)).status_code == 303


class TestOpen:
    """With sign-in switched off, which is allowed on this machine only."""

    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        return settings.model_copy(update={"auth": "none"})

    async def test_anyone_is_the_owner(self, guest: httpx2.AsyncClient) -> None:
        assert (await guest.get("/")).status_code == 200
        assert (await guest.post("/api/daemons/talker/start", headers=OWN)).status_code == 202


def test_sessions_are_idle_for_a_week_at_most() -> None:
    from daemons.access import SESSION_IDLE, SESSION_LIFE

    assert timedelta(days=7) >= SESSION_IDLE
    assert timedelta(days=30) >= SESSION_LIFE

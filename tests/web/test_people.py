"""People and their pages: what admins do, what everybody may do, the first steps, tickets and proxies."""

import asyncio
import re
from pathlib import Path

import httpx2
import pytest
from sqlalchemy import select
from websockets.exceptions import ConnectionClosed, InvalidStatus

from daemons.access import Role
from daemons.models import AuditTable
from daemons.service import Service
from daemons.settings import Settings
from daemons.states import Desired
from tests.web.conftest import ADDRESS
from tests.web.served import Served, next_frame, opening

OWN = {"Origin": ADDRESS}
GOOD = "rain on a tin roof"
OTHER = "nine quiet herons"
HOSTILE = "\"><script>alert(1)</script>'{{7*7}}\u202eevil"


async def comes_in(guest: httpx2.AsyncClient, name: str, password: str) -> httpx2.Response:
    return await guest.post("/signin", data={"name": name, "password": password}, headers=OWN)


async def test_users_by_the_api(program: httpx2.AsyncClient) -> None:
    made = await program.post("/api/users", json={"name": "Ana", "role": "admin", "password": GOOD})
    again = await program.post("/api/users", json={"name": "ana", "password": OTHER})
    weak = await program.post("/api/users", json={"name": "bo", "password": "password1"})
    await program.post("/api/users", json={"name": "bo"})

    assert (made.status_code, again.status_code, weak.status_code) == (201, 409, 422)
    assert weak.json()["error"]["code"] == "ERR_WEAK_PASSWORD"
    assert (await program.patch("/api/users/bo", json={"role": "operator"})).json()["role"] == "operator"
    assert (await program.patch("/api/users/bo", json={"role": "king"})).status_code == 422
    assert (await program.post("/api/users/bo/password", json={"password": OTHER})).json()["has_password"]
    assert (await program.patch("/api/users/ana", json={"role": "viewer"})).json()["error"]["code"] == "ERR_LAST_ADMIN"
    assert [user["name"] for user in (await program.get("/api/users")).json()["items"]] == ["ana", "bo"]
    assert (await program.delete("/api/users/bo")).status_code == 204
    assert (await program.delete("/api/users/bo")).status_code == 404
    assert (await program.get("/api/me")).json()["kind"] == "program"
    assert (await program.post("/api/me/password", json={"new": OTHER})).json()["error"]["code"] == "ERR_NO_PASSWORD"


@pytest.mark.parametrize("role", [Role.VIEWER, Role.OPERATOR])
async def test_only_admins_say_who_comes_in(guest: httpx2.AsyncClient, service: Service, role: Role) -> None:
    await service.access.users.add("ana", Role.ADMIN, OTHER)
    await service.access.users.add("bo", role, GOOD)
    await comes_in(guest, "bo", GOOD)
    refused = [
        await guest.get("/api/users"),
        await guest.get("/api/sessions"),
        await guest.get("/people/users/ana"),
        await guest.get("/welcome"),
        *[
            await guest.post(path, data={}, headers=OWN)
            for path in ("/people/users/add", "/people/tokens/add", "/people/sessions/end-all", "/welcome/end")
        ],
        await guest.patch("/api/users/bo", json={"role": "admin"}, headers=OWN),
        await guest.delete("/api/users/ana", headers=OWN),
    ]

    assert {answer.status_code for answer in refused} == {403}
    page = (await guest.get("/people")).text
    assert "Your account" in page
    assert "Add this user" not in page
    assert "ana" not in re.sub(r"<[^>]*>", "", page).split()


async def test_a_viewer_changes_their_own_password_and_ends_their_own_sessions(
    guest: httpx2.AsyncClient, service: Service
) -> None:
    user = await service.access.users.add("bo", Role.VIEWER, GOOD)
    await service.access.sign_in_with_password(GOOD, origin="192.0.2.9", name="bo")
    await comes_in(guest, "bo", GOOD)
    here = (await guest.get("/api/me")).json()
    assert [session["origin"] for session in here["sessions"]] == ["127.0.0.1", "192.0.2.9"]

    wrong = await guest.post("/me/password", data={"old": "no", "new": OTHER}, headers=OWN)
    changed = await guest.post("/me/password", data={"old": GOOD, "new": OTHER}, headers=OWN)

    assert (wrong.status_code, changed.status_code) == (403, 200)
    assert "The old password is not right." in wrong.text
    assert [session.user for session in await service.access.sessions()] == [user.name]
    assert (await guest.get("/api/me")).json()["session_id"] == here["session_id"]
    ended = await guest.delete(f"/api/me/sessions/{here['session_id']}", headers=OWN)
    assert ended.status_code == 204
    assert "Your session ended at" in (await guest.get("/signin")).text


async def test_an_admin_does_everything_on_the_page(browser: httpx2.AsyncClient, service: Service) -> None:
    assert (
        await browser.post("/people/users/add", data={"name": "bo", "role": "viewer", "password": GOOD})
    ).is_redirect
    assert (await browser.post("/people/users/bo/role", data={"role": "operator"})).is_redirect
    assert (await browser.post("/people/users/bo/password", data={"password": OTHER})).is_redirect
    token = await browser.post("/people/tokens/add", data={"name": "backup", "role": "viewer", "days": "30"})
    secret = re.search(r"dd_[\w-]{43}", token.text)
    link = await browser.post("/people/links/add", data={"role": "viewer"})

    assert secret is not None and secret[0] not in (await browser.get("/people")).text
    assert "/signin?code=" in link.text
    assert (await browser.get("/people/users/bo")).status_code == 200
    wrong = await browser.post("/people/users/add", data={"name": HOSTILE, "role": "viewer", "password": GOOD})
    assert wrong.status_code == 422
    assert HOSTILE not in wrong.text and "&lt;script&gt;" in wrong.text
    for data in (
        {"name": "x", "role": "king"},
        {"name": "x", "role": "viewer", "days": "0"},
        {"name": "Not This", "role": "viewer"},
    ):
        assert (await browser.post("/people/tokens/add", data=data)).status_code == 422
    assert "Programs that use it are refused" in (await browser.get("/people/tokens/backup/revoke")).text
    assert (await browser.post("/people/tokens/backup/revoke")).is_redirect
    assert (await browser.get("/people/tokens/backup/revoke")).status_code == 404
    assert (await browser.post("/people/users/bo/remove")).is_redirect
    assert (await browser.post("/people/sessions/end-all")).is_redirect
    assert (await browser.get("/people")).is_redirect
    assert await service.access.tokens() == []


async def test_the_record_tells_who_did_what_to_whom_and_no_secret(
    browser: httpx2.AsyncClient, service: Service
) -> None:
    await browser.post("/people/users/add", data={"name": "bo", "role": "viewer", "password": GOOD})
    await browser.patch("/api/users/bo", json={"role": "admin"})
    await browser.delete("/api/users/bo")
    await browser.post("/people/tokens/add", data={"name": "backup", "role": "viewer"})
    await browser.post("/api/jobs", json={"type": "nothing"})
    await browser.post("/signout")

    rows = await service.database.fetch(select(AuditTable.__table__).order_by(AuditTable.id))

    assert [(row.who, row.action, row.target, row.outcome) for row in rows] == [
        ("owner", "sign in with a link", None, "done"),
        ("owner", "user add", "bo", "done"),
        ("owner", "user change", "bo", "done"),
        ("owner", "user remove", "bo", "refused 409"),
        ("owner", "token add", "backup", "done"),
        ("owner", "job add", "", "refused 422"),
        ("owner", "signout", "", "done"),
    ]
    assert {row.origin for row in rows} == {"127.0.0.1"}
    assert GOOD not in str(rows) and "dd_" not in str(rows)


async def test_refusing_strangers_does_not_fill_the_disk(guest: httpx2.AsyncClient, service: Service) -> None:
    for _ in range(100):
        assert (await guest.post("/api/jobs", headers=OWN)).status_code == 401

    assert len(await service.database.fetch(select(AuditTable.id))) == 30


async def test_who_is_refused_at_the_door_is_on_record(guest: httpx2.AsyncClient, service: Service) -> None:
    await guest.post("/api/jobs", headers={"Origin": "https://evil.example"})
    await guest.get("/daemons", headers={"Host": "evil.example"})

    rows = await service.database.fetch(select(AuditTable.__table__).order_by(AuditTable.id))

    assert [(row.who, row.action, row.target, row.outcome) for row in rows] == [
        ("nobody", "foreign page", "/api/jobs", "refused"),
        ("nobody", "foreign host", "/daemons", "refused"),
    ]


async def test_the_message_to_a_guesser_has_seconds_and_no_hint(guest: httpx2.AsyncClient, service: Service) -> None:
    await service.access.users.add("bo", Role.VIEWER, GOOD)

    answers = [await comes_in(guest, "bo", f"guess {number}") for number in range(7)]
    unknown = await comes_in(guest, "unknown", "guess")

    assert [answer.status_code for answer in answers] == [401] * 5 + [429] * 2
    assert re.search(r"Wait \d+ seconds", answers[-1].text)
    shown = [re.sub(r'value="\w*"', "", answer.text) for answer in (answers[0], unknown)]
    assert shown[0] == shown[1]
    assert 'value="bo"' in answers[0].text, "what was typed is kept, but the password"
    assert "guess" not in answers[0].text


class TestFirstSteps:
    """What a new deck leads its owner through."""

    async def test_the_first_link_leads_there_until_they_are_done(
        self, guest: httpx2.AsyncClient, service: Service
    ) -> None:
        guest.headers["Sec-Fetch-Site"] = "same-origin"
        places = []
        for role in (Role.VIEWER, Role.ADMIN, Role.ADMIN):
            answer = await guest.post("/signin", data={"code": await service.access.new_code(role)})
            places.append(answer.headers["location"])
            if role is Role.ADMIN:
                await guest.post("/welcome/end")

        assert places == ["/", "/welcome", "/"]
        assert (await guest.get("/welcome")).headers["location"] == "/"

    async def test_an_admin_is_made_and_signed_in_anew(self, browser: httpx2.AsyncClient, service: Service) -> None:
        before = dict(browser.cookies)
        weak = await browser.post("/welcome/admin", data={"name": "ana", "password": "password1"})

        made = await browser.post("/welcome/admin", data={"name": "ana", "password": GOOD})

        assert weak.status_code == 422 and 'value="ana"' in weak.text
        assert made.headers["location"] == "/welcome?step=2"
        assert dict(browser.cookies) != before
        assert (await browser.get("/api/me")).json()["name"] == "ana"
        assert [session.user for session in await service.access.sessions()] == ["ana"], "the link's session is over"

    async def test_a_folder_gets_its_daemon_and_the_demo_starts(
        self, browser: httpx2.AsyncClient, service: Service, tmp_path: Path
    ) -> None:
        (tmp_path / "My Pictures").mkdir()
        wrong = await browser.post("/welcome/folder", data={"directory": str(tmp_path / "nowhere") + HOSTILE})

        right = await browser.post("/welcome/folder", data={"directory": str(tmp_path / "My Pictures")})
        demo = await browser.post("/welcome/demo")

        assert wrong.status_code == 422 and "<script>alert" not in wrong.text
        assert right.headers["location"] == demo.headers["location"] == "/welcome?step=3"
        assert service.board.get("describe-my-pictures").row.configuration["directory"].endswith("My Pictures")
        assert (await browser.get("/welcome?step=3")).text.count("demo") > 1

    async def test_a_folder_that_is_described_leads_on_and_its_namesake_gets_a_name(
        self, browser: httpx2.AsyncClient, service: Service, tmp_path: Path
    ) -> None:
        one, two = tmp_path / "Pictures", tmp_path / "other" / "Pictures"
        for directory in (one, two):
            directory.mkdir(parents=True)
        await browser.post("/welcome/folder", data={"directory": str(one)})
        await service.roster.stop("describe-pictures")
        await service.edit_daemon("describe-pictures", enabled=False)

        again = await browser.post("/welcome/folder", data={"directory": str(one)})
        other = await browser.post("/welcome/folder", data={"directory": str(two)})

        assert again.headers["location"] == "/welcome?step=3&already=describe-pictures"
        told = (await browser.get(again.headers["location"])).text
        assert 'described already, by <a href="/daemons/describe-pictures">' in told
        assert service.board.get("describe-pictures").row.desired is Desired.ON
        assert other.headers["location"] == "/welcome?step=3"
        assert service.board.get("describe-pictures-2").row.configuration["directory"] == str(two)

    async def test_what_is_described_from_the_start_is_shown_in_place_of_a_question(
        self, browser: httpx2.AsyncClient, service: Service, tmp_path: Path
    ) -> None:
        await service.add_daemon("describe_images", "describe-pictures", {"directory": str(tmp_path)})

        step = (await browser.get("/welcome?step=2")).text

        assert f'describes <span class="path">{tmp_path}</span>' in step
        assert "Go on</a>" in step and "Skip this step" not in step


class TestTickets:
    """How a page of another program comes onto the events socket."""

    async def test_one_socket_comes_in_from_any_page_once(self, served: Served) -> None:
        headers = {"Origin": "https://dashboard.example"}
        ticket = await self.ticket(served)

        async with served.client(f"/api/events?ticket={ticket}", **headers) as events:
            assert (await next_frame(events))["type"] == "hello"
        for path in (f"/api/events?ticket={ticket}", "/api/events?ticket=nonsense", "/api/events?ticket="):
            with pytest.raises(InvalidStatus) as refused:
                async with served.client(path, **headers):
                    pass
            assert refused.value.response.status_code == 401

    async def test_a_cookie_does_not_help_a_bad_ticket_from_a_foreign_page(self, served: Served) -> None:
        access = served.service.access
        cookie = await access.sign_in_with_code(await access.new_code(), origin="here")
        headers = {"Origin": "https://evil.example", "Cookie": f"daemondeck_{served.port}={cookie}"}
        for path in ("/api/events?ticket=x", "/live?ticket=x", "/api/events"):
            with pytest.raises(InvalidStatus) as refused:
                async with served.client(path, **headers):
                    pass
            assert refused.value.response.status_code in (401, 403)

    async def test_a_token_in_the_address_of_a_socket_is_refused(self, served: Served) -> None:
        with pytest.raises(InvalidStatus) as refused:
            async with served.client(f"/api/events?token={served.token}"):
                pass
        assert refused.value.response.status_code == 403

    async def ticket(self, served: Served) -> str:
        async with httpx2.AsyncClient(trust_env=False, headers=served.bearer) as program:
            answer = await program.post(f"http://{served.host}/api/events/ticket")
        assert answer.status_code == 201
        return str(answer.json()["ticket"])


async def test_sockets_close_when_a_role_changes_or_a_token_is_revoked(served: Served) -> None:
    access = served.service.access
    await access.users.add("ana", Role.ADMIN, GOOD)
    await access.users.add("bo", Role.ADMIN, OTHER)
    cookie = await access.sign_in_with_password(OTHER, origin="here", name="bo")
    secret, _ = await access.create_token("backup", Role.VIEWER)
    browser = {"Origin": f"http://{served.host}", "Cookie": f"daemondeck_{served.port}={cookie}"}
    program = {"Authorization": f"Bearer {secret}"}

    async with (
        served.client("/live", **browser) as live,
        served.client("/api/events", **browser) as events,
        served.client("/api/events", **program) as other,
    ):
        await next_frame(live)
        await opening(events)
        await opening(other)
        began = asyncio.get_running_loop().time()
        await access.users.change_role("bo", Role.VIEWER)
        await access.revoke_token("backup")
        for connection in (live, events, other):
            with pytest.raises(ConnectionClosed) as closed:
                await next_frame(connection, lambda frame: False)
            assert closed.value.rcvd is not None and closed.value.rcvd.code == 4401
        assert asyncio.get_running_loop().time() - began < 1.0


async def test_what_a_viewer_says_on_a_socket_changes_nothing(served: Served) -> None:
    secret, _ = await served.service.access.create_token("onlooker", Role.VIEWER)

    async with served.client("/api/events", Authorization=f"Bearer {secret}") as events:
        await opening(events)
        for said in (
            '{"command": "start", "daemon": "talker"}',
            '{"method": "POST", "path": "/api/daemons/talker/start"}',
        ):
            await events.send(said)
        await (await events.ping())

    assert served.service.board.get("talker").row.desired == "off"


class TestBehindAProxy:
    """With people signed in by the proxy in front."""

    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        return settings.model_copy(
            update={"auth": "proxy", "trusted_proxies": ["127.0.0.1"], "proxy_roles": {"crew": "operator"}}
        )

    async def test_the_proxy_names_who_is_there_and_their_groups(self, guest: httpx2.AsyncClient) -> None:
        crew = {"Remote-User": "Ana@Example.org", "Remote-Groups": "staff, crew"}
        plain = {"Remote-User": "bo"}

        assert (await guest.get("/api/me", headers=crew)).json()["name"] == "ana@example.org"
        assert (await guest.post("/api/daemons/talker/start", headers={**crew, **OWN})).status_code == 202
        assert (await guest.post("/api/daemons/talker/start", headers={**plain, **OWN})).status_code == 403
        assert (await guest.get("/", headers=plain)).status_code == 200

    async def test_nobody_else_is_believed(self, app: object, service: Service) -> None:
        stranger = httpx2.ASGITransport(app, client=("192.0.2.66", 50_000))  # type: ignore[arg-type]
        async with httpx2.AsyncClient(transport=stranger, base_url=ADDRESS) as client:
            for headers in ({"Remote-User": "ana"}, {"Remote-User": "ana", "X-Forwarded-For": "127.0.0.1"}):
                assert (await client.get("/api/me", headers=headers)).status_code == 401
        assert await service.access.users.list() == []

    @pytest.mark.parametrize("name", ["owner", "anyone", "<script>", "x" * 300, "a/b"])
    async def test_a_name_that_nobody_may_have_is_refused_in_words(self, guest: httpx2.AsyncClient, name: str) -> None:
        answer = await guest.get("/api/me", headers={"Remote-User": name})

        assert answer.status_code in (409, 422)
        assert answer.json()["error"]["message"]

    async def test_two_headers_of_that_name_are_none(self, guest: httpx2.AsyncClient) -> None:
        answer = await guest.get("/api/me", headers=[("Remote-User", "ana"), ("Remote-User", "owner")])

        assert answer.status_code == 401

    async def test_without_a_name_the_sign_in_page_says_why_and_a_link_still_works(
        self, guest: httpx2.AsyncClient, service: Service
    ) -> None:
        assert "sign in at the proxy" in (await guest.get("/signin")).text
        code = await service.access.new_code()
        assert (await guest.post("/signin", data={"code": code}, headers=OWN)).status_code == 303
        assert (await guest.get("/api/me")).json()["name"] == "owner"

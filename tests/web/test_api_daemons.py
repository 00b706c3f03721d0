"""The calls about daemons, as a program makes them."""

from typing import Any

import httpx2
import pytest

from daemons.service import Service
from daemons.states import LogLevel
from tests.web.served import until
from web.api import shapes


async def test_the_list_has_every_daemon_by_name(program: httpx2.AsyncClient, service: Service) -> None:
    answer = (await program.get("/api/daemons")).json()

    assert [item["name"] for item in answer["items"]] == [daemon.name for daemon in service.board.all()]
    assert answer["next"] is None
    shapes.DaemonPage.model_validate(answer)


async def test_the_list_comes_in_pages(program: httpx2.AsyncClient) -> None:
    for number in range(5):
        await program.post("/api/daemons", json={"type": "talker", "name": f"t{number}"})
    names: list[str] = []
    query: dict[str, Any] = {"limit": 2}
    while True:
        page = (await program.get("/api/daemons", params=query)).json()
        names += [item["name"] for item in page["items"]]
        if page["next"] is None:
            break
        query["cursor"] = page["next"]

    assert names == sorted(names)
    assert {f"t{number}" for number in range(5)} < set(names)


async def test_one_is_found_by_name_and_by_id(program: httpx2.AsyncClient) -> None:
    by_name = (await program.get("/api/daemons/talker")).json()
    by_id = (await program.get(f"/api/daemons/{by_name['id']}")).json()

    assert by_name == by_id
    shapes.DaemonShape.model_validate(by_name)


@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
async def test_an_unknown_name_is_404(program: httpx2.AsyncClient, method: str) -> None:
    answer = await program.request(method, "/api/daemons/nobody", json={} if method == "PATCH" else None)

    assert answer.status_code == 404
    assert "nobody" in answer.json()["error"]["message"]
    shapes.ProblemAnswer.model_validate(answer.json())


async def test_an_instance_is_added_configured_and_removed(program: httpx2.AsyncClient) -> None:
    new = {"type": "talker", "name": "second", "configuration": {"sentence": "Hi"}, "enabled": False}

    added = await program.post("/api/daemons", json=new)
    again = await program.post("/api/daemons", json=new)
    removed = await program.delete("/api/daemons/second")

    assert added.status_code == 201
    assert added.headers["location"] == "/api/daemons/second"
    assert added.json()["configuration"] == {"sentence": "Hi"}
    assert again.status_code == 409
    assert removed.status_code == 204
    assert (await program.get("/api/daemons/second")).status_code == 404


async def test_a_types_first_instance_stays(program: httpx2.AsyncClient) -> None:
    assert (await program.delete("/api/daemons/talker")).status_code == 409


@pytest.mark.parametrize(
    ("new", "named"),
    [
        ({"type": "nonsense", "name": "x"}, "nonsense"),
        ({"type": "talker", "name": "Bad Name"}, "name"),
        ({"type": "talker", "name": "x\n"}, "name"),
        ({"type": "talker", "name": "x" * 64}, "name"),
        ({"type": "talker", "name": "x", "configuration": {"colour": 1}}, "colour"),
        ({"type": "talker", "name": "x", "configuration": {"sentence": 5}}, "sentence"),
        ({"type": "talker", "name": "x", "size": 1}, "size"),
        ({"type": "talker"}, "name"),
        ([], "object"),
    ],
)
async def test_a_bad_instance_is_refused_naming_what_is_wrong(
    program: httpx2.AsyncClient, new: object, named: str
) -> None:
    answer = await program.post("/api/daemons", json=new)

    assert answer.status_code == 422
    assert named in answer.json()["error"]["message"]


async def test_a_change_counts_the_configuration_up(program: httpx2.AsyncClient) -> None:
    change = {"configuration": {"sentence": "New"}, "configuration_revision": 1, "auto_start": True}

    changed = (await program.patch("/api/daemons/talker", json=change)).json()

    assert changed["configuration"] == {"sentence": "New"}
    assert changed["configuration_revision"] == 2
    assert changed["auto_start"] is True


async def test_a_stale_change_is_refused_with_both_revisions(program: httpx2.AsyncClient) -> None:
    await program.patch("/api/daemons/talker", json={"configuration": {"sentence": "New"}})

    answer = await program.patch(
        "/api/daemons/talker", json={"configuration": {"sentence": "Newer"}, "configuration_revision": 1}
    )

    assert answer.status_code == 409
    assert (answer.json()["error"]["expected"], answer.json()["error"]["actual"]) == (1, 2)
    shapes.ProblemAnswer.model_validate(answer.json())


async def test_an_unknown_option_is_refused_naming_it(program: httpx2.AsyncClient) -> None:
    answer = await program.patch("/api/daemons/talker", json={"configuration": {"colour": "red"}})

    assert answer.status_code == 422
    assert "colour" in answer.json()["error"]["message"]


async def test_start_and_stop_are_obeyed(program: httpx2.AsyncClient, service: Service) -> None:
    started = await program.post("/api/daemons/talker/start")
    await until(service, "talker", "running")
    again = await program.post("/api/daemons/talker/start")
    stopped = await program.post("/api/daemons/talker/stop", json={"mode": "now"})
    await until(service, "talker", "stopped")

    assert (started.status_code, started.json()["desired"]) == (202, "on")
    assert again.status_code == 202
    assert (stopped.status_code, stopped.json()["desired"]) == (202, "off")


@pytest.mark.parametrize("command", ["restart", "resume", "wake", "reset", "pause"])
async def test_every_command_answers_with_the_daemon(program: httpx2.AsyncClient, command: str) -> None:
    answer = await program.post(f"/api/daemons/talker/{command}")

    assert answer.status_code == 202
    shapes.DaemonShape.model_validate(answer.json())


@pytest.mark.parametrize("pause", [{"for": 3600}, {"for": "PT1H"}, {"until": "2999-01-01T00:00:00+02:00"}, {}])
async def test_a_pause_has_an_end_and_a_reason(program: httpx2.AsyncClient, pause: dict[str, object]) -> None:
    await program.post("/api/daemons/talker/start")

    answer = (await program.post("/api/daemons/talker/pause", json={**pause, "reason": "Guests"})).json()

    assert (answer["desired"], answer["desired_reason"]) == ("paused", "Guests")
    assert (answer["paused_until"] is None) == (not pause)


@pytest.mark.parametrize(
    "pause",
    [
        {"for": 0},
        {"for": -5},
        {"for": "soon"},
        {"until": "2020-01-01T00:00:00Z"},
        {"until": "2999-01-01T00:00:00"},
        {"for": 60, "until": "2999-01-01T00:00:00Z"},
        {"while": 3},
    ],
)
async def test_an_impossible_pause_is_refused(program: httpx2.AsyncClient, pause: dict[str, object]) -> None:
    assert (await program.post("/api/daemons/talker/pause", json=pause)).status_code == 422


async def test_an_unknown_way_to_stop_is_refused(program: httpx2.AsyncClient) -> None:
    assert (await program.post("/api/daemons/talker/stop", json={"mode": "gently"})).status_code == 422


async def test_a_disabled_daemon_cannot_be_started(program: httpx2.AsyncClient) -> None:
    await program.patch("/api/daemons/talker", json={"enabled": False})

    assert (await program.post("/api/daemons/talker/start")).status_code == 409


async def test_commands_for_all_tell_of_each_enabled_one(program: httpx2.AsyncClient, service: Service) -> None:
    await program.patch("/api/daemons/talker", json={"enabled": False})

    for command in ("start-all", "restart-all", "pause-all", "resume-all", "stop-all"):
        answer = await program.post(f"/api/daemons/{command}")

        assert answer.status_code == 202
        shapes.CommandedPage.model_validate(answer.json())
        enabled = [daemon.name for daemon in service.board.all() if daemon.row.enabled]
        assert [item["name"] for item in answer.json()["items"]] == enabled


async def test_a_secret_is_written_never_shown_and_survives_what_was_shown(
    program: httpx2.AsyncClient, service: Service
) -> None:
    await program.patch("/api/daemons/talker", json={"configuration": {"password": "swordfish"}})

    shown = (await program.get("/api/daemons/talker")).json()["configuration"]
    page = (await program.get("/daemons/talker")).text
    await program.patch("/api/daemons/talker", json={"configuration": {**shown, "sentence": "New"}})

    assert shown["password"] != "swordfish"
    assert "swordfish" not in page
    stored = service.board.get("talker").row.configuration
    assert stored == {"password": "swordfish", "sentence": "New"}


async def test_logs_are_read_forwards_and_backwards(program: httpx2.AsyncClient, service: Service) -> None:
    row = service.board.get("talker").row
    for number in range(5):
        service.journal.log(LogLevel.WARNING if number == 2 else LogLevel.DEBUG, f"line {number}", daemon=row)
    await service.journal.flush()

    async def read(**query: object) -> tuple[list[str], str | None]:
        answer = (await program.get("/api/daemons/talker/logs", params=query)).json()
        shapes.LogPage.model_validate(answer)
        return [item["message"] for item in answer["items"]], answer["next"]

    newest, before = await read(limit=2)
    older, _ = await read(limit=2, before=before)
    first, after = await read(limit=2, after=0)
    second, _ = await read(limit=2, after=after)
    warnings, end = await read(level="warning")

    assert (newest, older) == (["line 3", "line 4"], ["line 1", "line 2"])
    assert (first, second) == (["line 0", "line 1"], ["line 2", "line 3"])
    assert (warnings, end) == (["line 2"], None)


async def test_history_tells_what_was_asked_newest_first(program: httpx2.AsyncClient) -> None:
    await program.post("/api/daemons/talker/start")
    await program.post("/api/daemons/talker/pause", json={"reason": "Guests"})
    await program.post("/api/daemons/talker/stop")

    answer = (await program.get("/api/daemons/talker/history")).json()

    asked = [(item["from"], item["to"]) for item in answer["items"] if item["kind"] == "desired"]
    assert asked == [("paused", "off"), ("on", "paused"), ("off", "on")]
    shapes.HistoryPage.model_validate(answer)


async def test_the_stack_shows_the_line_where_a_daemon_stands(program: httpx2.AsyncClient, service: Service) -> None:
    nowhere = (await program.get("/api/daemons/talker/stack")).json()
    await program.post("/api/daemons/talker/start")
    await until(service, "talker", "running")

    somewhere = (await program.get("/api/daemons/talker/stack")).json()

    assert (nowhere["running"], nowhere["frames"]) == (False, [])
    assert somewhere["running"] is True
    shapes.StackShape.model_validate(somewhere)


async def test_types_come_with_the_schema_of_their_options(program: httpx2.AsyncClient) -> None:
    answer = (await program.get("/api/types")).json()

    talker = next(item for item in answer["items"] if item["name"] == "talker")
    assert talker["options"]["properties"]["sentence"]["description"] == "What it says."
    echo = next(item for item in answer["jobs"] if item["type"] == "echo")
    assert "text" in echo["args"]["properties"]
    shapes.TypePage.model_validate(answer)

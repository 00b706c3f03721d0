"""Calls about records: find, read, write, move; what is refused says why, and of many each for itself."""

from typing import Any

import httpx2
import pytest

from daemons.service import Service
from daemons.states import LogLevel
from daemons.workflows.polling.records import NewRecord
from tests.web.toy_ladder import ASKING, FORCED, FOUND, NEW, TOP, add_toys, held_up, keeper_of


async def call(
    program: httpx2.AsyncClient, method: str, path: str, body: Any = None, *, status: int = 200
) -> dict[str, Any]:
    answer = await program.request(method, f"/api{path}", json=body)
    assert answer.status_code == status, (path, answer.text)
    return dict(answer.json())


async def test_records_are_found_by_what_they_are_and_page_by_page(
    program: httpx2.AsyncClient, service: Service
) -> None:
    await add_toys(service, "harbour", "barn")
    await add_toys(service, "boat", status=ASKING)

    async def codes(query: str) -> list[str]:
        return [one["code"] for one in (await call(program, "GET", f"/records?{query}"))["items"]]

    assert await codes("") == ["TO0003", "TO0002", "TO0001"]
    assert await codes("state=awaiting") == await codes("status=Awaiting%20User%20Input") == ["TO0003"]
    assert await codes("ladder=toys&state=waiting&q=harb") == ["TO0001"]
    assert await codes("code=ERR_NONE") == []
    first = await call(program, "GET", "/records?limit=2")
    rest = await call(program, "GET", f"/records?limit=2&cursor={first['next']}")
    assert ([one["code"] for one in rest["items"]], rest["next"]) == (["TO0001"], None)
    for wrong in ("state=asleep", "ladder=nowhere", "cursor=bm93aGVyZQ==", "colour=red"):
        await call(program, "GET", f"/records?{wrong}", status=422)


async def test_a_record_tells_its_story_by_code_or_id(program: httpx2.AsyncClient, service: Service) -> None:
    [record] = await add_toys(service, "harbour", status=ASKING)

    told = await call(program, "GET", "/records/TO0001")

    assert told["id"] == record.id
    assert (told["state"], told["status"]) == ("awaiting", ASKING)
    assert [(one["by"], one["old"], one["new"]) for one in told["story"]] == [("Ben", NEW, ASKING)]
    await call(program, "GET", "/records/TO0009", status=404)


async def test_what_is_added_twice_is_one_record(program: httpx2.AsyncClient, service: Service) -> None:
    keeper_of(service)
    body = {"ladder": "toys", "source": "/toys/ship.jpg", "title": "Ship", "fields": {"place": "Kiel"}}

    made = await call(program, "POST", "/records", body, status=201)
    again = await call(program, "POST", "/records", {**body, "title": "Other"}, status=200)

    assert (made["code"], made["state"], made["fields"]) == ("TO0001", "waiting", {"place": "Kiel"})
    assert again == made
    for wrong in ({"ladder": "nowhere"}, {"status": "9 - Nowhere"}, {"fields": {"library_path": "/etc/passwd"}}):
        await call(program, "POST", "/records", {**body, "source": "/toys/other.jpg", **wrong}, status=422)


async def test_what_is_written_is_checked_and_resumes_what_waits(program: httpx2.AsyncClient, service: Service) -> None:
    [record] = await add_toys(service, "harbour", status=ASKING)
    path = f"/records/{record.code}"

    wrong = await call(program, "PATCH", path, {"fields": {"year": 1066, "title": "x" * 41}}, status=422)
    foreign = await call(program, "PATCH", path, {"fields": {"sha256": "0" * 64}}, status=422)
    written = await call(program, "PATCH", path, {"fields": {"title": "Harbour", "year": 1907}, "revision": 2})
    stale = await call(program, "PATCH", path, {"fields": {"title": "Port"}, "revision": 2}, status=409)
    removed = await call(program, "PATCH", path, {"fields": {"year": None}})

    assert ("year" in wrong["error"]["message"], "title" in wrong["error"]["message"]) == (True, True)
    assert "keywords" in foreign["error"]["remedy"]
    assert (written["fields"], written["state"]) == ({"title": "Harbour", "year": 1907}, "waiting")
    assert written["provenance"]["title"]["by"]
    assert (stale["error"]["expected"], stale["error"]["actual"]) == (2, 3)
    assert removed["fields"] == {"title": "Harbour"}


async def test_a_record_is_sent_back_and_moved_on(program: httpx2.AsyncClient, service: Service) -> None:
    [record] = await add_toys(service, "harbour")
    path = f"/records/{record.id}"

    skipped = await call(program, "POST", f"{path}/skip")
    asking = await call(program, "POST", f"{path}/move", {"status": ASKING, "note": "Too dark."})
    resumed = await call(program, "POST", f"{path}/resume")
    back = await call(program, "POST", f"{path}/move", {"status": NEW})

    assert [one["status"] for one in (skipped, asking, resumed, back)] == [FOUND, ASKING, FORCED, NEW]
    for command, body, status in (
        ("resume", {}, 409),
        ("retry", {}, 409),
        ("move", {"status": "9 - Nowhere"}, 422),
        ("move", {"status": TOP, "revision": 1}, 409),
    ):
        await call(program, "POST", f"{path}/{command}", body, status=status)
    assert (await call(program, "GET", path))["story"][2]["note"] == "Too dark."


async def test_a_form_is_one_persons_until_it_is_given_back(program: httpx2.AsyncClient, service: Service) -> None:
    [record] = await add_toys(service, "harbour", status=ASKING)
    await keeper_of(service).lock(record.id, who="Ana")

    refused = await call(program, "PATCH", f"/records/{record.id}", {"fields": {"title": "Mine"}}, status=409)
    await keeper_of(service).unlock(record.id, who="Ana")
    mine = await call(program, "POST", f"/records/{record.id}/lock")
    free = await call(program, "POST", f"/records/{record.id}/unlock")

    assert "Ana is writing" in refused["error"]["message"]
    assert (bool(mine["edited_by"]), free["edited_by"]) == (True, None)


async def test_of_many_each_is_answered_for_itself(program: httpx2.AsyncClient, service: Service) -> None:
    waiting = await add_toys(service, "harbour", "barn", status=ASKING)
    [other] = await add_toys(service, "boat")
    ids = [*(record.id for record in waiting), other.code, "no-such-record"]

    acted = await call(program, "POST", "/records/bulk", {"action": "resume", "ids": ids})
    moved = await call(program, "POST", "/records/bulk", {"action": "move", "ids": ids[:3], "status": TOP})

    errors = [one["error"] and one["error"]["code"] for one in acted["items"]]
    assert errors == [None, None, "ERR_RECORD_ELSEWHERE", "ERR_UNKNOWN_RECORD"]
    assert [one["status"] for one in acted["items"]] == [FORCED, FORCED, NEW, None]
    assert {one["status"] for one in moved["items"]} == {TOP}
    for wrong in ({"action": "move", "ids": ids}, {"action": "retry", "ids": []}, {"action": "burn", "ids": ids}):
        await call(program, "POST", "/records/bulk", wrong, status=422)
    nowhere = await call(program, "POST", "/records/bulk", {"action": "move", "ids": ids[:1], "status": "9"})
    assert nowhere["items"][0]["error"]["code"] == "ERR_UNKNOWN_STATUS"


async def test_a_ladder_tells_its_steps_its_board_and_its_form(program: httpx2.AsyncClient, service: Service) -> None:
    await add_toys(service, "harbour", "barn", status=ASKING)
    await add_toys(service, "boat")

    [ladder] = [one for one in (await call(program, "GET", "/ladders"))["items"] if one["name"] == "toys"]
    columns = (await call(program, "GET", "/ladders/toys/board"))["columns"]
    figures = (await call(program, "GET", "/ladders/toys/figures?hours=1"))["items"]

    assert [step["name"] for step in ladder["steps"]] == [one["step"] for one in figures] == ["find", "resume", "judge"]
    assert list(ladder["form"]["properties"]) == ["title", "year", "keywords"]
    assert ladder == await call(program, "GET", "/ladders/toys")
    assert {one["status"]: one["total"] for one in columns} == {NEW: 1, FOUND: 0, ASKING: 2, FORCED: 0, TOP: 0}
    assert [one["status"] for one in columns if one["is_awaiting"]] == [ASKING]
    assert columns[0]["left_last_hour"] == 2
    news = await call(program, "GET", "/ladders/toys/news?after=0")
    assert not news["is_settled"] and news["last"] == (news["tries"] or [{"number": 0}])[-1]["number"]
    for path in ("", "/board", "/figures", "/news"):
        await call(program, "GET", f"/ladders/nowhere{path}", status=404)


async def test_a_picture_is_what_was_kept_or_an_empty_frame(program: httpx2.AsyncClient, service: Service) -> None:
    [record] = await add_toys(service, "harbour")
    path = f"/api/records/{record.id}/thumbnail"
    webp, sha256 = b"RIFF" + (4).to_bytes(4, "little") + b"WEBP", "a" * 64

    none = await program.get(path)
    frame = await program.get(path, headers={"Accept": "image/webp,image/*"})
    keeper = keeper_of(service)
    await keeper.pictures.keep(sha256, webp)
    await keeper.edit(record.id, {"thumbnail": sha256}, who="Ben")
    found = await program.get(path)
    same = await program.get(path, headers={"If-None-Match": found.headers["etag"]})

    assert (none.status_code, frame.status_code) == (404, 200)
    assert frame.headers["content-type"] == "image/svg+xml"
    assert (found.content, found.headers["content-type"]) == (webp, "image/webp")
    assert "sandbox" in found.headers["content-security-policy"]
    assert same.status_code == 304


@pytest.mark.parametrize("path", ["", "/bulk", "/{id}/move", "/{id}/skip", "/{id}/lock"])
async def test_who_may_only_look_changes_nothing(onlooker: httpx2.AsyncClient, service: Service, path: str) -> None:
    [record] = await add_toys(service, "harbour")

    refused = await onlooker.post(f"/api/records{path.format(id=record.id)}", json={})

    assert refused.status_code == 403
    assert await keeper_of(service).get(record.id) == record


async def test_how_many_wait_is_known_at_once(program: httpx2.AsyncClient, service: Service) -> None:
    keeper = keeper_of(service)
    waiting = await add_toys(service, "harbour", "barn", status=ASKING)
    assert len(keeper.awaiting) == 2

    await keeper.force_resume(waiting[0].id, who="Ben")

    assert len(keeper.awaiting) == 1


async def test_a_records_log_is_its_own_whatever_its_code_looks_like(
    program: httpx2.AsyncClient, service: Service
) -> None:
    records = await add_toys(service, *(str(number) for number in range(10)))
    keeper = keeper_of(service)
    codes = ("TO%", "TO000_", "%")
    odd = await keeper.add([NewRecord("toys", NEW, f"/toys/odd/{code}", code=code) for code in codes], by="x")
    for record in (*records, *odd):
        service.journal.log(LogLevel.INFO, f"{record.code}: seen beside TO0001:", job_id="j", item_id=record.id)
    service.journal.log(LogLevel.INFO, "TO0001: said by nobody's step", job_id="j")
    service.journal.log(LogLevel.ERROR, "TO0001: fell", job_id="j", item_id=records[0].id)
    await service.journal.flush()

    async def said(path: str) -> list[str]:
        return [line["message"] for line in (await call(program, "GET", f"/records/{path}"))["items"]]

    assert await said("TO0001/logs") == ["TO0001: seen beside TO0001:", "TO0001: fell"]
    assert await said("TO0010/logs") == ["TO0010: seen beside TO0001:"]
    assert await said("TO000_/logs") == ["TO000_: seen beside TO0001:"]
    for one in odd:
        assert await said(f"{one.id}/logs") == [f"{one.code}: seen beside TO0001:"]
    assert await said("TO0001/logs?level=error") == ["TO0001: fell"]
    assert await said("TO0001/logs?q=BESIDE&limit=1") == ["TO0001: seen beside TO0001:"]
    text = await program.get(f"/api/records/{odd[0].id}/logs/download")
    assert text.headers["content-disposition"] == f'attachment; filename="record-{odd[0].id}.log"'
    assert text.text.endswith(" info     TO%: seen beside TO0001:\n")
    for path in ("TO0099/logs", "TO00__/logs", "TO0099/logs/download"):
        await call(program, "GET", f"/records/{path}", status=404)
    await call(program, "GET", "/records/TO0001/logs?after=1&before=2", status=422)


async def test_a_clip_says_what_it_waits_for(program: httpx2.AsyncClient, service: Service) -> None:
    _, frames = await held_up(service)

    told = await call(program, "GET", "/records/FT0001")
    listed = await call(program, "GET", "/records?ladder=footage")
    [frame] = (await call(program, "GET", "/records?q=FR0001"))["items"]

    said = (
        "Waits for 3 of 4 frames: FR0002 is parked (ERR_BAD: No <b> picture), "
        "FR0003 stands at 4 - Audio Transcribed, from where no step leads on."
    )
    assert (told["state"], told["waiting_reason"]) == ("resting", said)
    assert [one["waiting_reason"] for one in listed["items"]] == [said]
    assert {name: told["waits_for"][name] for name in ("total", "open", "parked", "stuck", "noun")} == {
        "total": 4, "open": 3, "parked": 1, "stuck": 2, "noun": "frames",
    }  # fmt: skip
    assert [one["id"] for one in told["waits_for"]["named"]] == [frames[1].id, frames[2].id]
    assert frame["waiting_reason"] is None
    assert (await call(program, "GET", "/records/FR0001"))["waits_for"] is None
    assert (await call(program, "POST", "/records/FT0001/lock"))["waiting_reason"] == said

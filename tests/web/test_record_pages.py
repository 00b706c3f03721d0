"""Pages of records: board, table, form; what is typed is kept, and whoever may only look sees no buttons."""

import re
from functools import partial

import httpx2
from sqlalchemy import delete, update

from daemons.database.transaction import Transaction
from daemons.service import Service
from daemons.states import LogLevel
from daemons.workflows.polling.keeper.rows import RECORDS
from tests.web.toy_ladder import ASKING, FORCED, FOUND, NEW, TOP, add_toys, held_up, keeper_of

EVIL = "<script>alert(1)</script>"


async def test_the_board_shows_who_waits_for_a_person_first(browser: httpx2.AsyncClient, service: Service) -> None:
    await add_toys(service, "harbour")
    await add_toys(service, EVIL, status=ASKING)
    await add_toys(service, "told", status=TOP)

    board = (await browser.get("/records?ladder=toys")).text
    whole = (await browser.get("/records?ladder=toys&complete=true")).text

    columns = re.findall(r'<h2 id="column-\d+">(.*?) <b', board)
    assert columns == [ASKING, NEW, FOUND, FORCED, TOP]
    assert ("TO0003" in board, "TO0003" in whole) == (False, True)
    assert "Force resume all" in board
    assert EVIL not in board
    assert 'data-signal="inbox">1<' in board


async def test_an_empty_ladder_says_what_a_record_is_and_where_one_comes_from(
    browser: httpx2.AsyncClient, service: Service
) -> None:
    stills = (await browser.get("/records?ladder=stills")).text
    toys = (await browser.get("/records?ladder=toys")).text
    await add_toys(service, "harbour")

    assert "There are no records here yet" in stills
    assert "daemondeck autolog stills --drop DIR" in stills and 'href="/daemons/stills/settings"' in stills
    assert "daemondeck records add toys SOURCE" in toys and "drop folder" not in toys
    assert 'href="/records/import?ladder=toys"' in toys
    assert "There are no records here yet" not in (await browser.get("/records?ladder=toys")).text


async def test_the_table_is_filtered_and_keeps_what_was_asked(browser: httpx2.AsyncClient, service: Service) -> None:
    await add_toys(service, "harbour", "barn")
    await add_toys(service, "boat", status=ASKING)

    asked = (await browser.get("/records/table?ladder=toys&state=awaiting&status=&q=&limit=1")).text
    first = (await browser.get("/records/table?limit=2")).text

    assert [f"TO000{n}</a>" in asked for n in (1, 2, 3)] == [False, False, True]
    assert '<option value="awaiting" selected>' in asked
    assert "Next page" in first
    assert "No record is like that" in (await browser.get("/records/table?q=nothing")).text
    assert (await browser.get("/records?ladder=nowhere")).status_code == 422


async def test_an_answer_leads_to_the_next_that_waits(browser: httpx2.AsyncClient, service: Service) -> None:
    first, second = await add_toys(service, "harbour", "barn", status=ASKING)
    form = f"/records/{first.id}/form"
    page = (await browser.get(form)).text
    typed = {"revision": "2", "field.title": "Harbour", "field.year": "1907", "field.keywords": "ice\r\nboats"}

    saved = await browser.post(form, data={**typed, "next": "true"})
    last = await browser.post(f"/records/{second.id}/form", data={"revision": "2", "field.title": "x", "next": "true"})

    assert 'name="field.year"' in page
    assert saved.headers["location"] == f"/records/{second.id}/form"
    assert last.headers["location"] == "/records?ladder=toys"
    now = await keeper_of(service).get(first.id)
    assert now.fields == {"title": "Harbour", "year": 1907, "keywords": ["ice", "boats"]}
    assert now.due_at is not None


async def test_what_is_refused_comes_back_as_it_was_typed(browser: httpx2.AsyncClient, service: Service) -> None:
    [record] = await add_toys(service, "harbour", status=ASKING)
    form, keeper = f"/records/{record.id}/form", keeper_of(service)

    wrong = await browser.post(form, data={"revision": "2", "field.title": "Mine", "field.year": "1066"})
    await keeper.edit(record.id, {"title": "Theirs"}, who="Ana")
    stale = await browser.post(form, data={"revision": "2", "field.title": "Mine"})
    await keeper.lock(record.id, who="Ana")
    locked = await browser.post(form, data={"revision": "4", "field.title": "Mine"})

    assert [answer.status_code for answer in (wrong, stale, locked)] == [422, 409, 409]
    assert all('value="Mine"' in answer.text for answer in (wrong, stale, locked))
    assert 'aria-invalid="true"' in wrong.text
    assert "<dd>Theirs</dd>" in stale.text
    assert 'name="revision" value="3"' in stale.text
    assert "Ana is writing into" in locked.text
    assert "Ana is editing" in (await browser.get(f"/records/{record.id}")).text


async def test_a_record_is_moved_by_its_buttons(browser: httpx2.AsyncClient, service: Service) -> None:
    [record] = await add_toys(service, "harbour")
    path = f"/records/{record.id}"

    statuses = []
    for command, form in (
        ("skip", {}),
        ("move", {"status": ASKING, "note": EVIL}),
        ("resume", {}),
        ("skip", {}),
    ):
        answer = await browser.post(f"{path}/{command}", data=form)
        assert (answer.status_code, answer.headers["location"]) == (303, path)
        statuses.append((await keeper_of(service).get(record.id)).status)
    page = (await browser.get(path)).text

    assert statuses == [FOUND, ASKING, FORCED, TOP]
    assert "&lt;script&gt;alert(1)" in page
    assert EVIL not in page
    assert (await browser.post(f"{path}/retry")).status_code == 409
    assert (await browser.post(f"{path}/move", data={"status": "9"})).status_code == 422


async def test_many_are_asked_about_before_anything_is_done(browser: httpx2.AsyncClient, service: Service) -> None:
    waiting = await add_toys(service, "harbour", "barn", status=ASKING)
    matching = {"ladder": "toys", "state": "awaiting", "command": "resume matching"}

    asked = await browser.post("/records/bulk", data=matching)
    later = (await add_toys(service, "boat", status=ASKING))[0]
    ids = re.findall(r'name="id" value="([^"]+)"', asked.text)
    done = await browser.post("/records/bulk", data={"command": "resume", "confirmed": "true", "id": [*ids, "gone"]})

    assert sorted(ids) == sorted(record.id for record in waiting)
    assert "2 done." in done.text
    assert "ERR_UNKNOWN_RECORD" in done.text
    assert [(await keeper_of(service).get(one.id)).status for one in (*waiting, later)] == [FORCED, FORCED, ASKING]
    for wrong in ({"command": "resume"}, {"command": "burn", "id": ids}, {"command": "move", "id": ids}, {"x": "1"}):
        assert (await browser.post("/records/bulk", data=wrong)).status_code == 422


async def test_who_may_only_look_sees_no_buttons(onlooker: httpx2.AsyncClient, service: Service) -> None:
    [record] = await add_toys(service, "harbour", status=ASKING)

    pages = [
        (await onlooker.get(path)).text
        for path in ("/records?ladder=toys", "/records/table", f"/records/{record.id}", f"/records/{record.id}/form")
    ]

    assert not [page for page in pages if "Force resume" in page or "<button>Save" in page]
    assert (await onlooker.post(f"/records/{record.id}/form", data={"field.title": "x"})).status_code == 403


async def test_figures_are_told(browser: httpx2.AsyncClient) -> None:
    assert "Judge it" in (await browser.get("/records/figures?ladder=toys")).text


async def test_a_records_page_shows_its_newest_lines_and_leads_to_the_others(
    browser: httpx2.AsyncClient, service: Service
) -> None:
    one, other = await add_toys(service, "harbour", "barn")
    for number in range(150):
        service.journal.log(LogLevel.INFO, f"TO0001: {EVIL} {number:03}", job_id="j", item_id=one.id)
    service.journal.log(LogLevel.WARNING, "TO0002: beside it", job_id="j", item_id=other.id)
    await service.journal.flush()

    page = (await browser.get("/records/TO0001")).text
    older = re.search(r'rel="prev" href="(/records/[^"#]+)', page)
    nothing = (await browser.get("/records/TO0001?level=warning")).text

    assert page.count('<li id="l-') == 101  # and the one that scripts copy
    assert EVIL not in page
    assert [f"{number}</span>" in page for number in ("149", "050", "049")] == [True, True, False]
    assert "beside it" not in page
    assert f'data-item="{one.id}"' in page
    assert f'href="/api/records/{one.id}/logs/download?" download' in page
    assert older is not None
    before = (await browser.get(older[1].replace("&amp;", "&"))).text
    assert ("049</span>" in before, "050</span>" in before, "data-item" in before) == (True, False, False)
    assert "No line is like that" in nothing
    for wrong in ("before=x", "level=loud", "colour=red"):
        assert (await browser.get(f"/records/TO0001?{wrong}")).status_code == 422


async def test_a_clip_says_which_frames_it_waits_for_on_its_page_and_on_the_board(
    browser: httpx2.AsyncClient, service: Service
) -> None:
    clip, frames = await held_up(service)

    pages = {path: (await browser.get(path)).text for path in ("/records/FT0001", "/records?ladder=footage")}
    table = (await browser.get("/records/table?ladder=footage")).text
    frame = (await browser.get(f"/records/{frames[1].id}")).text

    for text in (*pages.values(), table):
        said = " ".join(re.sub("<[^>]+>", "", text.split('<p class="waits">')[1].split("</p>")[0]).split())
        assert said == (
            "Waits for 3 of 4 frames: FR0002 is parked (ERR_BAD No &lt;b&gt; picture), "
            "FR0003 stands where no step begins: 4 - Audio Transcribed"
        )
        assert f'href="/records/{frames[1].id}"' in text
    assert "Retry what is parked below it" in pages["/records/FT0001"]
    assert f'href="/records/{clip.id}"' in frame

    asked = await browser.post(
        "/records/bulk", data={"parent": clip.id, "state": "parked", "command": "retry matching"}
    )
    assert "FR0002" in asked.text and "FR0003" not in asked.text
    await browser.post("/records/bulk", data={"id": frames[1].id, "command": "retry", "confirmed": "true"})
    after = (await browser.get("/records/FT0001")).text
    assert "FR0002 is parked" not in re.sub("<[^>]+>", "", after)
    assert "Retry what is parked" not in after


async def test_a_frame_whose_clip_is_gone_still_has_its_page(browser: httpx2.AsyncClient, service: Service) -> None:
    clip, frames = await held_up(service)
    await service.database.write(lambda tx: tx.execute(delete(RECORDS).where(RECORDS.c.id == clip.id)))

    page = await browser.get(f"/records/{frames[0].id}")

    assert page.status_code == 200
    assert "FT0001" not in page.text


async def test_what_no_try_can_mend_counts_no_tries(browser: httpx2.AsyncClient, service: Service) -> None:
    [record] = await add_toys(service, "harbour")
    keeper = keeper_of(service)
    pages = []
    for attempts in (1, 5):
        parked = {"attempts": attempts, "parked_at": keeper.clock.now(), "due_at": None}
        put = update(RECORDS).where(RECORDS.c.id == record.id).values(**parked)
        await service.database.write(partial(Transaction.execute, statement=put))
        pages.append((await browser.get(f"/records/{record.id}")).text)

    assert ["which another try cannot mend" in page for page in pages] == [True, False]
    assert ["tries failed" in page for page in pages] == [False, True]


async def test_facts_are_told_by_the_step_that_found_them_out(browser: httpx2.AsyncClient, service: Service) -> None:
    [record] = await add_toys(service, "harbour")
    facts = {
        "fields": {"copied_at": "2021-05-03T14:03:22"},
        "provenance": {"copied_at": {"by": "find", "at": "2026-01-01T00:00:00Z"}},
    }
    put = update(RECORDS).where(RECORDS.c.id == record.id).values(**facts)
    await service.database.write(partial(Transaction.execute, statement=put))

    for page in (f"/records/{record.id}", f"/records/{record.id}/form"):
        text = (await browser.get(page)).text
        assert '<h3 class="by">Find it ' in text
        assert "<dt>Copied at</dt>" in text
        assert '<time datetime="2021-05-03T14:03:22" data-as="dated">2021-05-03 14:03:22</time>' in text

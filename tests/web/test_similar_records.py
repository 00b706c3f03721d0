"""More like this: by call and on pages, and what a record says that has nothing to be compared by."""

import struct

import httpx2
from sqlalchemy import insert, update

from daemons.database.transaction import Transaction
from daemons.service import Service
from daemons.workflows.polling.hashing import SPACE, hashed
from daemons.workflows.polling.keeper.rows import RECORDS
from daemons.workflows.polling.records import NewRecord, Record
from daemons.workflows.polling.tables import RecordVectorTable
from tests.web.toy_ladder import add_toys, keeper_of

EVIL = "<script>alert(1)</script> boats \u202e in the harbour"


async def add_compared(service: Service, *texts: str) -> list[Record]:
    """Have a toy of each text, with the vector that its words have."""
    made = await add_toys(service, *texts)

    def unit(tx: Transaction) -> None:
        for record, text in zip(made, texts, strict=True):
            packed = struct.pack("<512f", *hashed(text))
            values = {"record": record.number, "space": SPACE, "vector": packed, "made_at": tx.now}
            tx.execute(insert(RecordVectorTable).values(values))
            fields = {"embedding": SPACE, "thumbnail": f"{record.number:064x}"}
            tx.execute(update(RECORDS).where(RECORDS.c.id == record.id).values(fields=fields))

    await service.database.write(unit)
    return made


async def test_what_is_like_a_record_comes_first_page_by_page(program: httpx2.AsyncClient, service: Service) -> None:
    await add_compared(service, "boats in the harbour", "a red hat", "two boats in the harbour", "Boats in the harbour")

    whole = (await program.get("/api/records/TO0001/similar")).json()
    first = (await program.get("/api/records/TO0001/similar?limit=1")).json()
    rest = (await program.get(f"/api/records/TO0001/similar?limit=1&cursor={first['next']}")).json()

    assert [one["code"] for one in whole["items"]] == ["TO0004", "TO0003"]
    assert (whole["items"][0]["score"], whole["items"][0]["state"], whole["next"]) == (1, "waiting", None)
    assert 0.5 < whole["items"][1]["score"] < 1
    assert [one["code"] for one in first["items"] + rest["items"]] == ["TO0004", "TO0003"]
    for wrong in ("limit=0", "limit=101", "limit=x", "cursor=bm93aGVyZQ==", "cursor=x", "colour=red"):
        assert (await program.get(f"/api/records/TO0001/similar?{wrong}")).status_code == 422, wrong
    for unknown in ("TO0099", "%00", "..%2f..", "x" * 5000):
        assert (await program.get(f"/api/records/{unknown}/similar")).status_code == 404, unknown


async def test_a_record_without_a_vector_says_when_it_will_have_one(
    program: httpx2.AsyncClient, service: Service
) -> None:
    await add_toys(service, "harbour")
    keeper = keeper_of(service)
    new = NewRecord("stills", "3 - Metadata Parsed", "/photos/harbour.jpg")
    [still] = await keeper.add([new], by="drop folder")

    async def refused(code: str) -> dict[str, str]:
        answer = await program.get(f"/api/records/{code}/similar")
        assert answer.status_code == 409
        return dict(answer.json()["error"])

    none, later = await refused("TO0001"), await refused(still.code)
    await keeper.move(still.id, "Awaiting User Input", who="Ben")
    waits = await refused(still.code)

    assert none["code"] == later["code"] == waits["code"] == "ERR_NO_VECTOR"
    assert "the ladder toys makes none" in none["message"]
    assert "gets one by the step “Make it comparable”, and stands at 3 - Metadata Parsed" in later["message"]
    assert "as soon as that is done" in later["remedy"]
    assert "waits for a person" in waits["remedy"]


async def test_pages_show_what_is_alike_in_percent(browser: httpx2.AsyncClient, service: Service) -> None:
    record, *_ = await add_compared(service, "boats in the harbour", EVIL, "a red hat")
    path = f"/records/{record.id}"

    own, page = (await browser.get(path)).text, (await browser.get(f"{path}/similar?limit=8")).text

    assert f'data-likes="{path}/similar?limit=8"' in own
    assert f'<a href="{path}/similar">Show what is like it</a>' in own
    assert "% alike</b>" in page
    assert "TO0002" in page and "TO0003" not in page and EVIL not in page
    assert "/thumbnail" in page and "Next page" not in page
    assert (await browser.get(f"{path}/similar?limit=0")).status_code == 422
    assert (await browser.get("/records/nobody/similar")).status_code == 404


async def test_pages_say_why_nothing_is_alike(onlooker: httpx2.AsyncClient, service: Service) -> None:
    [alone] = await add_compared(service, "a red hat")
    [toy] = await add_toys(service, "boat")
    [still] = await keeper_of(service).add([NewRecord("stills", "3 - Metadata Parsed", "/a.jpg")], by="drop folder")

    pages = [(await onlooker.get(f"/records/{one.id}/similar")).text for one in (alone, toy, still)]

    assert "No other record is like it so far." in pages[0]
    assert all("ERR_NO_VECTOR" in page for page in pages[1:])
    assert "More like this" not in (await onlooker.get(f"/records/{toy.id}")).text
    assert "has no vector yet" in (await onlooker.get(f"/records/{still.id}")).text

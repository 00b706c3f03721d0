"""More like this: which records are like one, by what is stored of them."""

import asyncio
import struct
from collections.abc import Sequence
from typing import Any

import pytest
from sqlalchemy import delete, insert, update

from daemons.clock import Clock
from daemons.database import Database
from daemons.database.transaction import Transaction
from daemons.errors import Invalid
from daemons.workflows.polling.hashing import SPACE, hashed
from daemons.workflows.polling.keeper.likeness import (
    FRESH_SECONDS,
    NothingToCompare,
    SimilarRecords,
    nothing_to_compare,
)
from daemons.workflows.polling.keeper.rows import RECORDS, UnknownRecord
from daemons.workflows.polling.keeper.vectors import BLOCK, MILLION, Vectors
from daemons.workflows.polling.ladders import LADDERS
from daemons.workflows.polling.tables import RecordVectorTable
from tests.fake_clock import FakeClock
from tests.workflows.polling.step_context import record

TEXTS = {
    1: "Fishing boats in Whitby harbour at dusk",
    2: "Boats in Whitby harbour",
    3: "Whitby harbour, fishing boats at dusk",
    4: "Portrait of a woman with a red hat",
    5: "Boats in Whitby harbour",
}


def packed(vector: Sequence[float]) -> bytes:
    return struct.pack(f"<{len(vector)}f", *vector)


def id_of(number: int) -> str:
    return f"0197f0aa-0000-7000-8000-{number:012}"


def add(tx: Transaction, vectors: dict[int, bytes], space: str = SPACE, ladder: str = "stills") -> None:
    """Store records with these vectors, by number."""
    for number, vector in vectors.items():
        row: dict[str, Any] = {"number": number, "id": id_of(number), "ladder": ladder, "code": f"ST{number:04}"}
        row |= {
            "title": "",
            "digest": f"{number}",
            "source": f"/{number}.jpg",
            "status": "0",
            "provenance": {},
            "revision": 1,
        }
        row |= {"fields": {"embedding": space}, "status_at": tx.now, "created_at": tx.now, "updated_at": tx.now}
        tx.execute(insert(RECORDS).values(row))
        tx.execute(insert(RecordVectorTable).values(record=number, space=space, vector=vector, made_at=tx.now))


async def stored(database: Database, texts: dict[int, str]) -> None:
    await database.write(lambda tx: add(tx, {number: packed(hashed(text)) for number, text in texts.items()}))


async def numbers(similar: SimilarRecords, number: int = 1, **more: Any) -> list[int]:
    return [one.record.number for one in (await similar.like(id_of(number), **more)).items]


async def test_records_of_the_same_words_come_first_and_others_not_at_all(database: Database, clock: Clock) -> None:
    await stored(database, TEXTS)
    similar = SimilarRecords(database, clock, LADDERS)

    page = await similar.like(id_of(2))

    assert page.items[0].record.number == 5 and {one.record.number for one in page.items} == {1, 3, 5}
    assert page.items[0].score == 1 and 0.3 < page.items[1].score < 1 and page.next is None
    assert page.items[0].as_dict()["code"] == "ST0005" and page.items[0].as_dict()["score"] == 1


@pytest.mark.databases("sqlite")
async def test_a_page_goes_on_where_the_last_one_ended(database: Database, clock: Clock) -> None:
    await stored(database, {number: "Boats" if number % 3 else "Boats and nets" for number in range(1, 41)})
    similar = SimilarRecords(database, clock, LADDERS)
    seen: list[int] = []
    after = None

    while True:
        page = await similar.like(id_of(1), after=after, limit=7)
        seen += [one.record.number for one in page.items]
        if page.next is None:
            break
        score, number = page.next.split(".")
        after = (int(score), int(number))

    same, other = ([n for n in range(40, 1, -1) if bool(n % 3) is kind] for kind in (True, False))
    assert seen == same + other


@pytest.mark.databases("sqlite")
async def test_only_records_that_meet_the_conditions_are_shown(database: Database, clock: Clock) -> None:
    await stored(database, dict.fromkeys(range(1, 10), "Boats"))
    similar = SimilarRecords(database, clock, LADDERS)

    assert await numbers(similar, conditions=[RECORDS.c.number % 4 == 0]) == [8, 4]


async def test_what_changes_is_seen_soon(database: Database, clock: FakeClock) -> None:
    await stored(database, {1: "Boats", 2: "Nets"})
    similar = SimilarRecords(database, clock, LADDERS)
    assert await numbers(similar) == []

    await clock.advance(FRESH_SECONDS)
    await stored(database, {3: "Boats"})
    assert await numbers(similar) == [3]

    await clock.advance(FRESH_SECONDS)
    boats = {"vector": packed(hashed("Boats"))}
    await database.write(
        lambda tx: tx.execute(
            update(RecordVectorTable).where(RecordVectorTable.record == 2).values(made_at=tx.now, **boats)
        )
    )
    assert await numbers(similar) == [3, 2]

    await clock.advance(FRESH_SECONDS)
    await database.write(lambda tx: tx.execute(delete(RecordVectorTable).where(RecordVectorTable.record == 3)))
    assert await numbers(similar) == [2]


@pytest.mark.databases("sqlite")
async def test_nobody_looks_for_what_is_new_all_the_time(database: Database, clock: FakeClock) -> None:
    await stored(database, {1: "Boats"})
    similar = SimilarRecords(database, clock, LADDERS)
    assert await numbers(similar) == []

    await stored(database, {2: "Boats"})
    assert await numbers(similar) == []
    await clock.advance(FRESH_SECONDS)
    assert await numbers(similar) == [2]


@pytest.mark.databases("sqlite")
async def test_spaces_are_not_mixed_and_odd_vectors_are_compared_with_none(database: Database, clock: Clock) -> None:
    def unit(tx: Transaction) -> None:
        add(tx, {1: packed([1.0, 0.0]), 2: packed([1.0, 0.1]), 3: packed([1.0, 0.0, 0.0]), 4: b"xyz", 5: b""}, "a")
        add(tx, {6: packed([float("nan"), 1.0]), 7: packed([0.0, 0.0]), 8: packed([-1.0, 0.0])}, "a")
        add(tx, {9: packed([1.0, 0.0])}, "b")

    await database.write(unit)
    similar = SimilarRecords(database, clock, LADDERS)

    assert await numbers(similar, 1) == [2]
    assert await numbers(similar, 9) == []
    assert await numbers(similar, 1) == [2]
    with pytest.raises(NothingToCompare):
        await similar.like(id_of(5))


@pytest.mark.databases("sqlite")
async def test_a_record_that_cannot_be_compared_says_so(database: Database, clock: Clock) -> None:
    await stored(database, {1: "Boats", 2: "Boats"})
    similar = SimilarRecords(database, clock, LADDERS)

    def unit(tx: Transaction) -> None:
        tx.execute(delete(RecordVectorTable).where(RecordVectorTable.record == 1))
        tx.execute(update(RECORDS).where(RECORDS.c.number == 2).values(fields={}))

    await database.write(unit)

    for number in (1, 2):
        with pytest.raises(NothingToCompare):
            await similar.like(id_of(number))
    with pytest.raises(UnknownRecord):
        await similar.like("nobody")
    with pytest.raises(Invalid):
        await similar.like(id_of(1), limit=0)


@pytest.mark.databases("sqlite")
async def test_many_may_ask_at_once(database: Database, clock: Clock) -> None:
    await stored(database, dict.fromkeys(range(1, 30), "Boats"))
    similar = SimilarRecords(database, clock, LADDERS)

    found = await asyncio.gather(*(numbers(similar, number) for number in range(1, 30)))

    assert [len(one) for one in found] == [24] * 29


def test_the_cosine_is_near_the_true_one_over_many_blocks() -> None:
    vectors, count = Vectors(3), 3 * BLOCK + 5
    true = {number: (1.0, number / count, 0.5) for number in range(1, count + 1)}
    rows = [(number, packed(vector)) for number, vector in true.items()]
    for at in range(0, count, 700):
        vectors.put(rows[at : at + 700])
    vectors.put(rows[:10])

    found = vectors.nearest(packed((1.0, 0.0, 0.5)), count, but=7)

    assert len(vectors) == count and len(found) == count - 1
    for score, number in found[:: count // 50]:
        a, b, c = true[number]
        cosine = (a + 0.5 * c) / (1.25 * (a * a + b * b + c * c)) ** 0.5
        assert score / MILLION == pytest.approx(cosine, abs=0.01)
    assert found == sorted(found, key=lambda one: (-one[0], -one[1]))
    assert vectors.nearest(packed((1.0, 0.0, 0.5)), 5, but=7) == found[:5]


def test_a_vector_that_became_odd_is_compared_no_more() -> None:
    vectors = Vectors(2)
    vectors.put([(1, packed((1.0, 0.0))), (2, packed((1.0, 0.0)))])
    vectors.put([(1, b"odd")])
    assert vectors.nearest(packed((1.0, 0.0)), 9, but=0) == [(MILLION, 2)] and len(vectors) == 3

    vectors.put([(1, packed((2.0, 0.0)))])
    assert [number for _, number in vectors.nearest(packed((1.0, 0.0)), 9, but=0)] == [2, 1]


def test_whoever_has_nothing_to_compare_is_told_what_to_do() -> None:
    still = record(b"/a.jpg", "6 - Generating Embeddings")

    told = {
        "ladder": nothing_to_compare(still._replace(ladder="frames"), LADDERS["frames"]),
        "words": nothing_to_compare(still._replace(fields={"embedding_dimensions": 0}), LADDERS["stills"]),
        "complete": nothing_to_compare(still._replace(is_complete=True), LADDERS["stills"]),
        "parked": nothing_to_compare(still._replace(parked_at=still.created_at), LADDERS["stills"]),
        "gone": nothing_to_compare(still, None),
    }

    assert "the ladder frames makes none" in told["ladder"].message
    assert "no words" in told["words"].message and "Write what is seen" in str(told["words"].remedy)
    assert "though it is complete" in told["complete"].message and "described again" in str(told["complete"].remedy)
    assert "It is parked" in str(told["parked"].remedy)
    assert {error.error_code for error in told.values()} == {"ERR_NO_VECTOR"}

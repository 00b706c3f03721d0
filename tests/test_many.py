"""One statement for many rows stores what Core would have stored, on either database."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from sqlalchemy import bindparam, insert, literal_column, select, update

from daemons.database import Database
from daemons.models import LogTable
from daemons.workflows.polling.keeper.rows import RECORDS

AT = datetime(2026, 3, 29, 2, 30, tzinfo=timezone(timedelta(hours=2)))
ROWS: list[dict[str, Any]] = [
    {"fields": {"größe": [1, 2.5, None], "a'b": "x\ny"}, "error": None, "due_at": None, "title": "%s ? :a"},
    {"fields": {}, "error": {"code": "ERR_X"}, "due_at": AT, "title": "𝄞"},
]
_insert_kept = insert(RECORDS)
_move_kept = (
    update(RECORDS)
    .where(RECORDS.c.id == bindparam("b_id"))
    .values(title=bindparam("b_title"), due_at=bindparam("b_due", type_=RECORDS.c.due_at.type), revision=7)
)
_ask_kept = (
    update(RECORDS)
    .where(RECORDS.c.id == bindparam("b_id"))
    .values(title=literal_column("'?'"), error=bindparam("b_error", type_=RECORDS.c.error.type))
)


def rows(count: int = len(ROWS)) -> list[dict[str, Any]]:
    same = {"ladder": "l", "source": "s", "status": "new", "provenance": {}, "revision": 1}
    same |= {"status_at": AT, "created_at": AT, "updated_at": AT}
    own = [{"id": f"{at:03}", "code": str(at), "digest": str(at)} for at in range(count)]
    return [same | ROWS[at % len(ROWS)] | names for at, names in enumerate(own)]


async def stored(database: Database) -> list[Any]:
    columns = [RECORDS.c[name] for name in ("title", "fields", "error", "due_at", "revision")]
    return [tuple(row) for row in await database.fetch(select(*columns).order_by(RECORDS.c.id))]


@pytest.mark.parametrize("count", [2, 3, 7, 8, 119, 511])
async def test_rows_are_stored_as_core_stores_them(database: Database, count: int) -> None:
    await database.write(lambda tx: tx.execute(insert(RECORDS), rows(count)))
    wanted = await stored(database)
    await database.write(lambda tx: tx.execute(RECORDS.delete()))

    await database.write(lambda tx: tx.execute_many(_insert_kept, rows(count)))

    assert await stored(database) == wanted
    assert wanted[1][3] == AT.astimezone(UTC)


@pytest.mark.parametrize("count", [2, 3, 7, 8, 119, 511])
async def test_each_row_is_changed_as_it_says_and_no_other(database: Database, count: int) -> None:
    await database.write(lambda tx: tx.execute_many(_insert_kept, rows(count + 1)))
    changes = [{"b_id": f"{at:03}", "b_title": f"new {at}", "b_due": AT if at % 3 else None} for at in range(count)]

    await database.write(lambda tx: tx.execute_many(_move_kept, changes))

    *changed, last = await stored(database)
    assert [(row[0], row[3]) for row in changed] == [(change["b_title"], change["b_due"]) for change in changes]
    assert {row[4] for row in changed} == {7}
    assert (last[0], last[4]) == (ROWS[count % 2]["title"], 1)


async def test_a_question_mark_of_the_statement_itself_is_no_place_for_a_value(database: Database) -> None:
    await database.write(lambda tx: tx.execute_many(_insert_kept, rows(20)))
    changes = [{"b_id": f"{at:03}", "b_error": {"code": str(at)}} for at in range(20)]

    await database.write(lambda tx: tx.execute_many(_ask_kept, changes))

    assert {row[0] for row in await stored(database)} == {"?"}
    assert [row[2] for row in await stored(database)] == [change["b_error"] for change in changes]


async def test_a_value_of_the_statement_itself_is_written_beside_those_of_the_rows(database: Database) -> None:
    await database.write(lambda tx: tx.execute_many(_insert_kept, rows()))

    changes = [{"b_id": "001", "b_title": "one", "b_due": None}, {"b_id": "000", "b_title": "none", "b_due": AT}]
    await database.write(lambda tx: tx.execute_many(_move_kept, changes))

    assert [(row[0], row[3], row[4]) for row in await stored(database)] == [("none", AT, 7), ("one", None, 7)]


async def test_other_keys_than_the_last_time_are_no_others_values(database: Database) -> None:
    for names in (("fields", "error", "due_at", "title"), ("fields", "title")):
        given = [{name: value for name, value in row.items() if name not in ROWS[0] or name in names} for row in rows()]
        await database.write(lambda tx, given=given: tx.execute_many(_insert_kept, given))
        assert [row[2] for row in await stored(database)] == [None, {"code": "ERR_X"} if "error" in names else None]
        await database.write(lambda tx: tx.execute(RECORDS.delete()))


async def test_no_rows_are_nothing_to_do(database: Database) -> None:
    await database.write(lambda tx: tx.execute_many(_insert_kept, []))

    assert await stored(database) == []


@pytest.mark.databases("sqlite")
async def test_a_row_that_lacks_a_value_is_refused_and_none_is_written(database: Database) -> None:
    first, second = rows()
    del second["title"]

    with pytest.raises(KeyError, match="title"):
        await database.write(lambda tx: tx.execute_many(_insert_kept, [first, second]))

    assert await stored(database) == []


@pytest.mark.databases("sqlite")
async def test_a_statement_that_returns_rows_is_refused(database: Database) -> None:
    with pytest.raises(ValueError, match="more than its parameters"):
        await database.write(lambda tx: tx.execute_many(insert(LogTable).returning(LogTable.id), [{"message": "x"}]))

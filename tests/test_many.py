"""One statement for many rows stores what Core would have stored, on either database."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from sqlalchemy import bindparam, insert, select, update

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


def rows() -> list[dict[str, Any]]:
    same = {"ladder": "l", "source": "s", "status": "new", "provenance": {}, "revision": 1}
    same |= {"status_at": AT, "created_at": AT, "updated_at": AT}
    return [same | row | {"id": str(at), "code": str(at), "digest": str(at)} for at, row in enumerate(ROWS)]


async def stored(database: Database) -> list[Any]:
    columns = [RECORDS.c[name] for name in ("title", "fields", "error", "due_at", "revision")]
    return [tuple(row) for row in await database.fetch(select(*columns).order_by(RECORDS.c.id))]


async def test_rows_are_stored_as_core_stores_them(database: Database) -> None:
    await database.write(lambda tx: tx.execute(insert(RECORDS), rows()))
    wanted = await stored(database)
    await database.write(lambda tx: tx.execute(RECORDS.delete()))

    await database.write(lambda tx: tx.execute_many(_insert_kept, rows()))

    assert await stored(database) == wanted
    assert wanted[1][3] == AT.astimezone(UTC)


async def test_a_value_of_the_statement_itself_is_written_beside_those_of_the_rows(database: Database) -> None:
    await database.write(lambda tx: tx.execute_many(_insert_kept, rows()))

    changes = [{"b_id": "1", "b_title": "one", "b_due": None}, {"b_id": "0", "b_title": "none", "b_due": AT}]
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

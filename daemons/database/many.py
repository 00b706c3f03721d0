"""Running one statement for many rows without what SQLAlchemy does for each of them.

Core prepares the parameters of every row in Python, which takes longer than SQLite takes to write them. A statement
that is kept is compiled once, and its rows are handed to the driver as plain tuples, hundreds by one statement: while
SQLite runs one, other threads run too, for which there is no time from row to row.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

from sqlalchemy import Connection, Dialect
from sqlalchemy.sql.dml import UpdateBase

_TOGETHER = (256, 128, 64, 32, 16, 8, 4, 2)
"""Rows of one statement: each statement waits for Python's lock once, however many rows it has."""

_kept: "WeakKeyDictionary[UpdateBase, _Plan]" = WeakKeyDictionary()


class _Plan:
    """How rows of the same values become the parameters of one statement of a driver that counts question marks."""

    def __init__(self, statement: UpdateBase, dialect: Dialect, keys: tuple[str, ...]) -> None:
        compiled: Any = statement.compile(dialect=dialect, column_keys=keys)
        if compiled.returning or compiled.insert_prefetch or compiled.update_prefetch or compiled.post_compile_params:
            raise ValueError(f"This statement needs more than its parameters: {compiled}")
        self.keys = keys
        self._text = str(compiled)
        self._texts = {size: _joined(self._text, len(compiled.positiontup), size) for size in _TOGETHER}
        fixed: Mapping[str, Any] = compiled.construct_params(_check=False)
        places = {key: place for place, key in enumerate(keys)}
        self._columns = [
            _Column(
                places.get(name),
                fixed.get(name),
                compiled.binds[name].type.dialect_impl(dialect).bind_processor(dialect),
            )
            for name in compiled.positiontup
        ]

    def run(self, connection: Connection, rows: Sequence[Sequence[Any]]) -> None:
        """Write `rows`."""
        left = self._tuples(rows)
        for size, text in self._texts.items():
            while text and len(left) >= size:
                connection.exec_driver_sql(text, (*chain.from_iterable(left[:size]),))
                left = left[size:]
        if left:
            connection.exec_driver_sql(self._text, left)

    def _tuples(self, rows: Sequence[Sequence[Any]]) -> list[tuple[Any, ...]]:
        """Return the rows as the driver takes them."""
        given = [*zip(*rows, strict=True)]
        return [*zip(*(column.values(given, len(rows)) for column in self._columns), strict=True)]


def _joined(text: str, count: int, size: int) -> str | None:
    """Return the statement `text` of `count` parameters for `size` rows at a time, None where it cannot be so."""
    group = f"({', '.join('?' * count)})"
    groups = ", ".join([group] * size)
    if text.count("?") != count:
        return None
    if text.startswith("INSERT ") and text.endswith(f" VALUES {group}"):
        return text.removesuffix(group) + groups
    if text.startswith("UPDATE ") and text.count(" WHERE ") == 1:
        # Values that are not named are column1, column2, … to SQLite.
        names = iter(range(1, count + 1))
        change, _, condition = re.sub(r"\?", lambda _: f"given.column{next(names)}", text).partition(" WHERE ")
        return f"{change} FROM (VALUES {groups}) AS given WHERE {condition}"
    return None


class _Column(NamedTuple):
    """One parameter: the same for all rows, or which of a row's values it is; and how the driver wants it."""

    place: int | None
    fixed: Any
    process: Callable[[Any], Any] | None

    def values(self, given: Sequence[Sequence[Any]], count: int) -> Sequence[Any]:
        values = [self.fixed] * count if self.place is None else given[self.place]
        return values if self.process is None else [*map(self.process, values)]


def execute_many(
    connection: Connection, statement: UpdateBase, keys: tuple[str, ...], rows: Sequence[tuple[Any, ...]]
) -> None:
    """Run `statement` for each of `rows`, if there are any, each the values of `keys`.

    No two of them may change the same row of the table: which of them came last would not be told.
    """
    if not rows:
        return
    if not connection.dialect.positional:
        connection.execute(statement, [dict(zip(keys, row, strict=True)) for row in rows])
        return
    plan = _kept.get(statement)
    if plan is None or plan.keys != keys:
        plan = _kept[statement] = _Plan(statement, connection.dialect, keys)
    plan.run(connection, rows)

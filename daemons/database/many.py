"""Running one statement for many rows without what SQLAlchemy does for each of them.

Core prepares the parameters of every row in Python, which takes longer than SQLite takes to write them. A statement
that is kept is compiled once, and its rows are handed to the driver as plain tuples.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy import Connection, Dialect
from sqlalchemy.sql.dml import UpdateBase

_kept: "WeakKeyDictionary[UpdateBase, _Plan]" = WeakKeyDictionary()


class _Plan:
    """How rows with the same keys become the parameters of one statement of a driver that counts question marks."""

    def __init__(self, statement: UpdateBase, dialect: Dialect, keys: frozenset[str]) -> None:
        compiled: Any = statement.compile(dialect=dialect, column_keys=sorted(keys))
        if compiled.returning or compiled.insert_prefetch or compiled.update_prefetch or compiled.post_compile_params:
            raise ValueError(f"This statement needs more than its parameters: {compiled}")
        self.keys = keys
        self.text = str(compiled)
        self._names: list[str] = compiled.positiontup
        fixed: Mapping[str, Any] = compiled.construct_params(_check=False)
        self._fixed = {name: fixed[name] for name in self._names if name not in keys}
        self._processors: list[Callable[[Any], Any] | None] = [
            compiled.binds[name].type.dialect_impl(dialect).bind_processor(dialect) for name in self._names
        ]

    def tuples(self, rows: Sequence[Mapping[str, Any]]) -> list[tuple[Any, ...]]:
        """Return the rows as the driver takes them."""
        return [*zip(*map(self._column, self._names, self._processors, [rows] * len(self._names)), strict=True)]

    def _column(
        self, name: str, process: Callable[[Any], Any] | None, rows: Sequence[Mapping[str, Any]]
    ) -> Sequence[Any]:
        values = [self._fixed[name]] * len(rows) if name in self._fixed else [row[name] for row in rows]
        return values if process is None else [process(value) for value in values]


def execute_many(connection: Connection, statement: UpdateBase, rows: Sequence[Mapping[str, Any]]) -> None:
    """Run `statement` for each of `rows`, if there are any, which all have the same keys, as one executemany."""
    if not rows:
        return
    if not connection.dialect.positional:
        connection.execute(statement, rows)
        return
    keys = frozenset(rows[0])
    plan = _kept.get(statement)
    if plan is None or plan.keys != keys:
        plan = _kept[statement] = _Plan(statement, connection.dialect, keys)
    connection.exec_driver_sql(plan.text, plan.tuples(rows))

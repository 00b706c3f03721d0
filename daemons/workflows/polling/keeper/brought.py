"""What a row of a file is to become: a record that could be added, or a reason why not."""

import os
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from daemons.errors import Invalid, UnknownName
from daemons.folders.paths import wire_path
from daemons.text import clean
from daemons.values import JsonValue
from daemons.workflows.polling.keeper.adding import NUMBER_DIGITS, TITLE_CHARACTERS, check
from daemons.workflows.polling.keeper.row_files import OWN_COLUMNS, Row, check_storable
from daemons.workflows.polling.ladder import Ladder
from daemons.workflows.polling.records import NewRecord

SOURCE_CHARACTERS = 4096
CODE_CHARACTERS = 32

CheckFields = Callable[[Ladder, Mapping[str, Any]], Mapping[str, JsonValue]]
"""Returns fields as they are stored. Raises Invalid for those that people cannot write."""


class Brought(NamedTuple):
    """What one row is to become."""

    line: int
    new: NewRecord


def brought_of(ladders: Mapping[str, Ladder], row: Row, usual_ladder: str | None, check_fields: CheckFields) -> Brought:
    """Return what the row is to become. Raises Invalid."""
    own = {name: _text(row, name) for name in OWN_COLUMNS}
    ladder = _ladder(ladders, own["ladder"] or usual_ladder)
    source = _source(own["source"], own["file"])
    title = own["title"] or clean(source.rpartition("/")[2], TITLE_CHARACTERS)
    fields = {name: value for name, value in row.values.items() if name not in OWN_COLUMNS}
    for name, text, most in (("source", source, SOURCE_CHARACTERS), ("title", title, TITLE_CHARACTERS)):
        if len(text) > most:
            raise Invalid(f"The {name} has {len(text):,} characters; at most {most:,} are taken.", code="ERR_TOO_LARGE")
    code = own["code"].strip()
    if code and not _can_be_code(ladders, code):
        remedy = f"Take at most {CODE_CHARACTERS} characters, none of them / \\ or %, and no number above 999,999,999."
        raise Invalid(f"{clean(code, 40)} cannot be a code.", code="ERR_BAD_CODE", remedy=remedy)
    status = own["status"].strip() or ladder.statuses[0]
    new = NewRecord(ladder.name, status, source, title, check_fields(ladder, fields), code or None)
    # Once more: a list may have been written as JSON in a cell.
    check_storable(new.fields, "The row")
    check(ladder, new)
    return Brought(row.line, new)


def _text(row: Row, name: str) -> str:
    value = row.values.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise Invalid(f"{name} has to be text.", code="ERR_BAD_TEXT")
    return value


def _ladder(ladders: Mapping[str, Ladder], name: str | None) -> Ladder:
    name = (name or "").strip()
    known = ", ".join(sorted(ladders))
    if not name:
        remedy = f"Name one for all, or give the file a column ladder. There are: {known}."
        raise Invalid("The row names no ladder.", code="ERR_NO_LADDER", remedy=remedy)
    if name not in ladders:
        raise UnknownName(f"There is no ladder {clean(name, 63)}. There are: {known}.", code="ERR_UNKNOWN_LADDER")
    return ladders[name]


def _source(source: str, file: str) -> str:
    """Return the source of a row. A file is called what a drop folder would call it."""
    if source.strip() and file.strip():
        raise Invalid("The row has both a source and a file.", code="ERR_TWO_SOURCES", remedy="Leave one empty.")
    if not file.strip():
        if not source.strip():
            raise Invalid("The row has no source.", code="ERR_NO_SOURCE")
        return source
    if not file.startswith("/"):
        said = f"{clean(file, 100)} does not say where the file is."
        raise Invalid(said, code="ERR_RELATIVE_PATH", remedy="Write the whole path, from / on.")
    # Two slashes at the beginning would be kept.
    return wire_path(os.path.normpath("/" + file.lstrip("/")).encode("utf-8"))


def _can_be_code(ladders: Mapping[str, Ladder], code: str) -> bool:
    # It stands in addresses, where some marks would lead elsewhere.
    is_plain = code.isprintable() and not set(code) & set("/\\%") and bool(code.strip("."))
    # Ladders count their own codes on and on, and must never meet one that they could not count.
    numbers = [code.removeprefix(one.prefix) for one in ladders.values() if code.startswith(one.prefix)]
    is_countable = not any(number.isdecimal() and len(number) > NUMBER_DIGITS for number in numbers)
    return is_plain and is_countable and len(code) <= CODE_CHARACTERS

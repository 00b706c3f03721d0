"""Rows of a file in CSV, JSON or JSON lines, each with the line it begins at.

What is no row is told with its line, and the others are read all the same; only what is no such file at all is refused.
"""

import codecs
import csv
import io
import json
import math
import re
from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

from daemons.errors import Invalid
from daemons.json_values import check_json
from daemons.text import clean
from daemons.values import JsonValue

Kind = Literal["csv", "json", "jsonl"]
OWN_COLUMNS = ("source", "file", "title", "status", "code", "ladder")
"""What is no field of the record; in the head of a CSV file they may be written in capitals."""
CELL_CHARACTERS = 1024 * 1024
COLUMNS_MOST = 1000
DELIMITERS = ",;\t|"

_ENDINGS: dict[str, Kind] = {"csv": "csv", "tsv": "csv", "json": "json", "jsonl": "jsonl", "ndjson": "jsonl"}
_SPACE = re.compile(r"[ \t\r\n]*")
_DIGITS = 40
# The default is the whole process's, and ends a file at its first long cell without saying where to go on.
csv.field_size_limit(CELL_CHARACTERS)


class Row(NamedTuple):
    """What stands in one row: of CSV only what is not empty, and all of it text."""

    line: int
    values: dict[str, JsonValue]


class Refused(NamedTuple):
    """A row that cannot be taken, and why."""

    line: int
    code: str
    message: str

    @classmethod
    def of(cls, line: int, error: Invalid) -> "Refused":
        return cls(line, error.error_code, " ".join(filter(None, (error.message, error.remedy))))


class _Repeated(dict[str, JsonValue]):
    """An object in which a name is there twice."""


def kind_of(name: str, data: bytes) -> Kind:
    """Return what kind of file it is: by the end of its name, else by how it begins."""
    if found := _ENDINGS.get(name.rpartition(".")[2].lower()):
        return found
    first = data.removeprefix(codecs.BOM_UTF8).lstrip()[:1]
    return "json" if first == b"[" else "jsonl" if first == b"{" else "csv"


def read_rows(data: bytes, kind: Kind, most: float = math.inf) -> tuple[list[Row], list[Refused]]:
    """Return the rows of a file, and what is none. Raises Invalid for what is no such file, or has too many rows."""
    text = _decoded(data)
    rows: list[Row] = []
    refused: list[Refused] = []
    read = {"csv": _csv_rows, "json": _json_rows, "jsonl": _json_lines}[kind]
    for one in read(text):
        if len(rows) + len(refused) >= most:
            remedy = "Send it in parts; `daemondeck records import` does."
            raise Invalid(f"There are more than {most:,} rows.", code="ERR_TOO_MANY_ROWS", remedy=remedy)
        if isinstance(one, Refused):
            refused.append(one)
            continue
        try:
            check_storable(one.values, "The row")
            rows.append(one)
        except Invalid as error:
            refused.append(Refused.of(one.line, error))
    return rows, refused


def _decoded(data: bytes) -> str:
    try:
        if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            raise _not_utf8("it is UTF-16")
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise _not_utf8(f"line {line} is in another encoding") from error


def _not_utf8(why: str) -> Invalid:
    remedy = "Save it as UTF-8; in Excel that is “CSV UTF-8”."
    return Invalid(f"The file is not UTF-8: {why}.", code="ERR_NOT_UTF8", remedy=remedy)


def check_storable(values: JsonValue, name: str) -> None:
    """Raise Invalid for what some database could not store: half characters, NULs, NaN, too much or too deep."""
    check_json(values, name)
    # What is too deep was refused.
    waiting: list[JsonValue] = [values]
    while waiting:
        item = waiting.pop()
        if isinstance(item, _Repeated):
            raise Invalid(f"{name} has a name that is there twice.", code="ERR_INVALID_JSON")
        if isinstance(item, dict):
            waiting += [*item, *item.values()]
        elif isinstance(item, list):
            waiting += item
        elif isinstance(item, str) and "\0" in item:
            raise Invalid(f"The text {clean(item, 50)} holds a NUL.", code="ERR_BAD_TEXT")


# CSV: a head that names the columns, then a row each. A row may go over several lines.


def _csv_rows(text: str) -> Iterator[Row | Refused]:
    # Not splitlines: to CSV a line ends in \n, \r or both, and nowhere else.
    lines = [*io.StringIO(text, newline="")]
    at = next((number for number, line in enumerate(lines) if line.strip()), len(lines))
    if at == len(lines):
        raise Invalid("There is nothing in the file.", code="ERR_NO_ROWS")
    delimiter, head, length = _head(lines, at)
    at += length
    is_torn = False
    while at < len(lines):
        reader = csv.reader(_from(lines, at), delimiter=delimiter, strict=True)
        begin = at
        try:
            for cells in reader:
                if any(cell.strip() for cell in cells):
                    yield _row(begin + 1, head, cells, is_torn=is_torn)
                begin = at + reader.line_num
            return
        except csv.Error as error:
            if "field limit" in str(error):
                yield Refused(begin + 1, "ERR_TOO_LARGE", f"A cell has more than {CELL_CHARACTERS:,} characters.")
                at += reader.line_num
            else:
                said = "A quotation mark is opened and not closed, or closed before the cell ends."
                yield Refused(begin + 1, "ERR_BAD_QUOTES", said)
                # What it tore along may be rows of their own, or the rest of a cell of several lines.
                at, is_torn = begin + 1, True


def _head(lines: Sequence[str], at: int) -> tuple[str, list[str], int]:
    """Return the delimiter, the names of the columns and how many lines they take. Raises Invalid."""
    found: list[tuple[bool, int, str, list[str], int]] = []
    for delimiter in DELIMITERS:
        reader = csv.reader(_from(lines, at), delimiter=delimiter, strict=True)
        try:
            names = [cell.strip() for cell in next(reader)]
        except csv.Error:
            continue
        names = [name.lower() if name.lower() in OWN_COLUMNS else name for name in names]
        found.append(("source" in names or "file" in names, len(names), delimiter, names, reader.line_num))
    if not found:
        raise Invalid("The first line does not name the columns.", code="ERR_BAD_HEADER")
    # Of equals the first: a comma.
    has_source, _, delimiter, names, length = max(found, key=lambda one: one[:2])
    if "\0" in "".join(names):
        raise _not_utf8("there are NULs between the letters, as in UTF-16")
    if len(names) > COLUMNS_MOST:
        raise Invalid(f"There are more than {COLUMNS_MOST:,} columns.", code="ERR_TOO_MANY_COLUMNS")
    lowered = [name.casefold() for name in names if name]
    if twice := next((name for name in lowered if lowered.count(name) > 1), None):
        raise Invalid(f"There are two columns named {clean(twice, 100)}.", code="ERR_DUPLICATE_COLUMN")
    if not has_source:
        told = clean(", ".join(names), 300)
        remedy = "Name the columns in the first line; one has to be source, or file for paths."
        raise Invalid(f"No column is named source or file; there are: {told}.", code="ERR_NO_SOURCE", remedy=remedy)
    return delimiter, names, length


def _from(lines: Sequence[str], at: int) -> Iterator[str]:
    return (lines[number] for number in range(at, len(lines)))


def _row(line: int, head: Sequence[str], cells: Sequence[str], *, is_torn: bool) -> Row | Refused:
    # Excel leaves empty cells at a row's end out; after a torn row a short one may be the rest of a cell.
    is_short = is_torn and len(cells) < len(head)
    nameless = any(cell and not name for cell, name in zip(cells, head, strict=False))
    if is_short or nameless or any(cells[len(head) :]):
        said = f"The row has {len(cells)} cells, and the first line names {len(head)} columns."
        return Refused(line, "ERR_RAGGED_ROW", said)
    return Row(line, {name: cell for name, cell in zip(head, cells, strict=False) if cell})


# JSON: a list of objects, or an object a line.


def _json_rows(text: str) -> Iterator[Row | Refused]:
    at = _after_space(text, 0)
    if text[at : at + 1] != "[":
        raise _bad_json("it is no list of objects")
    at, line, counted = _after_space(text, at + 1), 1, 0
    is_more = text[at : at + 1] != "]"
    while is_more:
        line, counted = line + text.count("\n", counted, at), at
        try:
            value, at = _decoder.raw_decode(text, at)
        except json.JSONDecodeError as error:
            raise _bad_json(f"{error.msg}, line {error.lineno} column {error.colno}") from error
        except RecursionError as error:
            raise _bad_json(f"it is nested too deeply in line {line}") from error
        yield _object(line, value)
        at = _after_space(text, at)
        if text[at : at + 1] not in ("]", ","):
            raise _bad_json(f"after the row of line {line} there is no comma and no end")
        if is_more := text[at] == ",":
            at = _after_space(text, at + 1)
    if _after_space(text, at + 1) != len(text):
        raise _bad_json("something follows after the list")


def _json_lines(text: str) -> Iterator[Row | Refused]:
    for line, said in enumerate(text.split("\n"), 1):
        if not said.strip():
            continue
        try:
            yield _object(line, _decoder.decode(said))
        except json.JSONDecodeError as error:
            yield Refused(line, "ERR_INVALID_JSON", f"It is not JSON: {error.msg}, column {error.colno}.")
        except RecursionError:
            yield Refused(line, "ERR_INVALID_JSON", "It is nested too deeply.")


def _object(line: int, value: JsonValue) -> Row | Refused:
    if not isinstance(value, dict):
        return Refused(line, "ERR_NO_OBJECT", "The row is no object of names and values.")
    return Row(line, value)


def _after_space(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found else at


def _pairs(pairs: list[tuple[str, JsonValue]]) -> dict[str, JsonValue]:
    named = dict(pairs)
    return named if len(named) == len(pairs) else _Repeated(named)


def _whole_number(digits: str) -> int:
    # Python refuses thousands of digits, and with them the whole file; these many are too many for their row already.
    return int(digits[:_DIGITS])


def _bad_json(why: str) -> Invalid:
    return Invalid(f"The file is not valid JSON: {why}.", code="ERR_INVALID_JSON")


_decoder = json.JSONDecoder(object_pairs_hook=_pairs, parse_int=_whole_number, parse_constant=float)

"""`daemondeck records import`: a file of records goes to the deck in parts that a request can carry."""

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from daemons.cli.deck import Deck
from daemons.cli.exits import CommandError, Exit
from daemons.cli.options import options_of
from daemons.cli.printing import one_line, say, show_one
from daemons.cli.records_changing import app

if TYPE_CHECKING:
    from daemons.workflows.polling.keeper import Row

SLICE = 500
SLICE_TO_LOOK = 100
"""Of a dry run, so that every refusal is told: what was refused does not make a later row known."""
SLICE_BYTES = 900_000
"""A request takes a mebibyte."""
REFUSED_TOLD = 100
NO_LADDER = (
    "No ladder is named. Say --ladder NAME, or give the file a column ladder; `daemondeck records ladders` lists them."
)
FILE_BYTES = 256 * 1024 * 1024

Item = dict[str, Any]


@dataclass(slots=True)
class _Told:
    """What became of the rows so far, as the call tells it, with the file's own lines."""

    added: int = 0
    known: int = 0
    refused: list[Item] = field(default_factory=list)
    refused_total: int = 0

    def refuse(self, line: int, code: str, message: str) -> None:
        self.refused.append({"line": line, "code": code, "message": message})
        self.refused_total += 1

    def as_dict(self) -> Item:
        first = sorted(self.refused, key=lambda one: int(one["line"]))[:REFUSED_TOLD]
        return {"added": self.added, "known": self.known, "refused": first, "refused_total": self.refused_total}


@app.command("import")
def import_records(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="CSV, JSON or JSON lines; - is standard input.")],
    ladder: Annotated[str | None, typer.Option(help="Of rows that name none.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Tell what would be done; do nothing.")] = False,
) -> None:
    """Make records of the rows of a file. What is known by its source stays as it is: safe to repeat.

    Columns: source or file (a path), title, status, code, ladder; any other is a field. Rows that are refused are
    named with their line, and the others are taken all the same. Exit code 1 when every row was refused.

    Example: daemondeck records import records.csv --ladder stills
    """
    options = options_of(context)
    # Imported here: no other command needs any of it.
    from daemons.workflows.polling.keeper import kind_of, read_rows

    data = _read(file)
    rows, unread = read_rows(data, kind_of(file.name, data))
    told = _Told()
    for one in unread:
        told.refuse(*one)
    with options.deck() as deck:
        _send(deck, rows, told, ladder, dry_run=dry_run)
    if options.is_table:
        name = "standard input" if str(file) == "-" else str(file)
        for line in _lines(name, told.as_dict(), dry_run=dry_run):
            say(one_line(line))
    else:
        show_one(options, told.as_dict(), {}, name="added")
    if told.refused_total and not told.added and not told.known:
        raise typer.Exit(Exit.FAILED)


def _read(file: Path) -> bytes:
    try:
        if str(file) == "-":
            data = sys.stdin.buffer.read(FILE_BYTES + 1)
        else:
            with file.expanduser().open("rb") as opened:
                data = opened.read(FILE_BYTES + 1)
    except OSError as error:
        why = error.strerror or error
        raise CommandError(Exit.USAGE, f"{file} cannot be read: {why}.", code="ERR_NO_FILE") from error
    if len(data) > FILE_BYTES:
        raise CommandError(Exit.USAGE, f"{file} is larger than 256 MiB.", code="ERR_FILE_TOO_LARGE")
    return data


def _send(deck: Deck, rows: "Sequence[Row]", told: _Told, ladder: str | None, *, dry_run: bool) -> None:
    sources, codes = set[tuple[Any, ...]](), set[Any]()
    # Those with a code of their own first: else a part before may have been given it.
    ordered = sorted(rows, key=lambda row: not row.values.get("code"))
    # Asked even with nothing, whether there is such a ladder.
    for part in [*_slices(ordered, SLICE_TO_LOOK if dry_run else SLICE)] or [[]]:
        if dry_run:
            part = [row for row in part if not _came_before(row, told, sources, codes)]
        body = "\n".join(map(_as_line, part)).encode()
        answer = deck.send("/records/import", body, "application/x-ndjson", ladder=ladder, dry_run=dry_run)
        told.added += answer["added"]
        told.known += answer["known"]
        told.refused_total += answer["refused_total"]
        refused = {one["line"] - 1: one for one in answer["refused"]}
        told.refused += [{**one, "line": part[at].line} for at, one in refused.items()]
        taken = [row for at, row in enumerate(part) if at not in refused]
        sources |= {_source(row) for row in taken}
        codes |= {row.values["code"] for row in taken if isinstance(row.values.get("code"), str)}


def _came_before(row: "Row", told: _Told, sources: set[tuple[Any, ...]], codes: set[Any]) -> bool:
    """Whether an earlier part had that source or code, which a deck that writes nothing cannot know."""
    if _source(row) in sources:
        told.known += 1
        return True
    code = row.values.get("code")
    if code and isinstance(code, str) and code in codes:
        told.refuse(row.line, "ERR_CODE_TAKEN", f"Another record has the code {code}.")
        return True
    return False


def _source(row: "Row") -> tuple[Any, ...]:
    return tuple(str(row.values.get(name) or "") for name in ("ladder", "source", "file"))


def _slices(rows: "Sequence[Row]", most: int) -> "Iterator[list[Row]]":
    part: list[Row] = []
    size = 0
    for row in rows:
        size += len(_as_line(row).encode()) + 1
        if part and (len(part) >= most or size > SLICE_BYTES):
            yield part
            part, size = [], len(_as_line(row).encode()) + 1
        part.append(row)
    if part:
        yield part


def _as_line(row: "Row") -> str:
    return json.dumps(row.values, ensure_ascii=False, separators=(",", ":"))


def _span(lines: list[int]) -> str:
    """Return "line 3", or "lines 3 to 9 (5)" for lines that were refused one after another for the same reason."""
    if len(lines) == 1:
        return f"line {lines[0]:,}"
    return f"lines {lines[0]:,} to {lines[-1]:,} ({len(lines):,})"


def _lines(name: str, told: Item, *, dry_run: bool) -> Iterator[str]:
    added = "would be added" if dry_run else "added"
    yield f"{name}: {told['added']:,} {added}, {told['known']:,} known already, {told['refused_total']:,} refused."
    for (code, message), same in groupby(told["refused"], lambda one: (one["code"], one["message"])):
        lines = [int(one["line"]) for one in same]
        yield f"  {_span(lines)}: {code}: {NO_LADDER if code == 'ERR_NO_LADDER' else message}"
    if (more := told["refused_total"] - len(told["refused"])) > 0:
        yield f"  and {more:,} more"

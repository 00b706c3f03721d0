"""Results on stdout, everything else on stderr; plain where nobody looks."""

import json
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import typer

from daemons.cli.exits import CommandError, Exit
from daemons.cli.options import Options, Output
from daemons.cli.remedies import remedy_of
from daemons.cli.times import here
from daemons.clock import SystemClock
from daemons.errors import DaemonError
from daemons.text import clean

LINE_CHARACTERS = 100_000
_NEVER_RAW = re.compile("[\\x7f-\\x9f\\u061c\\u200e\\u200f\\u2028-\\u202e\\u2066-\\u2069\\ud800-\\udfff]")
_YAML_WORDS = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})
Item = Mapping[str, Any]
Columns = Mapping[str, Callable[[Any], object]]
"""Heading → how to read the cell from an item, in the order of the table."""


def show(
    options: Options, items: Sequence[Item], columns: Columns, *, name: str = "name", wide: Columns | None = None
) -> None:
    """Print a list in the format that was asked for; `name` is the field of `-o name`, `wide` what -o wide adds."""
    match options.output:
        case Output.TABLE:
            say(table(items, columns, no_color=options.no_color), end="")
        case Output.WIDE:
            say(table(items, {**columns, **(wide or {})}, no_color=options.no_color), end="")
        case Output.JSON:
            say(as_json(items, indent=2))
        case Output.JSONL:
            for item in items:
                say(as_json(item))
        case Output.YAML:
            say(as_yaml(items))
        case Output.NAME:
            for item in items:
                say(one_line(str(item[name])))


def show_one(options: Options, item: Item, columns: Columns, *, name: str = "name") -> None:
    """Print one thing: a line for each column, or the whole of it in the format that was asked for."""
    match options.output:
        case Output.TABLE | Output.WIDE:
            width = max(map(len, columns), default=0)
            for heading, read in columns.items():
                say(f"{heading:<{width}}  {cell(read(item))}")
        case Output.JSON | Output.JSONL:
            say(as_json(item, indent=2 if options.output is Output.JSON else None))
        case Output.YAML:
            say(as_yaml(item))
        case Output.NAME:
            say(one_line(str(item[name])))


def say(text: str, *, end: str = "\n") -> None:
    """Print a result. Who reads through a pipe may have had enough: then there is nothing left to do."""
    try:
        typer.echo(text + end, nl=False)
        sys.stdout.flush()
    except BrokenPipeError:
        # Else Python would try once more at its end, and complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(Exit.DONE) from None


def note(options: Options, text: str) -> None:
    """Tell the person, not the program that reads the results."""
    if not options.quiet:
        typer.echo(text, err=True)


def confirm(options: Options, question: str) -> None:
    """Return if the person says yes, or said --yes. Raises CommandError otherwise, and where nobody can be asked."""
    if options.yes or (sys.stdin.isatty() and typer.confirm(one_line(question), err=True)):
        return
    raise CommandError(
        Exit.REFUSED, "That has to be confirmed; nothing was done.", remedy="Say --yes.", code="ERR_NOT_CONFIRMED"
    )


def complain(error: DaemonError, about: str | None = None) -> None:
    """Print what is wrong on one line: code, what, remedy."""
    subject = f"{about}: " if about else ""
    remedy = remedy_of(error)
    typer.echo(one_line(" ".join(filter(None, (f"{error.error_code}: {subject}{error.message}", remedy)))), err=True)


def table(items: Sequence[Item], columns: Columns, *, no_color: bool = False) -> str:
    """Return a table: fitted to the terminal if there is one, else whole and without decoration."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    rows = [[cell(read(item)) for read in columns.values()] for item in items]
    if not sys.stdout.isatty():
        return "".join(_plain(list(columns), rows))
    grid = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for heading in columns:
        grid.add_column(heading, overflow="fold")
    for row in rows:
        # As Text, so that brackets in a status are not taken for markup.
        grid.add_row(*map(Text, row))
    # None leaves the decision to rich, which knows NO_COLOR.
    console = Console(no_color=no_color or None, highlight=False)
    with console.capture() as captured:
        console.print(grid)
    return captured.get()


def one_line(text: str) -> str:
    """Return `text` with visible marks for what would move the cursor or begin another line."""
    return clean(text, LINE_CHARACTERS)


def cell(value: object) -> str:
    """Return a value as a table shows it, on one line."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict | list):
        return one_line(as_json(value)) if value else "-"
    return one_line(str(value))


def age(value: str | None) -> str | None:
    """Return how long ago an ISO time was: "12 s", "3 min"."""
    if value is None:
        return None
    seconds = max(0.0, (SystemClock().now() - datetime.fromisoformat(value)).total_seconds())
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def stamp(value: str | None, precision: str = "milliseconds") -> str | None:
    """Return an ISO time in the zone that was asked for, this machine's if none was."""
    return here(datetime.fromisoformat(value)).isoformat(timespec=precision) if value else None


def progress(value: Mapping[str, Any] | None) -> str | None:
    """Return progress as "3 / 10 · 30%"."""
    if not value:
        return None
    if not value.get("total"):
        return f"{value['done']:g}"
    return f"{value['done']:g} / {value['total']:g} · {value['fraction']:.0%}"


def as_json(value: object, indent: int | None = None) -> str:
    """Return `value` as JSON, with what moves a cursor or turns the direction of text escaped."""
    return _escaped(json.dumps(value, ensure_ascii=False, indent=indent, default=str))


def _escaped(text: str) -> str:
    # Outside of strings JSON has none of these, so this is the same value to every program.
    return _NEVER_RAW.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def as_yaml(value: object) -> str:
    """Return `value` as YAML in block style; scalars are written as JSON, which YAML contains."""
    return "\n".join(_yaml(value))


def _yaml(value: object) -> Iterator[str]:
    if isinstance(value, Mapping) and value:
        for key, item in value.items():
            yield from _yaml_entry(f"{_yaml_key(str(key))}:", item)
    elif isinstance(value, list | tuple) and value:
        for item in value:
            first, *rest = _yaml(item)
            yield f"- {first}"
            yield from (f"  {line}" for line in rest)
    else:
        yield as_json(value)


def _yaml_key(key: str) -> str:
    # Words stay bare; anything that YAML could take for something else is quoted.
    return key if re.fullmatch(r"[A-Za-z_][\w-]*", key, re.ASCII) and key.lower() not in _YAML_WORDS else as_json(key)


def _yaml_entry(head: str, item: object) -> Iterator[str]:
    if isinstance(item, Mapping | list | tuple) and item:
        yield head
        yield from (f"  {line}" for line in _yaml(item))
    else:
        yield f"{head} {as_json(item)}"


def _plain(headings: list[str], rows: list[list[str]]) -> Iterable[str]:
    widths = [max(map(len, column)) for column in zip(headings, *rows, strict=True)]
    for row in [headings, *rows]:
        yield "  ".join(f"{text:<{width}}" for text, width in zip(row, widths, strict=True)).rstrip() + "\n"

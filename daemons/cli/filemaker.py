"""`daemondeck filemaker show|test`: the FileMaker Server whose records climb, and whether it works."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import typer

from daemons.cli.exits import Exit
from daemons.cli.options import options_of
from daemons.cli.printing import Columns, note, one_line, say, show_one, stamp

TEST_SECONDS = 90.0
"""The deck itself gives up earlier, and says why."""
app = typer.Typer(help="See and test the FileMaker Server whose records climb.")

SERVER: Columns = {
    "Address": lambda server: server["url"] or None,
    "Database": lambda server: server["database"] or None,
    "Layouts": lambda server: ", ".join(f"{ladder}: {name}" for ladder, name in server["layouts"].items()) or None,
    "Last test": lambda server: _outcome(server["last_test"]),
}
REPORT: Columns = {
    "Address": lambda report: report["url"],
    "Database": lambda report: report["database"],
    "Works": lambda report: report["works"],
    "Version": lambda report: report["version"],
    "Seconds": lambda report: report["seconds"] and round(report["seconds"], 2),
}


@app.command("show")
def show_filemaker(context: typer.Context) -> None:
    """Show the server that is set, and what came of its last test.

    Example: daemondeck filemaker show
    """
    options = options_of(context)
    with options.deck() as deck:
        server = deck.get("/filemaker")
    show_one(options, server, SERVER, name="url")
    if server["unset"]:
        variable = f"DAEMONDECK_{server['unset'].upper().replace('.', '__')}"
        note(options, f"Not configured: set {server['unset']} in daemondeck.toml, or {variable}.")


@app.command("test")
def test_filemaker(context: typer.Context) -> None:
    """Sign in and look at every layout and its fields, without writing; exit code 1 if records cannot climb.

    Example: daemondeck filemaker test
    """
    options = options_of(context)
    with replace(options, timeout=options.timeout or TEST_SECONDS).deck() as deck:
        report = deck.post("/filemaker/test")
    show_one(options, report, REPORT, name="works")
    if options.is_table:
        for line in _lines(report):
            say(one_line(line))
    raise typer.Exit(Exit.DONE if report["works"] else Exit.FAILED)


def _lines(report: dict[str, Any]) -> Iterator[str]:
    if report["problem"] and not report["layouts"]:
        yield _told(report["problem"])
    for one in report["layouts"]:
        said = _told(one["problem"]) if one["problem"] else f"the layout {one['layout']} has {one['fields']} fields."
        yield f"{one['ladder']}: {said}"
        for field in one["missing"]:
            yield f"{one['ladder']}: {field['name']} is not on it, and left alone. {field['remedy']}"


def _told(problem: dict[str, Any]) -> str:
    return f"{problem['code']}: {problem['message']} {problem['remedy'] or ''}".strip()


def _outcome(report: dict[str, Any] | None) -> str | None:
    if report is None:
        return None
    what = "works" if report["works"] else report["problem"]["message"]
    return f"{stamp(report['at'], 'seconds')}: {what}"

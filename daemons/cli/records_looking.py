"""`daemondeck records`: stills, clips and frames, and how far each has climbed its ladder."""

from typing import Annotated, Any

import typer

from daemons.cli.deck import Deck
from daemons.cli.logs import Count, Follow, Grep, Level, Since, Wanted, tail_of
from daemons.cli.options import options_of
from daemons.cli.printing import Columns, age, cell, note, say, show, show_one, stamp
from daemons.cli.switching import segment
from daemons.cli.times import earlier

app = typer.Typer(help="See records climb their ladders, and help those that are stuck.")

COLUMNS: Columns = {
    "CODE": lambda record: record["code"],
    "STATUS": lambda record: record["status"],
    "STATE": lambda record: record["state"],
    "SINCE": lambda record: age(record["status_at"]),
    "TITLE": lambda record: record["title"],
    "ERROR": lambda record: (record["error"] or {}).get("code"),
}
WIDE: Columns = {
    "ID": lambda record: record["id"],
    "LADDER": lambda record: record["ladder"],
    "SOURCE": lambda record: record["source"],
    "ATTEMPTS": lambda record: record["attempts"],
    "EDITED BY": lambda record: record["edited_by"],
    "WAITS FOR": lambda record: record["waiting_reason"],
}
DETAILS: Columns = {
    "Id": lambda record: record["id"],
    "Code": lambda record: record["code"],
    "Ladder": lambda record: record["ladder"],
    "Title": lambda record: record["title"],
    "Source": lambda record: record["source"],
    "Status": lambda record: record["status"],
    "State": lambda record: record["state"],
    "There since": lambda record: stamp(record["status_at"]),
    "Next try": lambda record: stamp(record["due_at"]),
    "Attempts": lambda record: record["attempts"],
    "Error": lambda record: (record["error"] or {}).get("message"),
    "Remedy": lambda record: (record["error"] or {}).get("remedy"),
    "Waits because": lambda record: "; ".join(f"{one['rule']}: {one['sentence']}" for one in record["reasons"]) or None,
    "Waits for": lambda record: record["waiting_reason"],
    "Edited by": lambda record: record["edited_by"],
    "Parent": lambda record: record["parent_id"],
    "Revision": lambda record: record["revision"],
}
FIELDS: Columns = {
    "FIELD": lambda field: field["name"],
    "VALUE": lambda field: field["value"],
    "BY": lambda field: field["by"],
}
SUGGESTIONS: Columns = {
    "SUGGESTED FOR": lambda one: one["field"],
    "VALUE": lambda one: cell(one["value"][0] if isinstance(one["value"], list) else one["value"])[:200],
    "ORIGIN": lambda one: one["origin"],
}
STORY: Columns = {
    "AT": lambda one: stamp(one["started_at"], "seconds"),
    "STEP": lambda one: one["step"] or None,
    "TRY": lambda one: one["attempt"] or None,
    "OUTCOME": lambda one: one["outcome"],
    "SECONDS": lambda one: f"{one['seconds']:.2f}",
    "TO": lambda one: one["new"],
    "BY": lambda one: one["by"],
    "SAID": lambda one: one["note"] or (one["error"] or {}).get("message"),
}
BOARD: Columns = {
    "STATUS": lambda column: column["status"],
    "RECORDS": lambda column: column["total"],
    "OLDEST": lambda column: age(column["oldest_at"]),
    "LEFT/H": lambda column: column["left_last_hour"],
    "IN HAND": lambda column: column["running"],
    "FAILING": lambda column: column["failing"],
    "PARKED": lambda column: column["parked"],
}
LADDERS: Columns = {
    "NAME": lambda ladder: ladder["name"],
    "TITLE": lambda ladder: ladder["title"],
    "STEPS": lambda ladder: ", ".join(step["name"] for step in ladder["steps"]),
}
STEPS: Columns = {
    "STEP": lambda step: step["name"],
    "FROM": lambda step: ", ".join(step["origins"]),
    "TO": lambda step: step["to"],
    "SECONDS": lambda step: f"{step['timeout']:g}",
    "TRIES": lambda step: step["max_attempts"],
    "LANE": lambda step: step["lane"],
}
LIKE: Columns = {"ALIKE": lambda record: f"{round(100 * record['score'])} %", **COLUMNS}
FIGURES: Columns = {
    "STEP": lambda one: one["step"],
    "DONE": lambda one: one["done"],
    "FAILED": lambda one: one["failed"],
    "MEAN S": lambda one: _seconds(one["seconds_mean"]),
    "P95 S": lambda one: _seconds(one["seconds_p95"]),
}

Id = Annotated[str, typer.Argument(metavar="ID", help="Id or code of the record, such as ST0001.")]
LadderName = Annotated[str, typer.Argument(metavar="LADDER", help="Such as stills; `records ladders` lists them.")]
OfLadder = Annotated[str | None, typer.Option(help="Only of this ladder.")]
AtStatus = Annotated[str | None, typer.Option(help="Only at this status, as the ladder spells it.")]
InState = Annotated[
    str | None, typer.Option(help="Only waiting, running, failing, parked, awaiting (a person) or complete.")
]
WithCode = Annotated[str | None, typer.Option(help="Only with an error of this code.")]
Below = Annotated[str | None, typer.Option("--parent", metavar="ID", help="Only what is below this one.")]
Search = Annotated[str | None, typer.Option("--search", help="In code, title or source.")]


@app.command("ls")
def list_records(
    context: typer.Context,
    ladder: OfLadder = None,
    status: AtStatus = None,
    state: InState = None,
    code: WithCode = None,
    search: Search = None,
    parent: Below = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="At most so many.")] = 50,
) -> None:
    """List records, the newest first.

    Example: daemondeck records ls --ladder stills --state awaiting
    """
    options = options_of(context)
    chosen = {"ladder": ladder, "status": status, "state": state, "code": code, "q": search}
    with options.deck() as deck:
        chosen |= {"parent": id_of(deck, parent)}
        found = deck.pages("/records", limit, **chosen)
    show(options, found, COLUMNS, name="code", wide=WIDE)


@app.command("show")
def show_record(context: typer.Context, record_id: Id) -> None:
    """Show a record: where it stands, what is known of it and from whom, what would fill its form, and every try.

    Example: daemondeck records show ST0001
    """
    options = options_of(context)
    with options.deck() as deck:
        record: dict[str, Any] = deck.get(f"/records/{segment(record_id)}")
    show_one(options, record, DETAILS, name="code")
    if not options.is_table:
        return
    fields = [
        {"name": name, "value": cell(value)[:200], "by": (record["provenance"].get(name) or {}).get("by")}
        for name, value in record["fields"].items()
    ]
    for rows, columns in ((fields, FIELDS), (record["suggestions"], SUGGESTIONS), (record["story"], STORY)):
        if rows:
            say("")
            show(options, rows, columns)


@app.command("logs")
def record_logs(
    context: typer.Context,
    record_id: Id,
    follow: Follow = False,
    count: Count = 200,
    level: Level = None,
    since: Since = None,
    grep: Grep = None,
) -> None:
    """Show what the steps of a record logged, and follow it.

    Example: daemondeck records logs ST0001 --level warning
    """
    options = options_of(context)
    with options.deck() as deck:
        record = deck.get(f"/records/{segment(record_id)}")
        wanted = Wanted(level, earlier(since) if since else None, grep, record["id"])
        told = tail_of(options, deck, (f"/records/{record['id']}/logs", {}), wanted, count, follow=follow)
    if told == 0 and options.is_table:
        note(options, f"{record['code']}: no such line was logged.")


@app.command("similar")
def list_similar(
    context: typer.Context,
    record_id: Id,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=100, help="At most so many.")] = 24,
) -> None:
    """List records whose words are like those of one, the most alike first.

    Example: daemondeck records similar ST0001
    """
    options = options_of(context)
    with options.deck() as deck:
        found = deck.get(f"/records/{segment(record_id)}/similar", limit=limit)["items"]
    show(options, found, LIKE, name="code", wide=WIDE)


@app.command("board")
def show_board(context: typer.Context, ladder: LadderName) -> None:
    """Show how many records stand at each status of a ladder, and how fast they leave it.

    Example: daemondeck records board stills
    """
    options = options_of(context)
    with options.deck() as deck:
        board = deck.get(f"/ladders/{segment(ladder)}/board")
    show(options, board["columns"], BOARD, name="status")


@app.command("ladders")
def list_ladders(
    context: typer.Context,
    ladder: Annotated[str | None, typer.Argument(metavar="LADDER", help="Only this one, with its steps.")] = None,
) -> None:
    """List the ladders that records climb, or the steps of one.

    Example: daemondeck records ladders stills
    """
    options = options_of(context)
    with options.deck() as deck:
        found = deck.get(f"/ladders/{segment(ladder)}" if ladder else "/ladders")
    if ladder is None:
        show(options, found["items"], LADDERS)
    elif options.is_table:
        show(options, found["steps"], STEPS)
    else:
        show_one(options, found, {})


@app.command("figures")
def show_figures(
    context: typer.Context,
    ladder: LadderName,
    hours: Annotated[float | None, typer.Option(min=0.01, help="Of the last so many hours.")] = None,
) -> None:
    """Show how the steps of a ladder went of late.

    Example: daemondeck records figures stills --hours 1
    """
    options = options_of(context)
    with options.deck() as deck:
        found = deck.get(f"/ladders/{segment(ladder)}/figures", hours=hours)["items"]
    show(options, found, FIGURES, name="step")


def id_of(deck: Deck, name: str | None) -> str | None:
    """Return the id of the record of that id or code, None for None."""
    return str(deck.get(f"/records/{segment(name)}")["id"]) if name is not None else None


def _seconds(value: float | None) -> str | None:
    return None if value is None else f"{value:.2f}"

"""What commands do to records: add, edit, move, leave a step out, go on, try again, lock; one, several or all."""

import json
from typing import Annotated, Any

import typer

from daemons.cli import records_looking
from daemons.cli.exits import CommandError, Exit
from daemons.cli.options import Options, options_of
from daemons.cli.printing import Columns, complain, confirm, note, one_line, say, show, show_one
from daemons.cli.records_looking import DETAILS, AtStatus, Below, Id, LadderName, OfLadder, WithCode, id_of
from daemons.cli.switching import segment

app = records_looking.app

AT_ONCE = 100
ALL_MOST = 100_000
ACTED: Columns = {
    "CODE": lambda one: one["code"] or one["id"],
    "STATUS": lambda one: one["status"],
    "ERROR": lambda one: (one["error"] or {}).get("message"),
}

Ids = Annotated[list[str] | None, typer.Argument(metavar="ID…", help="Ids or codes; else --all.")]
All = Annotated[bool, typer.Option("--all", help="All that the options mean now; needs --yes.")]
Revision = Annotated[int | None, typer.Option(min=1, help="Only if it still is at this revision.")]
Fields = Annotated[list[str], typer.Argument(metavar="FIELD=VALUE…", help="Nothing after = removes the field.")]
NO_IDS = "Name ids, or say --all."


@app.command("add")
def add_record(
    context: typer.Context,
    ladder: LadderName,
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="What it is of, such as the path of a file.")],
    fields: Annotated[list[str] | None, typer.Argument(metavar="FIELD=VALUE…", help="What you know of it.")] = None,
    title: Annotated[str, typer.Option(help="A few words.")] = "",
    status: Annotated[str | None, typer.Option(help="Where it begins; default: at the foot.")] = None,
) -> None:
    """Have something climb a ladder. What is there already stays as it is.

    Example: daemondeck records add stills /photos/harbour.jpg place=Hamburg
    """
    options = options_of(context)
    body = {"ladder": ladder, "source": source, "title": title, "status": status, "fields": _read(fields or [])}
    with options.deck() as deck:
        _tell(options, deck.post("/records", body))


@app.command("edit")
def edit_record(context: typer.Context, record_id: Id, fields: Fields, revision: Revision = None) -> None:
    """Write fields of a record. One that waits for a person is looked at again at once.

    Example: daemondeck records edit ST0001 title="The harbour" keywords='["boats", "ice"]'
    """
    options = options_of(context)
    with options.deck() as deck:
        body = {"fields": _read(fields), "revision": revision}
        written = deck.patch(f"/records/{segment(record_id)}", body)
    if options.is_table and written["due_at"]:
        # Where it stands is from before its step looks at it again, and may be another in a moment.
        say(one_line(f"{written['code']}: saved; its next step is due, from {written['status']}"))
    else:
        _tell(options, written)


@app.command("move")
def move_records(
    context: typer.Context,
    record_id: Id,
    status: Annotated[str, typer.Argument(metavar="STATUS", help="As the ladder spells it.")],
    note: Annotated[str | None, typer.Option(help="Why, for the record's story.")] = None,
    revision: Revision = None,
) -> None:
    """Put a record at a status, where its next step is due at once.

    Example: daemondeck records move ST0001 "0 - Pending File Info"
    """
    options = options_of(context)
    with options.deck() as deck:
        body = {"status": status, "note": note, "revision": revision}
        _tell(options, deck.post(f"/records/{segment(record_id)}/move", body))


@app.command("skip")
def skip_steps(context: typer.Context, ids: Ids = None) -> None:
    """Move records on as if their step had been done.

    Example: daemondeck records skip ST0001
    """
    _act(context, "skip", ids or [])


@app.command("resume")
def resume_records(
    context: typer.Context,
    ids: Ids = None,
    everything: All = False,
    ladder: OfLadder = None,
) -> None:
    """Have records that wait for a person go on as they are.

    Example: daemondeck records resume --all --ladder stills
    """
    _act(context, "resume", ids or [], {"ladder": ladder, "state": "awaiting"} if everything else None)


@app.command("retry")
def retry_records(
    context: typer.Context,
    ids: Ids = None,
    everything: All = False,
    ladder: OfLadder = None,
    status: AtStatus = None,
    code: WithCode = None,
    parent: Below = None,
    state: Annotated[str, typer.Option(help="With --all: parked, or failing (tried again by themselves).")] = "parked",
) -> None:
    """Have the steps that failed be tried now.

    Example: daemondeck records retry --all --code ERR_DISK_FULL
    """
    chosen = {"ladder": ladder, "status": status, "code": code, "state": state, "parent": parent}
    _act(context, "retry", ids or [], chosen if everything else None)


@app.command("lock")
def lock_record(context: typer.Context, record_id: Id) -> None:
    """Make a record's form yours for two minutes: nobody else changes it meanwhile.

    Example: daemondeck records lock ST0001
    """
    _one(context, record_id, "lock")


@app.command("unlock")
def unlock_record(context: typer.Context, record_id: Id) -> None:
    """Give a record's form back.

    Example: daemondeck records unlock ST0001
    """
    _one(context, record_id, "unlock")


def _one(context: typer.Context, record_id: str, action: str) -> None:
    options = options_of(context)
    with options.deck() as deck:
        _tell(options, deck.post(f"/records/{segment(record_id)}/{action}"))


def _act(context: typer.Context, action: str, ids: list[str], chosen: dict[str, Any] | None = None) -> None:
    """Do it to those named, or to all that are chosen if the person says yes; exit by the worst of them."""
    if bool(ids) is (chosen is not None):
        raise typer.BadParameter(NO_IDS)
    options = options_of(context)
    acted: list[dict[str, Any]] = []
    with options.deck() as deck:
        if chosen is not None:
            chosen |= {"parent": id_of(deck, chosen.get("parent"))}
            ids = [record["id"] for record in deck.pages("/records", ALL_MOST, **chosen)]
            if ids:
                confirm(options, f"{action} {len(ids):,} {'record' if len(ids) == 1 else 'records'}?")
            else:
                note(options, f"0 records: there is none to {action}.")
        for at in range(0, len(ids), AT_ONCE):
            acted += deck.post("/records/bulk", {"action": action, "ids": ids[at : at + AT_ONCE]})["items"]
    if options.is_table:
        for one in acted:
            if not one["error"]:
                say(one_line(f"{one['code']}: {one['status']}"))
    else:
        show(options, acted, ACTED, name="id")
    refused = [_error_of(one) for one in acted if one["error"]]
    for error, about in refused:
        complain(error, about)
    if refused:
        raise typer.Exit(max(error.exit_code for error, _ in refused))


def _error_of(one: dict[str, Any]) -> tuple[CommandError, str]:
    code, message, remedy = (one["error"][name] for name in ("code", "message", "remedy"))
    exit_code = Exit.UNKNOWN if code == "ERR_UNKNOWN_RECORD" else Exit.REFUSED
    return CommandError(exit_code, message, remedy=remedy, code=code), one["code"] or one["id"]


def _tell(options: Options, record: dict[str, Any]) -> None:
    if options.is_table:
        say(one_line(f"{record['code']}: {record['status']}"))
    else:
        show_one(options, record, DETAILS, name="code")


def _read(given: list[str]) -> dict[str, Any]:
    """Read FIELD=VALUE: a list as JSON, anything else as the text it is, nothing as null."""
    fields: dict[str, Any] = {}
    for one in given:
        name, equals, value = one.partition("=")
        if not equals or not name:
            raise typer.BadParameter(f"{one!r} is not FIELD=VALUE.")
        fields[name] = _value(value)
    return fields


def _value(text: str) -> Any:
    if not text.startswith("["):
        return text or None
    try:
        return json.loads(text)
    except ValueError:
        return text

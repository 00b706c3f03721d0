"""Commands for questions: `daemondeck inbox ls|get|answer`."""

import json
import sys
from typing import Annotated, Any

import typer

from daemons.cli.deck import Deck
from daemons.cli.exits import CommandError, Exit
from daemons.cli.options import Options, options_of
from daemons.cli.printing import Columns, age, cell, note, one_line, say, show, show_one
from daemons.cli.switching import segment

app = typer.Typer(help="See what daemons and jobs ask, and answer.")

COLUMNS: Columns = {
    "ID": lambda question: question["id"],
    "ASKED BY": lambda question: question["daemon_name"] or question["job_id"],
    "QUESTION": lambda question: question["title"],
    "STATE": lambda question: question["state"],
    "AGE": lambda question: age(question["created_at"]),
    "UNTIL": lambda question: question["deadline"],
}
DETAILS: Columns = {
    "Id": lambda question: question["id"],
    "Question": lambda question: question["title"],
    "Detail": lambda question: question["detail"],
    "State": lambda question: question["state"],
    "Daemon": lambda question: question["daemon_name"],
    "Job": lambda question: question["job_id"],
    "Asked": lambda question: question["created_at"],
    "Until": lambda question: question["deadline"],
    "Without an answer": lambda question: question["fallback"],
    "Suggestion": lambda question: question["suggestion"],
    "Fields": lambda question: ", ".join(_fields(question)),
    "Answer": lambda question: question["answer"],
    "Answered by": lambda question: question["answered_by"],
}
Id = Annotated[str, typer.Argument(metavar="ID", help="Id of the question.")]


@app.command("ls")
def list_questions(
    context: typer.Context,
    everything: Annotated[bool, typer.Option("--all", help="Those that were answered too.")] = False,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="At most so many.")] = 50,
) -> None:
    """List what waits for an answer, the newest first, and say how many records wait for a person.

    Example: daemondeck inbox ls
    """
    options = options_of(context)
    with options.deck() as deck:
        questions = deck.pages("/questions", limit, state="all" if everything else "open")
        records = _waiting_records(deck) if options.is_table and not options.quiet else 0
    if questions or not options.is_table:
        show(options, questions, COLUMNS, name="id")
    else:
        note(options, "Nobody asks anything now.")
    if records:
        which = "1 record waits" if records == 1 else f"{records:,} records wait"
        note(options, f"{which} for a person: `daemondeck records ls --state awaiting` lists them.")


@app.command("get")
def get_question(context: typer.Context, question_id: Id) -> None:
    """Show a question and the fields of its answer.

    Example: daemondeck inbox get 7c1b0e0e-1d58-4c9b-8f43-6b8f3f1f5a10
    """
    options = options_of(context)
    with options.deck() as deck:
        show_one(options, deck.get(f"/questions/{segment(question_id)}"), DETAILS, name="id")


@app.command("answer")
def answer_question(
    context: typer.Context,
    question_id: Id,
    fields: Annotated[list[str] | None, typer.Argument(metavar="FIELD=VALUE…", help="The answer.")] = None,
    text: Annotated[str | None, typer.Option("--json", help="The whole answer as JSON.")] = None,
) -> None:
    """Answer: by fields, as JSON, or asked for each field on a terminal.

    Example: daemondeck inbox answer 7c1… shelf=keep note="a good one"
    """
    options = options_of(context)
    with options.deck() as deck:
        question: dict[str, Any] = deck.get(f"/questions/{segment(question_id)}")
        if text is not None:
            value = _parsed(text)
        elif fields:
            value = {name: _value(question, name, given) for name, given in map(_split, fields)}
        else:
            value = _prompted(options, question)
        answered = deck.post(f"/questions/{segment(question_id)}/answer", {"answer": value})
    if options.is_table:
        say(one_line(f"{answered['id']}: {answered['state']}"))
    else:
        show_one(options, answered, DETAILS, name="id")


def _waiting_records(deck: Deck) -> int:
    ladders = deck.get("/ladders")["items"]
    return sum(deck.get(f"/ladders/{segment(ladder['name'])}/news")["awaiting"] for ladder in ladders)


def _fields(question: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = question["form"].get("properties", {})
    return found


def _split(given: str) -> tuple[str, str]:
    name, equals, value = given.partition("=")
    if not equals:
        raise typer.BadParameter(f"{given!r} is not FIELD=VALUE.")
    return name, value


def _value(question: dict[str, Any], name: str, given: str) -> Any:
    """Read a value as its field wants it: text as it stands, anything else as JSON where it is JSON."""
    if _fields(question).get(name, {}).get("type") == "string":
        return given
    try:
        return json.loads(given)
    except ValueError:
        return given


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise typer.BadParameter(f"--json is not JSON: {error}") from error


def _prompted(options: Options, question: dict[str, Any]) -> dict[str, Any]:
    if not sys.stdin.isatty():
        raise CommandError(
            Exit.USAGE,
            "There is no answer.",
            remedy=f"Give {' '.join(f'{name}=…' for name in _fields(question))} or --json.",
            code="ERR_USAGE",
        )
    note(options, one_line(question["title"]))
    suggestion = question["suggestion"] or {}
    answer = {}
    for name, schema in _fields(question).items():
        choices = f" ({', '.join(map(str, schema['enum']))})" if "enum" in schema else ""
        default = suggestion.get(name, schema.get("default"))
        given = typer.prompt(one_line(name + choices), default=cell(default) if default is not None else None, err=True)
        answer[name] = default if default is not None and given == cell(default) else _value(question, name, given)
    return answer

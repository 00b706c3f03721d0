"""Commands for many jobs at once: those that match a question, and the operations that this begins."""

from typing import Annotated, Any

import typer

from daemons.cli.options import Options, options_of
from daemons.cli.printing import Columns, age, confirm, note, one_line, say, show, show_one
from daemons.cli.switching import segment

COLUMNS: Columns = {
    "ID": lambda one: one["id"],
    "WHAT": lambda one: one["description"],
    "STATE": lambda one: one["state"],
    "DONE": lambda one: f"{one['done'] + one['refused']}/{one['total']}",
    "REFUSED": lambda one: one["refused"] or None,
    "BY": lambda one: one["who"],
    "AGE": lambda one: age(one["created_at"]),
}
DETAILS: Columns = {
    **{name.capitalize(): read for name, read in COLUMNS.items()},
    "Refusals": lambda one: ", ".join(f"{job['job_id']} {job['code']}" for job in one.get("refusals", ())) or None,
}


def all_matching(options: Options, action: str, q: str, *, dry_run: bool) -> None:
    """Do `action` to all jobs that match `q` now, or only tell which; needs --yes."""
    with options.deck() as deck:
        body: dict[str, Any] = {"action": action, "q": q}
        if dry_run:
            preview = deck.post("/jobs/bulk", {**body, "dry_run": True})
            note(options, one_line(f"{preview['description']}; nothing was done."))
            if options.is_table:
                for job_id in preview["ids"]:
                    say(job_id)
            else:
                show_one(options, preview, {"Jobs": lambda one: one["count"]}, name="description")
            return
        if not options.yes:
            confirm(options, f"{deck.post('/jobs/bulk', {**body, 'dry_run': True})['description']}?")
        operation = deck.post("/jobs/bulk", body)
    note(options, one_line(f"{operation['description']}: begun. `daemondeck jobs operation {operation['id']}`"))
    if options.is_table:
        say(operation["id"])
    else:
        show_one(options, operation, DETAILS, name="id")


def list_operations(
    context: typer.Context,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="At most so many.")] = 20,
) -> None:
    """List commands for many jobs and how far they are, the newest first.

    Example: daemondeck jobs operations
    """
    options = options_of(context)
    with options.deck() as deck:
        operations = deck.pages("/operations", limit)
    show(options, operations, COLUMNS, name="id")


def get_operation(
    context: typer.Context,
    operation_id: Annotated[str, typer.Argument(metavar="ID")],
    cancel: Annotated[bool, typer.Option("--cancel", help="Leave the rest of its jobs as they are.")] = False,
) -> None:
    """Show a command for many jobs, what it did and what refused; or cancel the rest of it.

    Example: daemondeck jobs operation 4f1c2f9e-6d0a-4b60-9a55-0f3f5c0f7c11 --cancel
    """
    options = options_of(context)
    path = f"/operations/{segment(operation_id)}"
    with options.deck() as deck:
        shown = deck.post(f"{path}/cancel") if cancel else deck.get(path)
    show_one(options, shown, DETAILS, name="id")

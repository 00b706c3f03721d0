"""Commands for jobs: `daemondeck jobs ls|get|cancel|retry|next|rm|operations`."""

from typing import Annotated, Any

import typer

from daemons.cli.deck import Deck
from daemons.cli.exits import CommandError, Exit
from daemons.cli.job_views import export, views
from daemons.cli.many_jobs import all_matching, get_operation, list_operations
from daemons.cli.options import Options, options_of
from daemons.cli.printing import Columns, age, complain, one_line, progress, say, show, show_one
from daemons.cli.switching import segment

app = typer.Typer(help="See jobs, cancel them, try them again.")

Ids = Annotated[list[str], typer.Argument(help="Ids of jobs; with --all-matching a question.", metavar="ID…|QUERY")]
JobIds = Annotated[list[str], typer.Argument(help="Ids of jobs.", metavar="ID…")]
Matching = Annotated[bool, typer.Option("--all-matching", help="All jobs that match the QUERY now; needs --yes.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only tell how many and which.")]
Filter = Annotated[str | None, typer.Option()]

COLUMNS: Columns = {
    "ID": lambda job: job["id"],
    "TYPE": lambda job: job["type"],
    "STATE": lambda job: job["state"],
    "DAEMON": lambda job: job["daemon_name"],
    "PROGRESS": lambda job: progress(job["progress"]),
    "TRIES": lambda job: f"{job['failures']}/{job['max_attempts']}",
    "AGE": lambda job: age(job["created_at"]),
    "WHY": lambda job: job["error"]["code"] if job["error"] else job["waiting_reason"],
}
DETAILS: Columns = {
    "Id": lambda job: job["id"],
    "Type": lambda job: job["type"],
    "State": lambda job: job["state"],
    "Waits for": lambda job: job["waiting_reason"],
    "Daemon": lambda job: job["daemon_name"],
    "Parent": lambda job: job["parent_id"],
    "Progress": lambda job: progress(job["progress"]),
    "Message": lambda job: (job["progress"] or {}).get("message"),
    "Attempt": lambda job: job["attempt"],
    "Failures": lambda job: f"{job['failures']} of {job['max_attempts']}",
    "Created": lambda job: job["created_at"],
    "Started": lambda job: job["started_at"],
    "Finished": lambda job: job["finished_at"],
    "Arguments": lambda job: job["args"],
    "Result": lambda job: job["result"],
    "Error": lambda job: _sentence(job["error"]),
    "Remedy": lambda job: (job["error"] or {}).get("remedy"),
    "Children": lambda job: len(job["children"]),
    "Refused": lambda job: len(job["refused"]),
}


@app.command("ls")
def list_jobs(
    context: typer.Context,
    state: Annotated[str | None, typer.Option(help="States between commas: queued,running,failed …")] = None,
    type: Annotated[str | None, typer.Option(help="Types between commas.")] = None,
    daemon: Annotated[str | None, typer.Option(help="Name of the daemon that created them.")] = None,
    parent: Annotated[str | None, typer.Option(help="Id of the parent job.")] = None,
    q: Annotated[
        str | None,
        typer.Option("--search", help="A question such as state:failed since:1h, or text in id, type, key or daemon."),
    ] = None,
    sort: Annotated[str | None, typer.Option(help="Order, as in the API.")] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="At most so many.")] = 50,
) -> None:
    """List jobs, the newest first.

    Example: daemondeck jobs ls --state failed --daemon night_watch
    """
    options = options_of(context)
    with options.deck() as deck:
        jobs = deck.pages("/jobs", limit, state=state, type=type, daemon=daemon, parent=parent, q=q, sort=sort)
    show(options, jobs, COLUMNS, name="id")


@app.command("get")
def get_job(context: typer.Context, job_id: Annotated[str, typer.Argument(metavar="ID")]) -> None:
    """Show all that is known of a job.

    Example: daemondeck jobs get 4f1c2f9e-6d0a-4b60-9a55-0f3f5c0f7c11 -o json
    """
    options = options_of(context)
    with options.deck() as deck:
        show_one(options, deck.get(f"/jobs/{segment(job_id)}"), DETAILS, name="id")


@app.command("cancel")
def cancel_jobs(context: typer.Context, ids: Ids, matching: Matching = False, dry_run: DryRun = False) -> None:
    """Cancel jobs. A running one gets a moment to tidy up. With --all-matching: all unfinished that match a QUERY.

    Example: daemondeck jobs cancel type:describe until:2h --all-matching --yes
    """
    _command_all(options_of(context), ids, "cancel", matching=matching, dry_run=dry_run)


@app.command("retry")
def retry_jobs(context: typer.Context, ids: Ids, matching: Matching = False, dry_run: DryRun = False) -> None:
    """Run finished jobs again. With --all-matching: all that failed or were cancelled and match a QUERY.

    Example: daemondeck jobs retry state:failed code:ERR_TIMEOUT --all-matching --dry-run
    """
    _command_all(options_of(context), ids, "retry", matching=matching, dry_run=dry_run)


@app.command("next")
def run_next(context: typer.Context, ids: JobIds) -> None:
    """Have queued jobs run before all others of their lane; of several, the last one first.

    Example: daemondeck jobs next 4f1c2f9e-6d0a-4b60-9a55-0f3f5c0f7c11
    """
    _command(options_of(context), ids, "next")


@app.command("rm")
def remove_jobs(context: typer.Context, ids: JobIds) -> None:
    """Forget finished jobs, with their attempts. How many there were is kept.

    Example: daemondeck jobs rm 4f1c2f9e-6d0a-4b60-9a55-0f3f5c0f7c11
    """
    _command(options_of(context), ids, "rm")


app.command("views")(views)
app.command("export")(export)
app.command("operations")(list_operations)
app.command("operation")(get_operation)


def _command_all(options: Options, words: list[str], command: str, *, matching: bool, dry_run: bool) -> None:
    if matching:
        all_matching(options, command, " ".join(words), dry_run=dry_run)
    elif dry_run:
        raise typer.BadParameter("--dry-run goes with --all-matching.")
    else:
        _command(options, words, command)


def _command(options: Options, ids: list[str], command: str) -> None:
    done: list[dict[str, Any]] = []
    code = Exit.DONE
    with options.deck() as deck:
        for job_id in ids:
            try:
                done.append(_ask(deck, job_id, command))
            except CommandError as error:
                if error.exit_code in (Exit.UNREACHABLE, Exit.NOT_ALLOWED):
                    raise
                complain(error, job_id)
                code = max(code, Exit(error.exit_code))
    if options.is_table:
        for job in done:
            say(one_line(f"{job['id']}: {job['state']}"))
    else:
        show(options, done, COLUMNS, name="id")
    raise typer.Exit(code)


def _ask(deck: Deck, job_id: str, command: str) -> dict[str, Any]:
    if command == "rm":
        deck.delete(f"/jobs/{segment(job_id)}")
        return {"id": job_id, "state": "removed"}
    job: dict[str, Any] = deck.post(f"/jobs/{segment(job_id)}/{command}")
    return job


def _sentence(error: dict[str, Any] | None) -> str | None:
    """Return an error and its causes as one line, the outermost first."""
    parts: list[str] = []
    while error:
        parts.append(f"{error['code']}: {error['message']}")
        error = error.get("cause")
    return " ← ".join(parts) or None

"""Commands for notifications: `daemondeck notify ls|add|edit|test|rm|log|incidents`."""

from typing import Annotated, Any

import typer

from daemons.cli.exits import Exit
from daemons.cli.options import options_of
from daemons.cli.printing import Columns, age, note, show, show_one
from daemons.cli.switching import segment

app = typer.Typer(help="Tell people when something goes wrong, and when it is over.")

COLUMNS: Columns = {
    "NAME": lambda one: one["name"],
    "KIND": lambda one: one["kind"],
    "OF": lambda one: ", ".join(one["events"]),
    "QUIET": lambda one: f"{one['quiet_from']}-{one['quiet_until']}" if one["quiet_from"] else None,
    "ON": lambda one: one["enabled"],
}
LOG: Columns = {
    "AGE": lambda one: age(one["created_at"]),
    "TO": lambda one: one["target_name"],
    "OUTCOME": lambda one: one["outcome"],
    "TITLE": lambda one: one["title"],
    "WHY": lambda one: one["detail"],
}
INCIDENTS: Columns = {
    "AGE": lambda one: age(one["opened_at"]),
    "KIND": lambda one: one["kind"],
    "TIMES": lambda one: one["count"],
    "OVER": lambda one: one["recovered_at"],
    "WHAT": lambda one: one["message"],
}
Name = Annotated[str, typer.Argument(metavar="NAME", help="The target.")]
Events = Annotated[str | None, typer.Option("--events", help="Between commas: daemons,storage,deck,input,drained.")]
Quiet = Annotated[str | None, typer.Option("--quiet-hours", help="Held back between: 22:00-07:00.")]
Zone = Annotated[str | None, typer.Option("--zone", help="Time zone of the quiet hours.")]
AtOnce = Annotated[
    bool | None, typer.Option("--errors-at-once/--errors-wait", help="Whether errors break through quiet hours.")
]
Limit = Annotated[int, typer.Option("--limit", "-n", min=1, max=500, help="At most so many.")]


@app.command("ls")
def list_targets(context: typer.Context) -> None:
    """List who is told of what. Example: daemondeck notify ls"""
    options = options_of(context)
    with options.deck() as deck:
        show(options, deck.get("/notifications/targets")["items"], COLUMNS)


@app.command("add")
def add_target(
    context: typer.Context,
    name: Name,
    url: Annotated[str | None, typer.Argument(metavar="URL", help="Address; asked for if it is left out.")] = None,
    webhook: Annotated[bool, typer.Option("--webhook", help="A webhook of your own instead of apprise.")] = False,
    signed: Annotated[bool, typer.Option("--signed", help="Ask for the secret that signs a webhook.")] = False,
    events: Events = None,
    quiet_hours: Quiet = None,
    errors_at_once: AtOnce = None,
    zone: Zone = None,
) -> None:
    """Add somebody to be told. Example: daemondeck notify add phone ntfy://localhost/deck --events daemons,input"""
    options = options_of(context)
    address = url or typer.prompt("Address", hide_input=True, err=True)
    secret = typer.prompt("Secret", hide_input=True, err=True) if signed else None
    body = {"name": name, "kind": "webhook" if webhook else "apprise", "url": address, "secret": secret}
    with options.deck() as deck:
        show_one(
            options,
            deck.post("/notifications/targets", {**body, **_rules(events, quiet_hours, zone, errors_at_once)}),
            COLUMNS,
        )


@app.command("edit")
def edit_target(
    context: typer.Context,
    name: Name,
    events: Events = None,
    quiet_hours: Quiet = None,
    errors_at_once: AtOnce = None,
    zone: Zone = None,
    enabled: Annotated[bool | None, typer.Option("--on/--off", help="Whether it is told at all.")] = None,
) -> None:
    """Change of what somebody is told. Example: daemondeck notify edit phone --quiet-hours 22:00-07:00"""
    options = options_of(context)
    switch = {} if enabled is None else {"enabled": enabled}
    with options.deck() as deck:
        body = {**_rules(events, quiet_hours, zone, errors_at_once), **switch}
        show_one(options, deck.patch(f"/notifications/targets/{segment(name)}", body), COLUMNS)


@app.command("test")
def test_target(context: typer.Context, name: Name) -> None:
    """Send a test message now; exit code 1 if it does not arrive. Example: daemondeck notify test phone"""
    options = options_of(context)
    with options.deck() as deck:
        sent = deck.post(f"/notifications/targets/{segment(name)}/test")
    show_one(options, sent, LOG, name="outcome")
    raise typer.Exit(Exit.DONE if sent["outcome"] == "sent" else Exit.FAILED)


@app.command("rm")
def remove_target(context: typer.Context, name: Name) -> None:
    """Tell somebody no more. Example: daemondeck notify rm phone"""
    options = options_of(context)
    with options.deck() as deck:
        deck.delete(f"/notifications/targets/{segment(name)}")
    note(options, f"{name}: removed.")


@app.command("log")
def list_deliveries(context: typer.Context, limit: Limit = 50) -> None:
    """List what was sent, newest first. Example: daemondeck notify log -n 20"""
    options = options_of(context)
    with options.deck() as deck:
        show(options, deck.get("/notifications/deliveries", limit=limit)["items"], LOG, name="id")


@app.command("incidents")
def list_incidents(context: typer.Context, limit: Limit = 50) -> None:
    """List what went wrong, newest first. Example: daemondeck notify incidents"""
    options = options_of(context)
    with options.deck() as deck:
        show(options, deck.get("/notifications/incidents", limit=limit)["items"], INCIDENTS, name="id")


def _rules(events: str | None, quiet_hours: str | None, zone: str | None, at_once: bool | None) -> dict[str, Any]:
    rules: dict[str, Any] = {} if at_once is None else {"errors_at_once": at_once}
    if events is not None:
        rules["events"] = [topic.strip() for topic in events.split(",") if topic.strip()]
    if quiet_hours is not None:
        begins, dash, ends = quiet_hours.partition("-")
        if not dash:
            raise typer.BadParameter("Quiet hours are written as 22:00-07:00.")
        rules |= {"quiet_from": begins, "quiet_until": ends}
    return {**rules, **({"zone": zone} if zone else {})}

"""`daemondeck failures`: what failed of a daemon's work, and trying it again."""

from typing import Annotated, Any

import typer

from daemons.cli.looking import Name
from daemons.cli.options import options_of
from daemons.cli.printing import Columns, age, note, show
from daemons.cli.switching import segment
from daemons.cli.times import duration

COLUMNS: Columns = {
    "CODE": lambda group: group["code"],
    "JOBS": lambda group: group["jobs"],
    "ITEMS": lambda group: len(group["items"]),
    "LAST": lambda group: age(group["last_at"]),
    "ASIDE": lambda group: _aside(group),
    "WHAT": lambda group: _what(group),
    "MESSAGE": lambda group: group["message"],
}
NAMES_SHOWN = 3


def failures(
    context: typer.Context,
    name: Name,
    retry: Annotated[str | None, typer.Option(metavar="CODE", help="Try again what failed with this code.")] = None,
    skip: Annotated[
        str | None, typer.Option(metavar="CODE", help="What failed with this code by now needs nobody's action.")
    ] = None,
    mute: Annotated[str | None, typer.Option(metavar="CODE", help="Leave this code out of account; see --for.")] = None,
    length: Annotated[str, typer.Option("--for", help="How long to mute: 20m, 24h, 7d.")] = "24h",
    count: Annotated[str | None, typer.Option(metavar="CODE", help="Count this code again, skipped or muted.")] = None,
    item: Annotated[str | None, typer.Option(metavar="ID", help="Try this one thing again, and nothing else.")] = None,
) -> None:
    """Show what failed of a daemon's work by error code, have it tried again, or set it aside.

    Example: daemondeck failures describe_images --retry ERR_IMAGE_TRUNCATED
    """
    options = options_of(context)
    place = f"/daemons/{segment(name)}/failures"
    with options.deck() as deck:
        if item is not None:
            job = deck.post(f"{place}/{segment(item)}/retry")
            note(options, f"Job {job['id']} tries it again.")
        elif retry is not None:
            done = deck.post(f"{place}/retry", {"code": retry})
            watched = f" (operation {done['operation_id']})" if done["operation_id"] else ""
            note(options, f"Tried again of {name}: jobs {done['jobs']:,}, items {done['items']:,}{watched}.")
        elif skip is not None:
            deck.post(f"{place}/skip", {"code": skip})
            note(options, f"What failed with {skip} by now is not counted as action needed.")
        elif mute is not None:
            deck.post(f"{place}/mute", {"code": mute, "for": duration(length).total_seconds()})
            note(options, f"Failures with {mute} are not counted for {length}.")
        elif count is not None:
            deck.post(f"{place}/count", {"code": count})
            note(options, f"Failures with {count} are counted again.")
        else:
            show(options, deck.get(place)["items"], COLUMNS, name="code")


def _aside(group: dict[str, Any]) -> str:
    if not group["is_set_aside"]:
        return "-"
    return "skipped" if group["muted_until"] is None else "muted"


def _what(group: dict[str, Any]) -> str:
    names = [item["name"] for item in group["items"][:NAMES_SHOWN]]
    more = len(group["items"]) - len(names)
    if names:
        return ", ".join(names) + (f" and {more} more" if more > 0 else "")
    return f"job {group['job_id']}" if group["job_id"] else "-"

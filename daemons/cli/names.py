"""What the shell proposes: names that the running deck knows. Quick, and silent when there is none."""

from collections.abc import Callable, Iterable
from typing import Any

import typer

from daemons.cli.exits import CommandError
from daemons.cli.options import Options, Output
from daemons.errors import DaemonError

SECONDS = 1.0
NAMES = 200


def complete_daemons(context: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    """Propose the names of daemons, each with its state."""
    return _proposed(context, incomplete, "/daemons", lambda one: (one["name"], one["state"]), limit=NAMES)


def complete_jobs(context: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    """Propose the ids of jobs, the newest first, each with its type and state."""
    return _proposed(
        context, incomplete, "/jobs", lambda one: (one["id"], f"{one['type']}, {one['state']}"), limit=NAMES
    )


def complete_daemons_and_jobs(context: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    """Propose names of daemons, then ids of jobs."""
    return complete_daemons(context, incomplete) + complete_jobs(context, incomplete)


def complete_types(context: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    """Propose types of daemons."""
    return _proposed(context, incomplete, "/types", lambda one: (one["name"], one["title"]))


def complete_job_types(context: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    """Propose types of jobs."""
    return _proposed(context, incomplete, "/types", lambda one: (one["type"], f"lane {one['lane']}"), key="jobs")


def _proposed(
    context: typer.Context,
    incomplete: str,
    path: str,
    read: Callable[[Any], tuple[str, str]],
    *,
    key: str = "items",
    **parameters: object,
) -> list[tuple[str, str]]:
    try:
        with _options(context).deck() as deck:
            found: Iterable[Any] = deck.get(path, **parameters)[key]
    except (DaemonError, CommandError, OSError, KeyError):
        return []
    proposals = (read(one) for one in found)
    return [(name, help) for name, help in proposals if name.startswith(incomplete)]


def _options(context: typer.Context) -> Options:
    """Return the options typed so far: the callback that reads them has not run while the shell asks."""
    given = context.find_root().params
    server, token, config, data_dir = map(given.get, ("server", "token", "config", "data_dir"))
    return Options(server, token, Output.JSON, True, True, SECONDS, config, data_dir)

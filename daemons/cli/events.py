"""`daemondeck events`: what is, and what changes, as JSON lines."""

import asyncio
from contextlib import aclosing
from typing import Annotated

import typer

from daemons.cli.deck import LOST, Deck
from daemons.cli.names import complete_daemons
from daemons.cli.options import Options, options_of
from daemons.cli.printing import as_json, note, say


def events(
    context: typer.Context,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what changes from now on.")] = False,
    topics: Annotated[str, typer.Option(help="Between commas: daemons, jobs, logs and more.")] = "daemons,jobs",
    daemon: Annotated[
        str | None, typer.Option(help="Only this daemon, its jobs and its log.", autocompletion=complete_daemons)
    ] = None,
    job: Annotated[str | None, typer.Option(help="Only this job and its log.")] = None,
) -> None:
    """Print what is as JSON lines; with -f also every change, through restarts of the deck.

    Example: daemondeck events -f --topics jobs | jq -r 'select(.data.state == "failed").data.id'
    """
    options = options_of(context)
    with options.deck() as deck:
        asyncio.run(_print_frames(options, deck, topics, follow=follow, daemon=daemon, job=job))


async def _print_frames(options: Options, deck: Deck, topics: str, *, follow: bool, **filters: object) -> None:
    async with aclosing(deck.frames(topics, **filters)) as frames:
        async for frame in frames:
            if frame is None:
                note(options, "-- connected again --")
            elif frame.type == LOST:
                note(options, "-- no connection, trying again --")
            elif frame.type == "heartbeat":
                # The first one ends what the deck tells anybody who comes.
                if not follow:
                    return
            elif frame.type == "snapshot":
                for item in frame.items:
                    say(as_json({"topic": frame.topic, "type": "present", "data": item}))
            elif frame.type != "hello":
                say(as_json({"topic": frame.topic, "type": frame.type, "data": frame.data}))

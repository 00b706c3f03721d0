"""`daemondeck top`: the deck on one live screen of the terminal."""

import sys

import typer

from daemons.cli.exits import CommandError, Exit
from daemons.cli.options import options_of


def top(context: typer.Context) -> None:
    """Show all daemons and what they log, live, and switch them by a key. Needs the extra `top`.

    Example: daemondeck top
    """
    try:
        import textual  # noqa: F401 - asked for here, so that what is missing can be told
    except ModuleNotFoundError as error:
        raise CommandError(
            Exit.SETTINGS,
            "`daemondeck top` needs textual, which is not installed.",
            remedy="Install it: pip install 'daemondeck[top]'. `daemondeck status --watch` shows the same without.",
            code="ERR_EXTRA_MISSING",
        ) from error
    if not sys.stdout.isatty():
        raise CommandError(
            Exit.USAGE,
            "`daemondeck top` needs a terminal.",
            remedy="`daemondeck status --watch` tells each change on a line of its own.",
            code="ERR_NO_TERMINAL",
        )
    from daemons.cli.screen import Screen

    options = options_of(context)
    with options.deck() as deck:
        deck.get("/daemons", limit=1)
        screen = Screen(deck)
        screen.run()
    raise typer.Exit(Exit.DONE if screen.failure is None else screen.failure.exit_code)

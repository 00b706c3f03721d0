"""`daemondeck serve`."""

from typing import Annotated

import typer

from daemons.cli import importing, without
from daemons.cli.options import options_of


def serve(
    context: typer.Context,
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; 0 takes a free one.")] = None,
    base_path: Annotated[str | None, typer.Option(help="Path under which a proxy shows the deck.")] = None,
    describe: Annotated[
        list[str] | None, typer.Option(metavar="DIR", help="Describe the photographs of this folder.")
    ] = None,
) -> None:
    """Run the deck until it is told to stop, and print the link that signs in.

    Example: daemondeck serve --port 0 --describe ~/Pictures
    """
    # Imported here: no other command needs any of it. structlog takes rich along where it finds it, 70 modules that
    # draw tracebacks; ours are plain text.
    with importing(), without("rich"):
        from daemons.cli.serving import serve_deck

    flags = {"host": host, "port": port, "base_path": base_path}
    serve_deck(options_of(context), flags, describe or ())

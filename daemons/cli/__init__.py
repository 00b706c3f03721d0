"""The command line: the only code that sees both `daemons` and `web`."""

import sys
from io import TextIOWrapper


def main() -> None:
    """Run the command in `sys.argv` and end the process with its exit code."""
    from daemons.cli.app import run

    for stream in (sys.stdout, sys.stderr):
        # A terminal that knows no arrows gets \\u2192 rather than a traceback.
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    sys.exit(run(sys.argv[1:]))

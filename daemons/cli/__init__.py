"""The command line: the only code that sees both `daemons` and `web`."""

import sys


def main() -> None:
    """Run the command in `sys.argv` and end the process with its exit code."""
    from daemons.cli.app import run

    sys.exit(run(sys.argv[1:]))

"""The command line: the only code that sees both `daemons` and `web`."""

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import TextIOWrapper

GARBAGE = 5_000
"""New objects after which Python looks for garbage in circles. At the 700 of Python 3.11 that took 8 % of the processor
time of a climb of 300 slots."""


def main() -> None:
    """Run the command in `sys.argv` and end the process with its exit code."""
    with importing():
        from daemons.cli.app import run

    for stream in (sys.stdout, sys.stderr):
        # A terminal that knows no arrows gets \\u2192 rather than a traceback.
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    sys.exit(run(sys.argv[1:]))


@contextmanager
def importing() -> Iterator[None]:
    """Import inside without garbage collection: modules are no garbage, and looking costs a sixth of a start.

    From then on, all that there is by then is left alone, and garbage is looked for every GARBAGE objects.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.set_threshold(GARBAGE, *gc.get_threshold()[1:])
        gc.enable()


@contextmanager
def without(library: str) -> Iterator[None]:
    """Import inside as where `library` is not installed, unless it is loaded already."""
    if library in sys.modules:
        yield
        return
    # How Python itself is told that there is no such module.
    sys.modules[library] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules[library]

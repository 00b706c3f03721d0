"""What a command makes of how daemons are after it."""

from typing import Any

import pytest

from daemons.cli.daemons import _is_stopped
from daemons.cli.exits import Exit
from daemons.cli.switching import Round


def daemon(state: str, desired: str, error: str | None = None) -> dict[str, Any]:
    return {"name": "one", "state": state, "desired": desired, "last_error": error and {"message": error}}


def after(*states: dict[str, Any]) -> Round:
    """Return a stop of a daemon that waited for its next start, after it has gone through these states."""
    turn = Round(_is_stopped, {"one": daemon("backoff", "on", "first")})
    for state in states:
        turn.present["one"] = state
    return turn


@pytest.mark.parametrize("state", ["starting", "backoff", "stopping"])
def test_a_daemon_that_fails_once_more_while_it_is_told_to_stop_is_waited_for(state: str) -> None:
    on_the_way = after(daemon(state, "off", "second"))
    stopped = after(daemon(state, "off", "second"), daemon("stopped", "off", "second"))

    assert on_the_way.is_open
    assert (stopped.is_open, stopped.outcome("one")) == (False, Exit.DONE)


def test_a_daemon_that_cannot_be_stopped_is_a_failure() -> None:
    stuck = after(daemon("stuck", "off", "deaf"))

    assert (stuck.is_open, stuck.outcome("one")) == (False, Exit.FAILED)

"""What a record is doing, in one word: told from the record as the API shows it and its ladder's waiting place."""

from collections.abc import Callable, Mapping
from typing import Any, Literal

State = Literal["complete", "awaiting", "parked", "running", "failing", "waiting", "resting"]
"""At the end of its ladder; in need of a person; given up; in hand; to be tried again; due; with nothing to do until
what is below it is complete, or somebody moves it."""
AwaitingOf = Callable[[str], str | None]
"""Returns the status at which records of a ladder wait for a person, None where none does."""


def nobody_awaits(_ladder: str) -> None:
    """Return that no record of the ladder waits for a person."""
    return


def state_of(record: Mapping[str, Any], awaiting_of: AwaitingOf) -> State:
    """Return the one word that says most about `record`."""
    if record["is_complete"]:
        return "complete"
    if record["parked_at"]:
        return "parked"
    if record["running_since"]:
        return "running"
    if record["due_at"]:
        return "failing" if record["attempts"] else "waiting"
    return "awaiting" if record["status"] == awaiting_of(record["ladder"]) else "resting"

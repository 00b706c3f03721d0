"""What is shown of arguments and results: everything but the values of names that sound like secrets."""

from typing import Any

from daemons.settings import MASK, SECRET_NAME
from daemons.values import Job, JsonValue


def masked(value: JsonValue) -> JsonValue:
    """Return `value` with a mask for what stands under the name of a secret, however deep; a number is none."""
    if isinstance(value, dict):
        return {
            name: MASK if inner and not isinstance(inner, int | float) and SECRET_NAME.search(name) else masked(inner)
            for name, inner in value.items()
        }
    if isinstance(value, list):
        return [masked(inner) for inner in value]
    return value


def unmasked(value: JsonValue, before: JsonValue) -> JsonValue:
    """Return `value` with what stood behind each mask in `before`: who sends back what was shown means that."""
    if value == MASK:
        return before
    if isinstance(value, dict) and isinstance(before, dict):
        return {name: unmasked(inner, before.get(name, inner)) for name, inner in value.items()}
    if isinstance(value, list) and isinstance(before, list) and len(value) == len(before):
        return [unmasked(inner, old) for inner, old in zip(value, before, strict=True)]
    return value


def shown_job(job: Job) -> dict[str, Any]:
    """Return a job as the API shows it."""
    shown = job.as_dict()
    return {**shown, "args": masked(shown["args"]), "result": masked(shown["result"])}

"""Settings that are lists, where the environment gives text."""

import json


def as_list(value: object) -> object:
    """Take a JSON list or words between commas for a list."""
    if not isinstance(value, str):
        return value
    if value.lstrip().startswith("["):
        return json.loads(value)
    return [word.strip() for word in value.split(",") if word.strip()]

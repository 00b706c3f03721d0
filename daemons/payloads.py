"""What may be stored as the arguments or the result of a job: JSON, not too big."""

import json

from daemons.errors import Invalid
from daemons.values import JsonValue

PAYLOAD_BYTES = 1_048_576
"""Arguments and results are at most this long, written as JSON."""


class NotJson(Invalid):
    """The value cannot be written as JSON."""

    code = "ERR_NOT_JSON"


class TooLarge(Invalid):
    """The value is too large to be stored."""

    code = "ERR_TOO_LARGE"


def encode(value: JsonValue, what: str) -> bytes:
    """Return `value` as canonical JSON. Raises NotJson or TooLarge, saying that it was `what`."""
    try:
        text = json.dumps(value, allow_nan=False, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
        # A lone surrogate passes json but no database.
        encoded = text.encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise NotJson(f"{what} cannot be written as JSON: {error or type(error).__name__}.") from error
    if len(encoded) > PAYLOAD_BYTES:
        raise TooLarge(
            f"{what} would take {len(encoded):,} bytes; {PAYLOAD_BYTES:,} are allowed.",
            remedy="Store the data in a file and pass its path.",
        )
    return encoded

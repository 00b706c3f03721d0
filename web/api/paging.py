"""What every list takes and gives: a limit, an opaque cursor, and where the next page begins."""

import base64
import binascii
from collections.abc import Sequence
from typing import Any

from pydantic import Field

from daemons.errors import Invalid
from web.parsing import Query

LIMIT = 50
LIMIT_MOST = 500


class ListQuery(Query):
    """Parameters of every list."""

    limit: int = Field(LIMIT, ge=1, le=LIMIT_MOST, description="Items of one page at the most.")
    cursor: str | None = Field(None, max_length=1000, description="The `next` of the page before.")


def cursor_of(place: str) -> str:
    """Return the cursor for what stands after `place`."""
    return base64.urlsafe_b64encode(place.encode()).decode()


def place_of(cursor: str) -> str:
    """Read what `cursor_of` wrote. Raises Invalid."""
    try:
        return base64.b64decode(cursor, altchars=b"-_", validate=True).decode()
    except (ValueError, binascii.Error) as error:
        raise Invalid(
            "The cursor is not one that this list gave.", remedy="Begin again without a cursor.", code="ERR_BAD_CURSOR"
        ) from error


def next_id(items: Sequence[Any], limit: int, *, forward: bool) -> str | None:
    """Return the id after (or before) which the next page of numbered lines begins, None if this one is not full."""
    if len(items) < limit:
        return None
    return str(items[-1].id if forward else items[0].id)

"""The call that finds records like one: more like this."""

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from daemons.errors import Invalid
from daemons.values import Page
from web.api import shapes
from web.api.calls import Call
from web.api.paging import ListQuery, cursor_of, place_of
from web.api.records import RecordShape, all_shown, keeper_of, record_of
from web.encoding import Listing

DIGITS_MOST = 18
"""Of a number in a cursor."""


class SimilarQuery(ListQuery):
    """How many, the most alike first."""

    limit: int = Field(24, ge=1, le=100, description="Items of one page at the most.")


class SimilarShape(RecordShape):
    """A record, and how much it is like the one that was asked about: 1 is the same."""

    score: float


class SimilarPage(shapes.Shape):
    items: list[SimilarShape]
    next: str | None


async def find_similar(request: Request, query: SimilarQuery) -> Page:
    """Return records like the one that the path names, as the API shows them; `next` is a cursor.

    Raises NothingToCompare, which says when it will have something to be compared by.
    """
    record = await record_of(request)
    after = _place(query.cursor) if query.cursor else None
    page = await keeper_of(request).similar.like(record.id, after=after, limit=query.limit)
    records = await all_shown(request, [like.record for like in page.items])
    found = [{**record, "score": like.score} for record, like in zip(records, page.items, strict=True)]
    return Page(found, cursor_of(page.next) if page.next else None)


async def list_similar_records(request: Request, query: SimilarQuery) -> Response:
    page = await find_similar(request, query)
    return Listing(page.items, page.next)


def _place(cursor: str) -> tuple[int, int]:
    score, _, number = place_of(cursor).partition(".")
    if not all(part.isascii() and part.isdigit() and len(part) <= DIGITS_MOST for part in (score, number)):
        raise Invalid("The cursor is not one that this list gave.", code="ERR_BAD_CURSOR")
    return int(score), int(number)


CALLS = [
    Call(
        "GET",
        "/api/records/{id}/similar",
        list_similar_records,
        "Records whose words are like those of one, the most alike first, each with how much it is.",
        SimilarPage,
        also={409: shapes.ProblemAnswer},
        command="daemondeck records similar {id}",
    )
]

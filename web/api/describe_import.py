"""The call that takes over what older programs described."""

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response

from daemons.errors import Conflict
from daemons.workflows.describe.keeper import Brought, DescriptionKeeper, path_of
from web.api import shapes
from web.api.calls import Call
from web.context import service
from web.encoding import JsonResponse
from web.parsing import Body, Moment

ITEMS_MOST = 1000
Tokens = Annotated[int, Field(ge=0, le=10_000_000)]


class BroughtItem(BaseModel):
    """One image: what it shows, or why that is not known; neither: it was done, and nothing is known of it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: str = Field(min_length=1, max_length=16_384, description="Below the folder; \\xNN stands for a byte.")
    description: str | None = Field(None, max_length=100_000)
    error: str | None = Field(None, max_length=10_000)
    seconds: float | None = Field(None, ge=0, le=604_800)
    finish: str | None = Field(None, max_length=40)
    prompt_tokens: Tokens | None = None
    output_tokens: Tokens | None = None


class Bringing(Body):
    """A part of what is brought, and when it was made at the latest."""

    items: list[BroughtItem] = Field(max_length=ITEMS_MOST)
    at: Moment | None = None


class ImportedShape(shapes.Shape):
    """What became of it: of files that are not there, and of paths that were refused, the first are named."""

    described: int
    without_words: int
    failed: int
    known: int
    missing: int
    missing_first: list[str]
    refused: int
    refused_first: list[str]


async def import_descriptions(request: Request, body: Bringing) -> Response:
    deck = service(request)
    row = deck.board.get(request.path_params["name"]).row
    known = deck.things.keeper_of(row)
    if known is None or not isinstance(known[0], DescriptionKeeper):
        raise Conflict(f"{row.name} describes no images.", code="ERR_NOT_DESCRIBING")
    items = [Brought(path_of(item.path), *list(item.model_dump().values())[1:]) for item in body.items]
    at: datetime = body.at or deck.clock.now()
    return JsonResponse((await known[0].take_in(known[1], items, at)).as_dict())


CALLS = [
    Call(
        "POST",
        "/api/daemons/{name}/import",
        import_descriptions,
        "Take over what older programs described of its folder; what is known already stays.",
        ImportedShape,
        command="daemondeck describe import progress.txt --daemon {name}",
    ),
]

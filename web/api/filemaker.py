"""Calls about the FileMaker Server whose records climb: what is set, and whether it works."""

from typing import Any

from pydantic import AwareDatetime
from starlette.requests import Request
from starlette.responses import Response

from web.api import shapes
from web.api.calls import Call
from web.api.vision import ProblemShape
from web.context import service
from web.encoding import JsonResponse


class MissingFieldShape(shapes.Shape):
    """A field that the settings name and the layout does not have; it is left alone."""

    name: str
    setting: str
    remedy: str


class LayoutReportShape(shapes.Shape):
    """How one layout is; a `problem` keeps the records of its ladder from climbing."""

    ladder: str
    layout: str
    fields: int
    missing: list[MissingFieldShape]
    problem: ProblemShape | None


class FileMakerReportShape(shapes.Shape):
    """What came of a test."""

    at: AwareDatetime
    url: str
    database: str
    works: bool
    seconds: float | None
    version: str | None
    problem: ProblemShape | None
    layouts: list[LayoutReportShape]


class FileMakerShape(shapes.Shape):
    """The server that is set, an empty url for none; `unset` is the setting without which nothing is asked."""

    url: str
    database: str
    unset: str | None
    layouts: dict[str, str]
    last_test: FileMakerReportShape | None


def filemaker_of(request: Request) -> dict[str, Any]:
    """Return the server that GET /api/filemaker answers."""
    deck = service(request)
    settings = deck.settings.filemaker
    unset = settings.unset()
    report = deck.clients.filemaker.last_report if unset is None else None
    return {
        "url": settings.url,
        "database": settings.database,
        "unset": unset,
        "layouts": {ladder: layout.layout for ladder, layout in settings.layouts().items()},
        "last_test": report.as_dict() if report is not None else None,
    }


async def tested(request: Request) -> dict[str, Any]:
    """Test the server, and return what came of it; health knows at once. Raises NotConfigured."""
    deck = service(request)
    report = await deck.clients.filemaker.check()
    deck.health.look()
    return report.as_dict()


async def get_filemaker(request: Request) -> Response:
    return JsonResponse(filemaker_of(request))


async def test_filemaker(request: Request) -> Response:
    return JsonResponse(await tested(request))


CALLS = [
    Call(
        "GET",
        "/api/filemaker",
        get_filemaker,
        "The FileMaker Server whose records climb, and what came of its last test.",
        FileMakerShape,
        command="daemondeck filemaker show",
    ),
    Call(
        "POST",
        "/api/filemaker/test",
        test_filemaker,
        "Sign in and look at every layout and its fields; nothing is written. It may take a minute.",
        FileMakerReportShape,
        command="daemondeck filemaker test",
    ),
]

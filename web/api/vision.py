"""Calls about the server that describes pictures: what is set, and whether it works."""

from typing import Any

from pydantic import AwareDatetime, Field
from starlette.requests import Request
from starlette.responses import Response

from web.api import shapes
from web.api.calls import Call
from web.context import service
from web.encoding import JsonResponse
from web.parsing import Body


class VisionTest(Body):
    """Which model to ask; without one it is the one of the settings."""

    model: str = Field("", max_length=300)


class ProblemShape(shapes.Shape):
    code: str
    message: str
    remedy: str | None


class KeyShape(shapes.Shape):
    """How the key of that number did. Without keys there is one entry all the same."""

    number: int
    seconds: float | None
    problem: ProblemShape | None


class ReportShape(shapes.Shape):
    """What came of a test: the list of models is told, and relied upon by nobody."""

    at: AwareDatetime
    url: str
    model: str
    works: bool
    seconds: float | None
    said: str | None
    problem: ProblemShape | None
    models: list[str]
    models_problem: str | None
    keys: list[KeyShape]


class VisionShape(shapes.Shape):
    """The server that is set, an empty url for none, and how many keys there are for it."""

    url: str
    model: str
    keys: int
    concurrency: int
    requests_per_minute: int
    tokens_per_minute: int
    last_test: ReportShape | None


def vision_of(request: Request) -> dict[str, Any]:
    """Return the server that GET /api/vision answers."""
    deck = service(request)
    settings = deck.settings.vision
    report = deck.clients.vision.last_report if settings.url else None
    names = ("url", "model", "concurrency", "requests_per_minute", "tokens_per_minute")
    return {
        **{name: getattr(settings, name) for name in names},
        "keys": len(settings.keys()),
        "last_test": report.as_dict() if report else None,
    }


async def get_vision(request: Request) -> Response:
    return JsonResponse(vision_of(request))


async def test_vision(request: Request, body: VisionTest) -> Response:
    return JsonResponse((await service(request).clients.vision.check(body.model)).as_dict())


CALLS = [
    Call(
        "GET",
        "/api/vision",
        get_vision,
        "The server that describes pictures, and what came of its last test.",
        VisionShape,
        command="daemondeck vision show",
    ),
    Call(
        "POST",
        "/api/vision/test",
        test_vision,
        "Ask the server, with each key, about a tiny picture; it may take a minute.",
        ReportShape,
        command="daemondeck vision test",
    ),
]

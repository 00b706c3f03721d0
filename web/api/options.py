"""The options of a daemon as they are in effect, and where each value came from."""

from typing import Any, Literal

from starlette.requests import Request
from starlette.responses import Response

from daemons.errors import DaemonError
from web.api import shapes
from web.api.calls import Call
from web.context import service
from web.encoding import Listing


class OptionShape(shapes.Shape):
    """One option: its value in effect, masked where it is a secret."""

    name: str
    value: Any
    source: Literal["environment", "row", "file", "default"]
    default: Any
    description: str | None
    secret: bool
    restart: bool
    problem: str | None


class OptionPage(shapes.Shape):
    items: list[OptionShape]
    next: None


async def list_options(request: Request) -> Response:
    deck = service(request)
    row = deck.board.get(request.path_params["name"]).row
    try:
        options, sources = deck.registry.effective(row, deck.settings)
    except DaemonError as error:
        # A type that is gone, or a value that is not valid any more: the row's own words, and why.
        return Listing(
            [_option(name, value, "row", {}, problem=error.message) for name, value in row.shown_configuration.items()]
        )
    described = type(options).model_json_schema().get("properties", {})
    return Listing(
        [
            _option(name, value, sources[name], described.get(name, {}), secret=name in row.secret_options)
            for name, value in options.model_dump(mode="json").items()
        ]
    )


def _option(
    name: str, value: Any, source: str, described: dict[str, Any], *, secret: bool = False, problem: str | None = None
) -> dict[str, Any]:
    return {
        "name": name,
        "value": value,
        "source": source,
        "default": described.get("default"),
        "description": described.get("description"),
        "secret": secret,
        "restart": bool(described.get("restart")),
        "problem": problem,
    }


CALLS = [
    Call(
        "GET",
        "/api/daemons/{name}/options",
        list_options,
        "Its options in effect, and where each value came from.",
        OptionPage,
        command="daemondeck config get {name}",
    )
]

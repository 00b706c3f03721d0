"""GET /metrics: what Prometheus collects."""

from starlette.requests import Request
from starlette.responses import Response

from web.api.calls import TEXT, Call
from web.context import context_of

MEDIA_TYPE = "text/plain"


async def get_metrics(request: Request) -> Response:
    # Imported here: most decks are never asked.
    from web.prometheus import exposition

    figures = await exposition(context_of(request.scope))
    return Response(figures, media_type=f"{MEDIA_TYPE}; version=0.0.4")


CALLS = [Call("GET", "/metrics", get_metrics, "Figures for Prometheus.", None, files={MEDIA_TYPE: TEXT})]

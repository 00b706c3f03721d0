"""Is it alive, is it ready, and what should a person mend?"""

from starlette.requests import Request
from starlette.responses import Response

from web.api import shapes
from web.api.calls import Call
from web.context import service
from web.encoding import JsonResponse


async def get_liveness(request: Request) -> Response:
    return JsonResponse({"alive": True})


async def get_readiness(request: Request) -> Response:
    is_ready = service(request).is_ready()
    reasons = [] if is_ready else [finding.code for finding in service(request).problems()]
    return JsonResponse({"ready": is_ready, "reasons": reasons}, 200 if is_ready else 503)


async def get_health(request: Request) -> Response:
    deck = service(request)
    answer = {
        "version": deck.version,
        "boot": deck.boot,
        "started_at": deck.started_at,
        "ready": deck.is_ready(),
        "items": [finding.as_dict() for finding in deck.problems()],
        "next": None,
    }
    return JsonResponse(answer)


async def dismiss_finding(request: Request) -> Response:
    service(request).health.dismiss(request.path_params["code"])
    return await get_health(request)


CALLS = [
    Call("GET", "/healthz", get_liveness, "Whether the process answers; open to anyone.", shapes.LiveShape),
    Call(
        "GET",
        "/readyz",
        get_readiness,
        "Whether work is taken, and if not, why.",
        shapes.ReadyShape,
        also={503: shapes.ReadyShape},
    ),
    Call(
        "GET",
        "/api/health",
        get_health,
        "What is wrong, with what to do about it.",
        shapes.HealthShape,
        command="daemondeck doctor",
    ),
    Call(
        "POST",
        "/api/health/{code}/dismiss",
        dismiss_finding,
        "Show no more what a person knows of and what does not clear by itself.",
        shapes.HealthShape,
        command="daemondeck doctor --dismiss {code}",
    ),
]

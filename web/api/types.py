"""Calls about what can be run."""

from starlette.requests import Request
from starlette.responses import Response

from web.api import shapes
from web.api.calls import Call
from web.context import service
from web.encoding import JsonResponse


async def list_types(request: Request) -> Response:
    registry = service(request).registry
    daemons = [
        {
            "name": known.name,
            "title": known.title,
            "description": known.description,
            "source": known.source,
            "options": registry.options_schema(known.name),
        }
        for known in sorted(registry.types.values(), key=lambda known: known.name)
    ]
    jobs = [
        {
            "type": spec.type,
            "description": spec.description,
            "lane": spec.lane,
            "max_attempts": spec.max_attempts,
            "timeout": spec.timeout,
            "args": spec.args.json_schema() if spec.args is not None else None,
        }
        for spec in sorted(registry.jobs.values(), key=lambda spec: spec.type)
    ]
    return JsonResponse({"items": daemons, "jobs": jobs, "next": None})


CALLS = [
    Call(
        "GET",
        "/api/types",
        list_types,
        "Types of daemons and of jobs, with their schemas.",
        shapes.TypePage,
        command="daemondeck types",
    )
]

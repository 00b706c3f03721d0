"""Calls about notifications: who is told of what, what is wrong, and what was sent."""

from typing import Annotated, Literal

from pydantic import AwareDatetime, Field, StringConstraints
from starlette.requests import Request
from starlette.responses import Response

from daemons.access import Role
from daemons.clock import local_zone
from daemons.errors import Invalid
from daemons.notices import Outcome, Topic
from web.api import shapes
from web.api.calls import Call
from web.api.daemons import Name
from web.api.paging import LIMIT_MOST
from web.context import service
from web.encoding import JsonResponse, Listing
from web.parsing import Body, Query

Hour = Annotated[str, StringConstraints(pattern=r"^\d\d:\d\d$")]
Address = Annotated[str, StringConstraints(max_length=2000)]
Secret = Annotated[str, StringConstraints(min_length=8, max_length=200)]


class NewTarget(Body):
    """Somebody or something to be told."""

    name: Name
    kind: Literal["apprise", "webhook"] = "apprise"
    url: Address = Field(description="Such as ntfy://host/topic, mailto://… or, for a webhook, https://…")
    secret: Secret | None = Field(None, description="Signs a webhook.")
    events: list[Topic] = Field(default_factory=lambda: list(Topic))
    quiet_from: Hour | None = None
    quiet_until: Hour | None = None
    errors_at_once: bool = Field(True, description="Errors do not wait for the end of the quiet hours.")
    zone: str = Field(default_factory=local_zone, max_length=64)
    enabled: bool = True


class TargetChange(Body):
    """What to change."""

    url: Address | None = None
    secret: Secret | None = None
    events: list[Topic] | None = None
    quiet_from: Hour | None = None
    quiet_until: Hour | None = None
    errors_at_once: bool | None = None
    zone: str | None = Field(None, max_length=64)
    enabled: bool | None = None
    revision: int | None = Field(None, description="The revision the change was made on.")


class DeliveryQuery(Query):
    """Which messages to list, newest first."""

    before: int | None = Field(None, ge=0, lt=2**63)
    limit: int = Field(50, ge=1, le=LIMIT_MOST)


class LimitQuery(Query):
    """How many to list."""

    limit: int = Field(50, ge=1, le=LIMIT_MOST)


class TargetShape(shapes.Shape):
    """A target; its address and secret are never shown."""

    id: str
    name: str
    kind: str
    url: str
    secret: str | None
    events: list[Topic]
    enabled: bool
    quiet_from: str | None
    quiet_until: str | None
    errors_at_once: bool
    zone: str
    revision: int
    created_at: AwareDatetime


class TargetPage(shapes.Shape):
    items: list[TargetShape]
    next: None


class IncidentShape(shapes.Shape):
    """Something that went wrong, `count` times, open until it recovered."""

    id: str
    kind: str
    subject: str
    message: str
    count: int
    opened_at: AwareDatetime
    recovered_at: AwareDatetime | None


class IncidentPage(shapes.Shape):
    items: list[IncidentShape]
    next: None


class DeliveryShape(shapes.Shape):
    """One message to one target, and how it went."""

    id: int
    target_id: str | None
    target_name: str
    incident_id: str | None
    kind: str
    urgent: bool
    title: str
    body: str
    outcome: Outcome
    detail: str | None
    tries: int
    next_try_at: AwareDatetime | None
    created_at: AwareDatetime
    finished_at: AwareDatetime | None


class DeliveryPage(shapes.Shape):
    items: list[DeliveryShape]
    next: str | None


async def list_targets(request: Request) -> Response:
    return Listing([target.as_dict() for target in await service(request).notices.targets()])


async def add_target(request: Request, body: NewTarget) -> Response:
    values = body.model_dump(mode="json")
    made = await service(request).notifier.add(values.pop("name"), values)
    return JsonResponse(made.as_dict(), 201, {"Location": f"{request.scope['path']}/{made.name}"})


async def change_target(request: Request, body: TargetChange) -> Response:
    values = body.model_dump(mode="json", exclude_unset=True)
    revision = values.pop("revision", None)
    for name in ("url", "events", "zone", "enabled", "errors_at_once"):
        if name in values and values[name] is None:
            raise Invalid(f"{name} cannot be null.")
    changed = await service(request).notices.edit(request.path_params["name"], values, revision=revision)
    return JsonResponse(changed.as_dict())


async def remove_target(request: Request) -> Response:
    await service(request).notices.remove(request.path_params["name"])
    return Response(status_code=204)


async def test_target(request: Request) -> Response:
    return JsonResponse((await service(request).notifier.test(request.path_params["name"])).as_dict())


async def list_incidents(request: Request, query: LimitQuery) -> Response:
    return Listing([incident.as_dict() for incident in await service(request).incidents.list(query.limit)])


async def list_deliveries(request: Request, query: DeliveryQuery) -> Response:
    found = await service(request).notices.deliveries(before=query.before, limit=query.limit)
    following = str(found[-1].id) if len(found) == query.limit else None
    return Listing([delivery.as_dict() for delivery in found], following)


_ALL, _ONE = "/api/notifications/targets", "/api/notifications/targets/{name}"
CALLS = [
    Call("GET", _ALL, list_targets, "Who is told of what.", TargetPage, command="daemondeck notify ls"),
    Call(
        "POST", _ALL, add_target, "Add somebody to be told.", TargetShape, 201,
        command="daemondeck notify add {name} ntfy://localhost/deck", needs=Role.ADMIN,
    ),
    Call(
        "PATCH", _ONE, change_target, "Change of what somebody is told.", TargetShape,
        command="daemondeck notify edit {name}", needs=Role.ADMIN,
    ),
    Call("DELETE", _ONE, remove_target, "Tell somebody no more.", None, 204, command="daemondeck notify rm {name}",
         needs=Role.ADMIN),
    Call(
        "POST", _ONE + "/test", test_target, "Send a test message now and say how it went.", DeliveryShape,
        command="daemondeck notify test {name}", needs=Role.ADMIN,
    ),
    Call(
        "GET", "/api/notifications/incidents", list_incidents, "What went wrong, newest first.", IncidentPage,
        command="daemondeck notify incidents",
    ),
    Call(
        "GET", "/api/notifications/deliveries", list_deliveries, "What was sent, newest first.", DeliveryPage,
        command="daemondeck notify log",
    ),
]  # fmt: skip

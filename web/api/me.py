"""Calls about whoever asks, for everybody."""

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from daemons.access import Role
from web.api import shapes
from web.api.access import SessionShape
from web.api.calls import Call
from web.api.users import PASSWORD_LONGEST
from web.context import origin_of, service, viewer
from web.encoding import JsonResponse
from web.parsing import Body


class ChangedPassword(Body):
    """The password that is, and the one that shall be."""

    old: str = Field("", max_length=PASSWORD_LONGEST, repr=False)
    new: str = Field(max_length=PASSWORD_LONGEST, repr=False)


class MeShape(shapes.Shape):
    """Who asks, and the browsers in which they are signed in."""

    name: str
    role: Role
    kind: str
    session_id: str | None
    sessions: list[SessionShape]


async def show_me(request: Request) -> Response:
    identity = viewer(request)
    kind = "user" if identity.user_id else "session" if identity.is_session else "program"
    sessions = await service(request).access.sessions(identity)
    return JsonResponse(
        {
            "name": identity.name,
            "role": identity.role.value,
            "kind": kind,
            "session_id": identity.id if identity.is_session else None,
            "sessions": [session.as_dict() for session in sessions],
        }
    )


async def change_password(request: Request, body: ChangedPassword) -> Response:
    access = service(request).access
    await access.change_own_password(viewer(request), body.old, body.new, origin=origin_of(request.scope))
    return Response(status_code=204)


async def end_own_session(request: Request) -> Response:
    await service(request).access.end_session(request.path_params["id"], identity=viewer(request))
    return Response(status_code=204)


async def end_other_sessions(request: Request) -> Response:
    return JsonResponse({"ended": await service(request).access.end_others(viewer(request))})


CALLS = [
    Call("GET", "/api/me", show_me, "Who asks.", MeShape, command="daemondeck user me"),
    Call("POST", "/api/me/password", change_password, "Change one's own password.", None, 204, needs=Role.VIEWER),
    Call(
        "POST",
        "/api/me/sessions/end-others",
        end_other_sessions,
        "Sign oneself out everywhere else.",
        shapes.EndedShape,
        needs=Role.VIEWER,
    ),
    Call("DELETE", "/api/me/sessions/{id}", end_own_session, "End one of one's own.", None, 204, needs=Role.VIEWER),
]

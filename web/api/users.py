"""Calls about people, for admins only."""

from pydantic import AwareDatetime, Field
from starlette.requests import Request
from starlette.responses import Response

from daemons.access import Role
from web.api import shapes
from web.api.calls import Call
from web.context import service
from web.encoding import JsonResponse, Listing
from web.parsing import Body

PASSWORD_LONGEST = 4096
"""What is read at all; the rule about length is the keeper's."""


class NewUser(Body):
    """A person. Without a password only a proxy lets them in."""

    name: str = Field(max_length=200)
    role: Role = Role.VIEWER
    password: str | None = Field(None, max_length=PASSWORD_LONGEST, repr=False)


class UserChange(Body):
    """What to change of a person."""

    role: Role


class NewPassword(Body):
    """A password: at least 8 characters of any kind, better 15."""

    password: str = Field(max_length=PASSWORD_LONGEST, repr=False)


class UserShape(shapes.Shape):
    """A person without their password."""

    id: str
    name: str
    role: Role
    has_password: bool
    password_set_at: AwareDatetime | None
    created_at: AwareDatetime


class UserPage(shapes.Shape):
    items: list[UserShape]
    next: None


async def list_users(request: Request) -> Response:
    return Listing([user.as_dict() for user in await service(request).access.users.list()])


async def add_user(request: Request, body: NewUser) -> Response:
    user = await service(request).access.users.add(body.name, body.role, body.password)
    return JsonResponse(user.as_dict(), 201)


async def change_user(request: Request, body: UserChange) -> Response:
    user = await service(request).access.users.change_role(request.path_params["name"], body.role)
    return JsonResponse(user.as_dict())


async def remove_user(request: Request) -> Response:
    await service(request).access.users.remove(request.path_params["name"])
    return Response(status_code=204)


async def set_password(request: Request, body: NewPassword) -> Response:
    user = await service(request).access.users.set_password(request.path_params["name"], body.password)
    return JsonResponse(user.as_dict())


CALLS = [
    Call("GET", "/api/users", list_users, "People.", UserPage, command="daemondeck user ls", needs=Role.ADMIN),
    Call(
        "POST",
        "/api/users",
        add_user,
        "Add a person.",
        UserShape,
        201,
        command="daemondeck user add {name}",
        needs=Role.ADMIN,
    ),
    Call(
        "PATCH",
        "/api/users/{name}",
        change_user,
        "Give a person another role; they have to sign in again.",
        UserShape,
        command="daemondeck user role {name} {role}",
        needs=Role.ADMIN,
    ),
    Call(
        "DELETE",
        "/api/users/{name}",
        remove_user,
        "Remove a person and sign them out. One admin always remains.",
        None,
        204,
        command="daemondeck user rm {name}",
        needs=Role.ADMIN,
    ),
    Call(
        "POST",
        "/api/users/{name}/password",
        set_password,
        "Give a person another password; they have to sign in again.",
        UserShape,
        command="daemondeck user reset-password {name}",
        needs=Role.ADMIN,
    ),
]

"""Calls about tokens, sign-in links, sessions and tickets."""

from datetime import timedelta

from pydantic import AwareDatetime, Field
from starlette.requests import Request
from starlette.responses import Response

from daemons.access import CODE_LIFE, TICKET_SECONDS, Role
from web.api import shapes
from web.api.calls import Call
from web.api.daemons import Name
from web.context import own_address, service, viewer
from web.encoding import JsonResponse, Listing
from web.parsing import Body, Moment


class NewToken(Body):
    """A token for a program."""

    name: Name
    role: Role = Role.OPERATOR
    expires_at: Moment | None = None


class NewLink(Body):
    """A sign-in link."""

    role: Role = Field(Role.ADMIN, description="What the one who opens it may do.")


class SessionShape(shapes.Shape):
    """A browser that is signed in."""

    id: str
    user: str
    role: Role
    origin: str | None
    created_at: AwareDatetime
    last_seen: AwareDatetime
    expires_at: AwareDatetime


class SessionPage(shapes.Shape):
    items: list[SessionShape]
    next: None


class TicketShape(shapes.Shape):
    """What lets one socket in, once."""

    ticket: str
    expires_at: AwareDatetime


async def list_tokens(request: Request) -> Response:
    return Listing([token.as_dict() for token in await service(request).access.tokens()])


async def create_token(request: Request, body: NewToken) -> Response:
    secret, token = await service(request).access.create_token(body.name, body.role, body.expires_at)
    return JsonResponse({**token.as_dict(), "secret": secret}, 201)


async def revoke_token(request: Request) -> Response:
    await service(request).access.revoke_token(request.path_params["name"])
    return Response(status_code=204)


async def create_link(request: Request, body: NewLink) -> Response:
    code = await service(request).access.new_code(body.role)
    expires_at = service(request).clock.now() + CODE_LIFE
    return JsonResponse({"url": f"{own_address(request.scope)}/signin?code={code}", "expires_at": expires_at}, 201)


async def list_sessions(request: Request) -> Response:
    return Listing([session.as_dict() for session in await service(request).access.sessions()])


async def end_session(request: Request) -> Response:
    await service(request).access.end_session(request.path_params["id"])
    return Response(status_code=204)


async def end_sessions(request: Request) -> Response:
    return JsonResponse({"ended": await service(request).access.sign_out_everywhere()})


async def give_ticket(request: Request) -> Response:
    ticket = service(request).access.ticket(viewer(request))
    expires_at = service(request).clock.now() + timedelta(seconds=TICKET_SECONDS)
    return JsonResponse({"ticket": ticket, "expires_at": expires_at}, 201)


CALLS = [
    Call(
        "GET",
        "/api/tokens",
        list_tokens,
        "Tokens of programs, without their secrets.",
        shapes.TokenPage,
        command="daemondeck token ls",
        needs=Role.ADMIN,
    ),
    Call(
        "POST",
        "/api/tokens",
        create_token,
        "Make a token; its secret is shown once.",
        shapes.NewTokenShape,
        201,
        command="daemondeck token add {name}",
        needs=Role.ADMIN,
    ),
    Call(
        "DELETE",
        "/api/tokens/{name}",
        revoke_token,
        "Make a token useless at once.",
        None,
        204,
        command="daemondeck token rm {name}",
        needs=Role.ADMIN,
    ),
    Call(
        "POST",
        "/api/signin-links",
        create_link,
        "Make a link that signs in once.",
        shapes.SigninLinkShape,
        201,
        command="daemondeck token link",
        needs=Role.ADMIN,
    ),
    Call(
        "GET",
        "/api/sessions",
        list_sessions,
        "Browsers that are signed in.",
        SessionPage,
        command="daemondeck user sessions",
        needs=Role.ADMIN,
    ),
    Call(
        "DELETE",
        "/api/sessions/{id}",
        end_session,
        "Sign one browser out.",
        None,
        204,
        command="daemondeck user sign-out {id}",
        needs=Role.ADMIN,
    ),
    Call(
        "POST",
        "/api/sessions/end-all",
        end_sessions,
        "Sign everybody out.",
        shapes.EndedShape,
        command="daemondeck user sign-out --all",
        needs=Role.ADMIN,
    ),
    Call(
        "POST",
        "/api/events/ticket",
        give_ticket,
        "A ticket that lets one socket in by ?ticket=, once, within 30 seconds.",
        TicketShape,
        201,
        needs=Role.VIEWER,
    ),
]

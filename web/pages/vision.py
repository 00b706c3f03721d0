"""The button that tests the server which describes pictures; it stands on the System page."""

from starlette.requests import Request
from starlette.responses import Response

from web.context import service
from web.pages.forms import Form, back_to


async def test_vision(request: Request) -> Response:
    await service(request).clients.vision.check()
    return back_to(request, "/system#vision")


FORMS = [Form("/system/vision/test", test_vision, "POST /api/vision/test")]
ROUTES = [*(form.route() for form in FORMS)]

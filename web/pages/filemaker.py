"""The button that tests the FileMaker Server; it stands on the System page."""

from starlette.requests import Request
from starlette.responses import Response

from web.api.filemaker import tested
from web.pages.forms import Form, back_to


async def test_filemaker(request: Request) -> Response:
    await tested(request)
    return back_to(request, "/system#filemaker")


FORMS = [Form("/system/filemaker/test", test_filemaker, "POST /api/filemaker/test")]
ROUTES = [*(form.route() for form in FORMS)]

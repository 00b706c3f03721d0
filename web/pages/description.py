"""The page of one picture: what it shows, what is said of it by whom and when, and the buttons that change that."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from daemons.errors import Conflict, Invalid, NotFound
from daemons.workflows.describe.keeper import DESCRIPTION_CHARACTERS, Neighbours, StaleDescription
from web.api.describe import keeper_of
from web.api.description_changes import Edit, Redo, Restore
from web.context import service, templates, viewer
from web.pages.forms import Form, back_to
from web.pages.gallery import GalleryQuery, filters_of, query_of_gallery
from web.parsing import parse_model, read_form, read_query

FACTS = (
    *("taken_at", "camera", "lens", "exposure_seconds", "aperture", "iso", "focal_length", "coordinates"),
    *("format", "width", "height", "frames", "is_animated", "perceptual_hash"),
)
"""What the page tells of a picture, where it is known."""
DESCRIBERS = ("basic", "local", "vision")


class Stripe(NamedTuple):
    """One colour of a palette, as a rectangle of a drawing that is a hundred wide."""

    name: str
    hex: str
    share: float
    x: float
    width: float


async def show_description(request: Request) -> Response:
    description_id = request.path_params["id"]
    if not request.url.query and (query := query_of_gallery(request)):
        # Whoever came from a choice goes through that; the address says which.
        return RedirectResponse(templates(request).url(f"/descriptions/{description_id}?{query}"), 303)
    asked = read_query(request, GalleryQuery, from_form=True)
    keeper = keeper_of(request)
    detail = await keeper.detail(description_id)
    beside = Neighbours(None, None)
    if asked.similar_to is None:
        beside = await keeper.neighbours(detail.description, asked.chosen())
    shown = detail.as_dict()
    return templates(request).page(
        "pages/description.html",
        viewer=viewer(request),
        description=shown,
        facts={name: (shown["facts"] or {}).get(name) for name in FACTS},
        palette=stripes_of(shown["facts"]),
        others=shown["others"],
        history=shown["history"],
        beside=beside,
        filters={name: value for name, value in filters_of(request).items() if name not in ("cursor", "limit")},
    )


async def show_edit(request: Request) -> Response:
    description = await keeper_of(request).get(request.path_params["id"])
    return _edit_page(request, description.as_dict(), description.description or "")


async def edit(request: Request) -> Response:
    """Take the words; when somebody else changed them meanwhile, show both and let the person decide."""
    description_id = request.path_params["id"]
    form = await read_form(request, names=["description", "revision"])
    text = form.get("description", "").replace("\r\n", "\n")
    try:
        body = parse_model(Edit, {"description": text, "revision": form.get("revision") or None})
        await keeper_of(request).edit(
            description_id, body.description, who=viewer(request).name, revision=body.revision
        )
    except (StaleDescription, Invalid) as error:
        now = await keeper_of(request).get(description_id)
        is_stale = isinstance(error, StaleDescription)
        return _edit_page(request, now.as_dict(), text, error, is_stale=is_stale, status=409 if is_stale else 422)
    return back_to(request, f"/descriptions/{description_id}")


async def restore(request: Request) -> Response:
    description_id = request.path_params["id"]
    form = await read_form(request, names=["version", "revision"])
    body = parse_model(Restore, {name: form.get(name) or None for name in ("version", "revision")})
    await keeper_of(request).restore(description_id, body.version, who=viewer(request).name, revision=body.revision)
    return back_to(request, f"/descriptions/{description_id}")


async def show_redo(request: Request) -> Response:
    description = await keeper_of(request).get(request.path_params["id"])
    return _redo_page(request, description.as_dict(), {})


async def redo(request: Request) -> Response:
    """Describe again, as before or as the form says, and lead to the job that does it."""
    description_id = request.path_params["id"]
    form = await read_form(request, names=["describer", "model", "prompt"])
    keeper = keeper_of(request)
    try:
        body = parse_model(Redo, {name: value for name, value in form.items() if value})
    except Invalid as error:
        return _redo_page(request, (await keeper.get(description_id)).as_dict(), form, error, status=422)
    async for portion in keeper.redo(body.again(), ids=[description_id]):
        created = await service(request).orders.create(portion.order.type, portion.order.args, unique=portion.unique)
        return back_to(request, f"/jobs/{created.job.id}")
    await keeper.get(description_id)
    raise Conflict("The file is not there any more.", remedy="Put it back first.", code="ERR_FILE_GONE")


async def show_sidecar(request: Request) -> Response:
    description = await keeper_of(request).get(request.path_params["id"])
    return _sidecar_page(request, description.as_dict())


async def write_sidecar(request: Request) -> Response:
    """Write what it says beside the image, and say where; what is in the way is told with what to do."""
    form = await read_form(request, names=["merge"])
    keeper, description_id = keeper_of(request), request.path_params["id"]
    description = (await keeper.get(description_id)).as_dict()
    try:
        path = await keeper.write_sidecar(description_id, merge="merge" in form)
    except (Conflict, NotFound) as error:
        return _sidecar_page(request, description, problem=error, status=409)
    return _sidecar_page(request, description, written=path)


def stripes_of(facts: Mapping[str, Any] | None) -> Sequence[Stripe]:
    """Return the palette among `facts`, each colour as wide as its share of all that are named."""
    palette = (facts or {}).get("palette") or []
    total = sum(colour["share"] for colour in palette) or 1.0
    stripes, x = [], 0.0
    for colour in palette:
        width = round(100 * colour["share"] / total, 2)
        stripes.append(Stripe(colour["name"], colour["hex"], colour["share"], round(x, 2), width))
        x += width
    return stripes


def _edit_page(
    request: Request,
    description: Mapping[str, Any],
    text: str,
    problem: Exception | None = None,
    *,
    is_stale: bool = False,
    status: int = 200,
) -> Response:
    return templates(request).page(
        "pages/edit_description.html",
        status,
        viewer=viewer(request),
        description=description,
        text=text,
        problem=problem,
        is_stale=is_stale,
        longest=DESCRIPTION_CHARACTERS,
    )


def _sidecar_page(
    request: Request,
    description: Mapping[str, Any],
    *,
    written: str | None = None,
    problem: Exception | None = None,
    status: int = 200,
) -> Response:
    return templates(request).page(
        "pages/sidecar.html",
        status,
        viewer=viewer(request),
        description=description,
        written=written,
        problem=problem,
    )


def _redo_page(
    request: Request,
    description: Mapping[str, Any],
    form: Mapping[str, str],
    problem: Exception | None = None,
    status: int = 200,
) -> Response:
    return templates(request).page(
        "pages/redo_description.html",
        status,
        viewer=viewer(request),
        description=description,
        describers=DESCRIBERS,
        form=form,
        problem=problem,
    )


FORMS = [
    Form("/descriptions/{id}/edit", edit, "PATCH /api/descriptions/{id}"),
    Form("/descriptions/{id}/restore", restore, "POST /api/descriptions/{id}/restore"),
    Form("/descriptions/{id}/redo", redo, "POST /api/descriptions/{id}/redo"),
    Form("/descriptions/{id}/sidecar", write_sidecar, "POST /api/descriptions/{id}/sidecar"),
]
ROUTES = [
    Route("/descriptions/{id}", show_description),
    Route("/descriptions/{id}/edit", show_edit),
    Route("/descriptions/{id}/redo", show_redo),
    Route("/descriptions/{id}/sidecar", show_sidecar),
    *(form.route() for form in FORMS),
]

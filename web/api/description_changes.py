"""Calls that do something about descriptions: edit, say again what was said, describe anew, write beside the image."""

from collections.abc import AsyncIterator
from typing import Any, Literal

from pydantic import Field, model_validator
from starlette.requests import Request
from starlette.responses import Response

from daemons.errors import Conflict, Invalid
from daemons.workflows.describe.keeper import DESCRIPTION_CHARACTERS, Again, Portion
from web.api import shapes
from web.api.calls import Call
from web.api.describe import DescriptionChoice, DescriptionShape, keeper_of
from web.context import service, viewer
from web.encoding import JsonResponse
from web.masks import shown_job
from web.parsing import Body

IDS_MOST = 10_000
JOBS_NAMED = 100
PROMPT_CHARACTERS = 10_000


class Edit(Body):
    """What a person says the file shows."""

    description: str = Field(min_length=1, max_length=DESCRIPTION_CHARACTERS)
    revision: int | None = Field(None, ge=1, description="The revision the change was made on.")


class Restore(Body):
    """Which of its earlier words a description is to say again."""

    version: int = Field(ge=1, description="A revision of its history.")
    revision: int | None = Field(None, ge=1, description="The revision the change was made on.")


class Redo(Body):
    """How to describe again; without a describer as before."""

    describer: Literal["basic", "local", "vision"] | None = None
    model: str = Field("", max_length=255, description="The model of local or vision.")
    prompt: str | None = Field(None, min_length=1, max_length=PROMPT_CHARACTERS, description="What the model is asked.")
    max_tokens: int | None = Field(None, ge=1, le=4096)
    temperature: float | None = Field(None, ge=0, le=2)
    image_timeout: float | None = Field(None, gt=0, le=3600, description="Seconds for one image.")

    @model_validator(mode="after")
    def _names_both(self) -> "Redo":
        if (self.describer in ("local", "vision")) is not bool(self.model):
            raise ValueError("local and vision need a model, and a model needs one of them as describer")
        return self

    def again(self) -> Again:
        """Return it as the keeper takes it."""
        asked = {name: getattr(self, name) for name in ("prompt", "max_tokens", "temperature", "image_timeout")}
        return Again(self.describer, self.model, {name: value for name, value in asked.items() if value is not None})


class Many(Body):
    """Which descriptions are meant beside the parameters."""

    ids: list[str] | None = Field(None, min_length=1, max_length=IDS_MOST, description="Of these only.")
    all: bool = Field(False, description="Say so where neither ids nor parameters narrow the choice.")
    dry_run: bool = Field(False, description="Only tell how many.")


class RedoMany(Redo, Many):
    """Which files to describe again beside the parameters, and how."""


class Sidecar(Body):
    """How to write beside an image what it shows."""

    merge: bool = Field(False, description="Also add it to the sidecar of another program; the rest of that stays.")


class SidecarMany(Sidecar, Many):
    """Beside which images to write, beside the parameters, and how."""


class SidecarShape(shapes.Shape):
    """The sidecar that was written, as its path below the folder."""

    path: str


class OrderedShape(shapes.Shape):
    """How many files it is about, in how many jobs; `job_ids` are the first hundred."""

    files: int
    jobs: int
    job_ids: list[str]


async def edit(request: Request, body: Edit) -> Response:
    changed = await keeper_of(request).edit(
        request.path_params["id"], body.description, who=viewer(request).name, revision=body.revision
    )
    return JsonResponse(changed.as_dict())


async def restore(request: Request, body: Restore) -> Response:
    changed = await keeper_of(request).restore(
        request.path_params["id"], body.version, who=viewer(request).name, revision=body.revision
    )
    return JsonResponse(changed.as_dict())


async def redo_one(request: Request, body: Redo) -> Response:
    keeper = keeper_of(request)
    description = await keeper.get(request.path_params["id"])
    async for portion in keeper.redo(body.again(), ids=[description.id]):
        order = portion.order
        created = await service(request).orders.create(order.type, order.args, unique=portion.unique)
        return JsonResponse(shown_job(created.job), 202)
    raise Conflict("The file is not there any more.", remedy="Put it back first.", code="ERR_FILE_GONE")


async def redo_many(request: Request, query: DescriptionChoice, body: RedoMany) -> Response:
    _ensure_choice(query, body)
    portions = keeper_of(request).redo(body.again(), chosen=query.chosen(), ids=body.ids)
    return await _order(request, portions, dry_run=body.dry_run)


async def write_sidecar(request: Request, body: Sidecar) -> Response:
    path = await keeper_of(request).write_sidecar(request.path_params["id"], merge=body.merge)
    return JsonResponse({"path": path})


async def write_sidecars(request: Request, query: DescriptionChoice, body: SidecarMany) -> Response:
    _ensure_choice(query, body)
    portions = keeper_of(request).write_sidecars(chosen=query.chosen(), ids=body.ids, merge=body.merge)
    return await _order(request, portions, dry_run=body.dry_run)


def _ensure_choice(query: DescriptionChoice, body: Many) -> None:
    if body.ids is None and not body.all and query == DescriptionChoice():
        raise Invalid("That would be all descriptions.", remedy="Narrow the choice, or say all.", code="ERR_NO_CHOICE")


async def _order(request: Request, portions: AsyncIterator[Portion], *, dry_run: bool) -> Response:
    files, jobs = 0, list[str]()
    async for portion in portions:
        files += portion.files
        if dry_run:
            jobs.append("")
        else:
            order = portion.order
            created = await service(request).orders.create(order.type, order.args, unique=portion.unique)
            jobs.append(created.job.id)
    if not files:
        raise Invalid("There is no such description of a file that is there.", code="ERR_NO_DESCRIPTIONS")
    shown: dict[str, Any] = {"files": files, "jobs": len(jobs)}
    shown["job_ids"] = [] if dry_run else jobs[:JOBS_NAMED]
    return JsonResponse(shown, 200 if dry_run else 202)


_ONE = "/api/descriptions/{id}"
CALLS = [
    Call(
        "POST",
        "/api/descriptions/redo",
        redo_many,
        "Describe files again: those that the parameters, or ids, mean now. What they said before is kept.",
        OrderedShape,
        202,
        also={200: OrderedShape},
        command="daemondeck descriptions redo --state failed --all-matching",
    ),
    Call(
        "PATCH",
        _ONE,
        edit,
        "Say by hand what the file shows; that stays until somebody has it described again.",
        DescriptionShape,
        command="daemondeck descriptions edit {id} WORDS",
    ),
    Call(
        "POST",
        _ONE + "/restore",
        restore,
        "Say again what was said before, as words by hand.",
        DescriptionShape,
        command="daemondeck descriptions restore {id} 2",
    ),
    Call(
        "POST",
        _ONE + "/redo",
        redo_one,
        "Describe the file again, if wanted with another describer or model beside this description.",
        shapes.JobShape,
        202,
        command="daemondeck descriptions redo {id}",
    ),
    Call(
        "POST",
        "/api/descriptions/sidecar",
        write_sidecars,
        "Write XMP files beside all images that the parameters, or ids, mean now; never into the images.",
        OrderedShape,
        202,
        also={200: OrderedShape},
        command="daemondeck descriptions sidecar --folder /photos --all-matching",
    ),
    Call(
        "POST",
        _ONE + "/sidecar",
        write_sidecar,
        "Write what is said into an XMP file beside the image, never into the image.",
        SidecarShape,
        command="daemondeck descriptions sidecar {id}",
    ),
]

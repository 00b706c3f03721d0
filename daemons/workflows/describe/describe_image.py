"""The job that describes a single image, wherever it is, and keeps nothing of it: its result is all there is."""

import hashlib
from base64 import b64decode
from dataclasses import asdict

from pydantic import BaseModel, Field

from daemons.clients.asking import Answer, Ask
from daemons.clients.vision import VisionClient
from daemons.errors import ErrorInfo, Permanent
from daemons.folders.paths import disk_path
from daemons.handlers import JobContext, job
from daemons.subprocess_work.errors import WorkerTaskFailed
from daemons.workflows.describe.batch import Batch, Outcome
from daemons.workflows.describe.keeper import DescriptionKeeper
from daemons.workflows.describe.local_errors import ModelNotLoaded, hinders_loading
from daemons.workflows.describe.options import PROMPT, Describer
from daemons.workflows.describe.worker_specs import SINGLE_WORKER

LANE = "describe_image"


class ImageArgs(BaseModel):
    """An image, and what describes it."""

    path: str = Field(min_length=1, description="The file, absolute, as text in which \\xNN stands for a byte.")
    describer: Describer = "basic"
    model: str = Field("", max_length=255, description="The model's name, or a folder; empty: the usual one.")
    prompt: str = Field(PROMPT, min_length=1, max_length=8000)
    max_tokens: int = Field(256, ge=1, le=4096)
    temperature: float = Field(0.0, ge=0, le=2)
    timeout: float = Field(180.0, gt=0, le=3600, description="Seconds the model may take for its answer.")

    def ask(self) -> Ask | None:
        """Return what a model is asked, None where there is none."""
        if self.describer == "basic":
            return None
        return Ask(self.prompt, self.max_tokens, self.temperature, self.timeout)


class ImageDescription(BaseModel):
    """What the describer said, and of which bytes."""

    description: str
    describer: Describer
    model: str | None = Field(None, description="As whoever runs it calls it; null where there is none.")
    prompt_hash: str | None = Field(None, description="SHA-256 of the prompt; null where nobody was asked.")
    seconds: float | None = None
    sha256: str | None = None
    finish: str | None = Field(None, description="`length` where the answer was cut off.")
    prompt_tokens: int | None = None
    output_tokens: int | None = None


class NotDescribed(Permanent):
    """The image has no description."""

    code = "ERR_IMAGE_FAILED"

    def __init__(self, why: ErrorInfo) -> None:
        super().__init__(why.message, remedy=why.remedy, code=why.code)
        self.inner = why.cause


@job("describe_image", max_attempts=3, lane=LANE, tidy_up=20.0)
async def describe_image(ctx: JobContext, args: ImageArgs) -> ImageDescription:
    """Describes one image; the description is the result and is kept nowhere else."""
    ask = args.ask()
    if ask is None:
        outcome = await _look(Batch(ctx, [disk_path(args.path)], spec=SINGLE_WORKER))
        return _description(args, outcome, None)
    if args.describer == "vision":
        client = ctx.client(VisionClient)
        outcome = await _look(Batch(ctx, [disk_path(args.path)], describer="prepare", spec=SINGLE_WORKER))

        async def tell(what: str) -> None:
            await ctx.progress(0, 1, what)

        answer = await client.describe(b64decode(outcome.jpeg or ""), ask, model=args.model, tell=tell)
        return _description(args, outcome, answer)
    more = {"ask": asdict(ask), "model": args.model}
    # One at a time: each worker would load the model for itself.
    async with ctx.keeper(DescriptionKeeper).local_model:
        outcome = await _look(Batch(ctx, [disk_path(args.path)], describer=args.describer, more=more))
    return _description(args, outcome, Answer(**outcome.answer) if outcome.answer else None)


async def _look(batch: Batch) -> Outcome:
    found: list[Outcome] = []

    async def accept(outcome: Outcome) -> None:
        found.append(outcome)

    try:
        await batch.run(accept)
    except WorkerTaskFailed as failed:
        if hinders_loading(failed.error_code):
            raise ModelNotLoaded(failed.message, remedy=failed.remedy, code=failed.error_code) from None
        raise
    [outcome] = found
    if outcome.error is not None:
        raise NotDescribed(outcome.error)
    return outcome


def _description(args: ImageArgs, outcome: Outcome, answer: Answer | None) -> ImageDescription:
    if answer is None:
        return ImageDescription(
            description=outcome.description or "",
            describer=args.describer,
            seconds=outcome.seconds,
            sha256=outcome.sha256,
        )
    return ImageDescription(
        description=answer.text,
        describer=args.describer,
        model=answer.model,
        prompt_hash=hashlib.sha256(args.prompt.encode()).hexdigest(),
        seconds=round(answer.seconds, 4),
        sha256=outcome.sha256,
        finish=answer.finish,
        prompt_tokens=answer.prompt_tokens,
        output_tokens=answer.output_tokens,
    )

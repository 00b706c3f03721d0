"""Describes a clip by what its frames show and what is said in it: by the vision server, or put together here."""

import hashlib
from functools import partial

from daemons.clients.asking import Ask
from daemons.clients.errors import ImageFailed
from daemons.clients.vision import VisionClient
from daemons.folders.paths import disk_path
from daemons.values import JsonValue
from daemons.workflows.polling.ladder import Outcome, StepContext
from daemons.workflows.polling.records import Record
from daemons.workflows.polling.steps.file_threads import GoOn, in_thread
from daemons.workflows.polling.steps.files import reading
from daemons.workflows.polling.steps.footage.framing import FRAMES
from daemons.workflows.polling.steps.footage.summary import (
    PROMPT,
    composed,
    in_order,
    one_line,
    question,
    transcript_of,
)

STEP = "description"
COMPOSED = "composed"
"""The describer of a text that no model wrote."""
FRAMES_MOST = 500
MAX_TOKENS, TIMEOUT = 400, 180.0
PICTURE_BYTES = 4 * 1024 * 1024


async def summarise(ctx: StepContext, record: Record) -> Outcome:
    """Describe the clip, once all its frames are. A description that a person wrote stays."""
    frames = in_order(await frames_of(ctx, record))
    transcript = transcript_of(frames)
    fields: dict[str, JsonValue] = {"transcript": transcript or None}
    if "description" in record.fields and record.provenance.get("description", {}).get("by") != STEP:
        return Outcome(fields, note="The description that was there already is kept.")
    note = None
    if ctx.options.describer == "vision":
        try:
            return Outcome(fields | await _by_model(ctx, record, frames, transcript))
        except ImageFailed as error:
            note = f"The model did not sum it up, so it is put together from what is known. {error.message}"
    fields |= {
        "description": composed(record, frames, transcript),
        "describer": COMPOSED,
        "model": None,
        "prompt_hash": None,
        "description_seconds": None,
    }
    return Outcome(fields, note=note or f"Put together from {len(frames)} frames and what is said; no model wrote it.")


async def avid_description(ctx: StepContext, record: Record) -> Outcome:
    """Put the description into one line of at most 255 characters, without tabs."""
    return Outcome({"avid_description": one_line(record) or None})


async def frames_of(ctx: StepContext, record: Record) -> list[Record]:
    """Return the frames of a clip."""
    # Here, because the keeper knows every ladder, and they know this.
    from daemons.workflows.polling.keeper import RecordFilter, RecordKeeper

    chosen = RecordFilter(ladder=FRAMES, parent_id=record.id)
    return [*(await ctx.keeper(RecordKeeper).list(chosen, limit=FRAMES_MOST)).items]


async def _by_model(ctx: StepContext, record: Record, frames: list[Record], transcript: str) -> dict[str, JsonValue]:
    client = ctx.client(VisionClient)
    picture = await in_thread(partial(_read, disk_path(record.fields["poster"])))
    ask = Ask(question(record, frames, transcript), MAX_TOKENS, 0.0, TIMEOUT)
    answer = await client.describe(picture, ask, model=ctx.options.model)
    return {
        "description": answer.text,
        "describer": "vision",
        "model": answer.model,
        "prompt_hash": hashlib.sha256(PROMPT.encode()).hexdigest(),
        "description_seconds": round(answer.seconds, 3),
    }


def _read(path: bytes, go_on: GoOn) -> bytes:
    with reading(path) as file:
        return file.read(PICTURE_BYTES)

"""Makes the one picture that a clip is shown by: of a few moments the first that is not blank."""

import base64
import os
from functools import partial
from pathlib import Path

from daemons.folders.paths import disk_path, wire_path
from daemons.pictures.thumbnails import THUMBNAIL_WORKER, Size
from daemons.values import JsonValue
from daemons.workflows.polling.film.errors import FootageDamaged
from daemons.workflows.polling.ladder import Outcome, StepContext
from daemons.workflows.polling.records import Record
from daemons.workflows.polling.steps.copying import copy
from daemons.workflows.polling.steps.file_threads import GoOn, in_thread
from daemons.workflows.polling.steps.files import FileReplaced, file_of, looked_at_again
from daemons.workflows.polling.steps.footage.asking import ask_about_film, look_at
from daemons.workflows.polling.steps.footage.frame_files import folder_of, remove, wired
from daemons.workflows.polling.steps.workers import ask_worker

SHARES = (0.1, 0.35, 0.6)
"""Where in a clip is looked; at its very beginning there often is nothing yet."""
BLANK = 8.0
"""Contrast, 0 to 128, below which a picture shows nothing: black, white, or out of focus altogether."""
POSTER_EDGE = 1280


async def thumbnails(ctx: StepContext, record: Record) -> Outcome:
    """Keep one picture of the clip, and hand over a small copy of it. If there is a library, it has the clip first."""
    copied = await copy(ctx, record)
    if copied.to is not None:
        return copied
    record = record._replace(fields={**record.fields, **copied.fields})
    path, folder = file_of(record), folder_of(ctx, record.id)
    try:
        await look_at(path, record.fields.get("size"))
    except FileReplaced as error:
        return looked_at_again(error)
    duration = record.fields.get("duration") or 0.0
    files = [folder / f"poster-{number}.jpg" for number, _ in enumerate(SHARES)]
    wanted = [
        {"seconds": round(duration * share, 3), "to": wired(file)} for share, file in zip(SHARES, files, strict=True)
    ]
    request = {"do": "frames", "path": wire_path(path), "frames": wanted, "edge": POSTER_EDGE}
    found = [one for one in await ask_about_film(ctx, request) if "error" not in one]
    if not found:
        raise FootageDamaged("The film holds no frame that can be decoded.")
    best = next((one for one in found if one["contrast"] >= BLANK), max(found, key=lambda one: float(one["contrast"])))
    poster = folder / "poster.jpg"
    await in_thread(partial(_put, Path(os.fsdecode(disk_path(best["to"]))), poster))
    await remove(files)
    small = {"path": wired(poster), "sha256": best["sha256"], "edge": Size.THUMBNAIL.value}
    result = await ask_worker(ctx, THUMBNAIL_WORKER, small)
    fields: dict[str, JsonValue] = {**copied.fields, "thumbnail": best["sha256"], "poster": wired(poster)}
    return Outcome(
        fields, note=copied.note if ctx.options.library else None, thumbnail=base64.b64decode(result["webp"])
    )


def _put(file: Path, place: Path, go_on: GoOn) -> None:
    file.replace(place)

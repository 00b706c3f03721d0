"""Sees that a frame's picture is there; one that went missing is taken out of its clip again."""

import os
from functools import partial
from pathlib import Path
from typing import Any

from daemons.folders.paths import disk_path
from daemons.workflows.polling.film.errors import FootageError
from daemons.workflows.polling.ladder import Outcome, StepContext
from daemons.workflows.polling.records import Record
from daemons.workflows.polling.steps.file_info import name_of
from daemons.workflows.polling.steps.file_threads import GoOn, in_thread
from daemons.workflows.polling.steps.files import file_of, reading, sha256_of, stamp_of
from daemons.workflows.polling.steps.footage.asking import ask_about_film, look_at
from daemons.workflows.polling.steps.footage.framing import FRAME_EDGE


async def extracting(ctx: StepContext, record: Record) -> Outcome:
    """Return the facts of the frame's file. Raises FootageError when the clip has no such frame any more."""
    path, note = file_of(record), None
    if not await in_thread(partial(_is_there, path)):
        clip = record.fields["clip"]
        await look_at(disk_path(clip))
        wanted = {"seconds": record.fields["at"], "to": record.fields["library_path"]}
        (found,) = await ask_about_film(ctx, {"do": "frames", "path": clip, "frames": [wanted], "edge": FRAME_EDGE})
        if error := found.get("error"):
            raise FootageError(error["message"], remedy=error["remedy"], code=error["code"])
        note = "The frame was gone, and was taken out of the clip again."
    return Outcome(await in_thread(partial(_facts, path)), note=note)


def _is_there(path: bytes, go_on: GoOn) -> bool:
    return Path(os.fsdecode(path)).is_file()


def _facts(path: bytes, go_on: GoOn) -> dict[str, Any]:
    with reading(path) as file:
        size = stamp_of(file).size
        return {"file_name": name_of(path), "file_type": "image/jpeg", "size": size, "sha256": sha256_of(file, go_on)}

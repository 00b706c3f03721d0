"""Where the frames of clips are kept: a folder for each clip below the deck's data."""

import os
from collections.abc import Iterable
from contextlib import suppress
from functools import partial
from pathlib import Path

from daemons.folders.paths import wire_path
from daemons.workflows.polling.film.keeping import UNFINISHED
from daemons.workflows.polling.ladder import StepContext
from daemons.workflows.polling.steps.file_threads import GoOn, in_thread
from daemons.workflows.polling.steps.own_files import own_folder


def folder_of(ctx: StepContext, clip_id: str) -> Path:
    """Return the folder of the clip's frames; it may not be there yet."""
    return own_folder(ctx) / clip_id


def frame_path(folder: Path, seconds: float) -> Path:
    """Return where the frame of that moment is kept."""
    return folder / f"{round(seconds * 1000):09}.jpg"


def wired(path: Path) -> str:
    """Return a path as records and workers spell it."""
    return wire_path(os.fsencode(path))


async def remove(paths: Iterable[Path]) -> None:
    """Remove files, where they are there."""
    await in_thread(partial(_remove, list(paths)))


async def sweep(folder: Path) -> None:
    """Remove what was being written when an earlier process died."""
    await in_thread(partial(_sweep, folder))


def _remove(paths: list[Path], go_on: GoOn) -> None:
    for path in paths:
        with suppress(OSError):
            path.unlink()


def _sweep(folder: Path, go_on: GoOn) -> None:
    _remove(list(folder.glob(f"*{UNFINISHED}")), go_on)

"""Takes frames out of a clip, evenly, and makes a record of each, which climbs a ladder of its own."""

from daemons.folders.paths import wire_path
from daemons.states import LogLevel
from daemons.workflows.polling.film.errors import FootageError
from daemons.workflows.polling.ladder import Outcome, StepContext
from daemons.workflows.polling.records import NewRecord, Record
from daemons.workflows.polling.steps.files import PENDING, FileReplaced, file_of, looked_at_again
from daemons.workflows.polling.steps.footage.asking import ask_about_film, look_at
from daemons.workflows.polling.steps.footage.frame_files import folder_of, frame_path, sweep, wired
from daemons.workflows.polling.steps.footage.moments import Stretch, moment, stretches

FRAMES = "frames"
FRAME_EDGE = 1280
"""The longest edge of a frame in pixels: models look at less."""


async def framing(ctx: StepContext, record: Record) -> Outcome:
    """Write the frames, and hand over a record for each that could be. Raises FootageError where none could."""
    path, folder, options = file_of(record), folder_of(ctx, record.id), ctx.options
    try:
        await look_at(path, record.fields.get("size"))
    except FileReplaced as error:
        return looked_at_again(error)
    await sweep(folder)
    duration = record.fields.get("duration")
    parts = stretches(duration, options.frame_seconds, options.frames_least, options.frames_most)
    wanted = [{"seconds": part.at, "to": wired(frame_path(folder, part.at))} for part in parts]
    request = {"do": "frames", "path": wire_path(path), "frames": wanted, "edge": FRAME_EDGE}
    found = await ask_about_film(ctx, request)
    taken = [(part, one) for part, one in zip(parts, found, strict=True) if "error" not in one]
    missing = [(part, one["error"]) for part, one in zip(parts, found, strict=True) if "error" in one]
    for part, why in missing:
        await ctx.log(LogLevel.WARNING, f"No frame at {moment(part.at)}: {why['message']} ({why['code']})")
    if not taken:
        _, why = missing[0]
        raise FootageError(why["message"], remedy=why["remedy"], code=why["code"])
    children = [_frame(record, wire_path(path), part, one["to"]) for part, one in taken]
    note = f"{len(taken)} frames were taken."
    if missing:
        note += f" {len(missing)} could not be: {missing[0][1]['message']}"
    return Outcome({"frames": len(taken)}, note=note, children=children)


def source_of(clip: str, seconds: float) -> str:
    """Return the source of a frame, after the media fragments of the web."""
    return f"{clip}#t={round(seconds, 3)}"


def _frame(record: Record, clip: str, part: Stretch, to: str) -> NewRecord:
    name = record.title or record.fields.get("file_name") or record.code
    title = f"{name} at {moment(part.at)}"
    fields = {
        "title": title,
        "library_path": to,
        "clip": clip,
        "clip_code": record.code,
        "at": part.at,
        "begin": part.begin,
        # An open end is one that JSON knows no number for.
        "end": part.end if part.end < 1e9 else None,
        "has_audio": bool(record.fields.get("has_audio")),
    }
    return NewRecord(FRAMES, PENDING, source_of(record.source, part.at), title, fields)

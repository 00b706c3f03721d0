"""Reads a clip's facts: its container and streams, how long it is, its hash, and what it says of itself."""

from daemons.folders.paths import wire_path
from daemons.values import JsonValue
from daemons.workflows.polling.ladder import Outcome, StepContext
from daemons.workflows.polling.records import Record
from daemons.workflows.polling.steps.file_info import moment_of, name_of
from daemons.workflows.polling.steps.files import file_of
from daemons.workflows.polling.steps.footage.asking import ask_about_film, look_at
from daemons.workflows.polling.steps.footage.moments import spoken

STEP = "file_info"
FALSE_START = "False Start"
FACTS = (
    "file_type",
    "size",
    "width",
    "height",
    "sha256",
    "container",
    "codec",
    "rotation",
    "duration",
    "fps",
    "is_variable_rate",
    "has_audio",
    "audio",
    "timecode",
)
WORDS = ("title", "caption", "keywords", "creator", "copyright", "taken_at", "latitude", "longitude", "camera")
"""What the film says of itself; what a person wrote, or another system, stays."""


async def probe(ctx: StepContext, record: Record) -> Outcome:
    """Read the facts of the clip; one that is too short goes to `False Start`."""
    path = file_of(record)
    await look_at(path)
    (facts,) = await ask_about_film(ctx, {"do": "probe", "path": wire_path(path)})
    said = {name: facts.get(name) for name in WORDS if _is_free(record, name)}
    fields: dict[str, JsonValue] = {
        "file_name": name_of(path),
        "modified_at": moment_of(facts["mtime_ns"]),
        **{name: facts.get(name) for name in FACTS},
        **said,
        "metadata_source": [facts["container"]] if any(said.values()) else None,
    }
    duration, least = facts["duration"], ctx.options.false_start
    if duration is None or duration >= least:
        return Outcome(fields)
    note = f"The clip is {spoken(duration)} long; what is shorter than {spoken(least)} is a false start."
    return Outcome(fields, to=FALSE_START, note=note)


def _is_free(record: Record, name: str) -> bool:
    return name not in record.fields or record.provenance.get(name, {}).get("by") == STEP

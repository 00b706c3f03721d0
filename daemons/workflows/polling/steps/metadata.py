"""Reads what a still says of itself in EXIF, IPTC and XMP. What a person wrote stays."""

from functools import partial

from daemons.folders.paths import wire_path
from daemons.text import clean
from daemons.values import JsonValue
from daemons.workflows.polling.ladder import Outcome, StepContext
from daemons.workflows.polling.records import Record
from daemons.workflows.polling.steps.file_threads import GoOn, in_thread
from daemons.workflows.polling.steps.files import FileReplaced, file_of, looked_at_again, reading, stamp_of
from daemons.workflows.polling.steps.workers import STILLS_WORKER, ask_worker

STEP = "metadata"
FIELDS = (
    "title",
    "headline",
    "caption",
    "keywords",
    "creator",
    "copyright",
    "credit",
    "taken_at",
    "latitude",
    "longitude",
    "place",
    "camera",
    "url",
    "rights",
    "metadata_source",
)
NOTE_CHARACTERS = 1_000


async def metadata(ctx: StepContext, record: Record) -> Outcome:
    """Read the metadata of the file. Raises what `steps.files` names."""
    path = file_of(record)
    try:
        await in_thread(partial(ensure_known, record, path))
    except FileReplaced as error:
        return looked_at_again(error)
    found = await ask_worker(ctx, STILLS_WORKER, {"what": "metadata", "path": wire_path(path)})
    fields: dict[str, JsonValue] = {
        # Of an earlier look, what is not there any more goes.
        name: found["fields"].get(name)
        for name in FIELDS
        if is_free(record, name)
    }
    problems = clean(" ".join(found["problems"]), NOTE_CHARACTERS) or None
    return Outcome(fields, note=problems)


def is_free(record: Record, name: str) -> bool:
    """Whether a field is unknown, or was written by this step: all else a person wrote, or another system."""
    return name not in record.fields or record.provenance.get(name, {}).get("by") == STEP


def ensure_known(record: Record, path: bytes, go_on: GoOn) -> None:
    """Raise FileReplaced when the file has another size than when its facts were read. Blocking."""
    size = record.fields.get("size")
    with reading(path) as file:
        if isinstance(size, int) and stamp_of(file).size != size:
            raise FileReplaced

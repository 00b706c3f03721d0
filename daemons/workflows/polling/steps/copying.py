"""Copies a still into the library, if there is one; else it stays where it is and goes on all the same."""

from functools import partial
from pathlib import Path

from daemons.folders.paths import wire_path
from daemons.values import JsonValue
from daemons.workflows.polling.ladder import Outcome, StepContext
from daemons.workflows.polling.library import Copied, Mounted, copy_into, holds
from daemons.workflows.polling.records import Record
from daemons.workflows.polling.steps.file_threads import GoOn, in_thread
from daemons.workflows.polling.steps.files import FileReplaced, file_of, looked_at_again, source_of
from daemons.workflows.polling.steps.own_files import own_folder


async def copy(ctx: StepContext, record: Record) -> Outcome:
    """Have the library hold the file. Raises what `library.copy_into` raises."""
    library: Path | None = ctx.options.library
    if library is None:
        return Outcome(note="No library is set: the file stays where it is.")
    mounted = Mounted(own_folder(ctx) / "libraries", library)
    try:
        copied = await in_thread(partial(_copy, library, mounted, record))
    except FileReplaced as error:
        return looked_at_again(error)
    path = wire_path(copied.path)
    when = (record.running_since or record.updated_at).isoformat()
    fields: dict[str, JsonValue] = {"library_path": path}
    if copied.is_new or record.fields.get("library_path") != path:
        fields["copied_at"] = when
    return Outcome(fields, note=None if copied.is_new else f"The library has it already: {path}")


def _copy(library: Path, mounted: Mounted, record: Record, go_on: GoOn) -> Copied:
    given, path = record.fields.get("sha256"), file_of(record)
    sha256 = given if isinstance(given, str) else None
    # Before the source is looked for, which may have been moved away since.
    if sha256 is not None and record.fields.get("library_path") and holds(library, path, sha256, go_on):
        return Copied(path, sha256, is_new=False)
    mounted.ensure()
    copied = copy_into(library, source_of(record), sha256, go_on)
    if copied.is_new:
        mounted.note()
    return copied

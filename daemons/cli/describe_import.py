"""`daemondeck describe import`: what older scripts described is taken over, so that nothing is described twice."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from daemons.cli.exits import CommandError, Exit
from daemons.cli.names import complete_daemons
from daemons.cli.options import Options, options_of
from daemons.cli.printing import as_json, one_line, say, show_one
from daemons.cli.records import records
from daemons.cli.switching import segment
from daemons.clock import SystemClock
from daemons.folders.paths import wire_path
from daemons.workflows.describe.old_files import Named, Old, OldFiles

SLICE = 500
SLICE_CHARACTERS = 400_000
"""A request takes a mebibyte; the letters of some languages take three bytes each."""
WORDS_CHARACTERS = 20_000
FILE_BYTES = 1024 * 1024 * 1024

Item = dict[str, Any]
Send = Callable[[list[Item]], Item]


def import_descriptions(
    context: typer.Context,
    progress: Annotated[Path, typer.Argument(metavar="PROGRESS_FILE", help="What is done: one relative path a line.")],
    outputs: Annotated[
        list[Path] | None, typer.Argument(metavar="[OUTPUTS_JSON…]", help="The descriptions: image_analysis_*.json.")
    ] = None,
    directory: Annotated[str, typer.Option(help="The folder of images.")] = ".",
    daemon: Annotated[
        str | None, typer.Option(help="Instead: the daemon of the folder.", autocompletion=complete_daemons)
    ] = None,
    describer: Annotated[str | None, typer.Option(help="Which describer made them; for a new folder: local.")] = None,
    model: Annotated[str | None, typer.Option(help="Which model; for a new folder the one the outputs name.")] = None,
    describe_missing: Annotated[
        bool, typer.Option("--describe-missing", help="Have described what is listed and has no description.")
    ] = False,
) -> None:
    """Take over what older scripts described: nothing of it is described again. Safe to repeat.

    What is listed as done and has no description counts as described, without words, unless --describe-missing is
    said. Files that are not there any more, paths out of the folder and lines that make no sense are named.

    Example: daemondeck describe import progress.txt outputs/image_analysis_1.json --directory ~/Pictures
    """
    options = options_of(context)
    # Imported here: no other command needs any of it.
    from daemons.cli.describing import readable_folder
    from daemons.cli.looking_on import folder_there

    there = options.running_deck()
    directory = _directory_of(options, daemon) if daemon else directory
    folder = folder_there(options, directory) if there else readable_folder(directory)
    old, at = _read(bytes(folder), progress, outputs or [])
    found = [item for item in old.items.values() if item.is_told or not describe_missing]
    named = old.models()
    given = {"describer": describer, "model": model}
    usual = {"describer": "local", "model": named[0] if named else None}
    chosen = {name: value for name, value in given.items() if value is not None}
    new = {name: value for name, value in (usual | chosen).items() if value is not None}
    if describer not in (None, "local") and model is None:
        new.pop("model", None)
    take = _into_deck if there else _into_data
    told = {**take(options, folder, chosen, new, found, at), **_left_out(old, len(old.items) - len(found))}
    if options.is_table:
        for line in _lines(told):
            say(one_line(line))
    else:
        show_one(options, told, {})


def _directory_of(options: Options, name: str) -> str:
    with records(options) as source:
        directory: str | None = source.daemon(name)["configuration"].get("directory")
    if not directory:
        raise CommandError(Exit.REFUSED, f"{name} has no folder of images.", code="ERR_NO_DIRECTORY")
    return directory


def _read(folder: bytes, progress: Path, outputs: Sequence[Path]) -> tuple[OldFiles, datetime]:
    """Return what the files say, and when the newest of them was written."""
    old, moments = OldFiles(folder), []
    for file in (progress, *outputs):
        try:
            status = file.stat()
            if status.st_size > FILE_BYTES:
                raise CommandError(Exit.USAGE, f"{file} is larger than a gigabyte.", code="ERR_FILE_TOO_LARGE")
            data = file.read_bytes()
        except OSError as error:
            raise CommandError(
                Exit.USAGE, f"{file} cannot be read: {error.strerror or error}.", code="ERR_NO_FILE"
            ) from error
        moments.append(datetime.fromtimestamp(status.st_mtime, UTC))
        if file is progress:
            old.read_progress(data)
        else:
            old.read_outputs(data, file.name)
    return old, min(max(moments), SystemClock().now())


def _into_deck(options: Options, folder: Path, chosen: Item, new: Item, items: Sequence[Old], at: datetime) -> Item:
    from daemons.cli.looking_on import daemon_there

    with options.deck() as deck:
        daemon = daemon_there(deck, folder, chosen, new)
        place = f"/daemons/{segment(daemon['name'])}"
        result = _sum(deck.post(f"{place}/import", {"items": part, "at": at.isoformat()}) for part in _slices(items))
        if daemon["state"] == "running" and daemon["next_wake_at"]:
            deck.post(f"{place}/wake")
    return {"name": daemon["name"], **result}


def _into_data(options: Options, folder: Path, chosen: Item, new: Item, items: Sequence[Old], at: datetime) -> Item:
    from daemons.cli.headless import bring_in_here

    return asyncio.run(bring_in_here(options, folder, chosen, new, items, at))


def _slices(items: Sequence[Old]) -> Iterator[list[Item]]:
    part: list[Item] = []
    characters = 0
    for item in items:
        one = as_item(item)
        characters += len(as_json(one))
        if part and (len(part) >= SLICE or characters > SLICE_CHARACTERS):
            yield part
            part, characters = [], 0
        part.append(one)
    if part:
        yield part


def as_item(item: Old) -> Item:
    """Return what is brought of one image, as the call takes it."""
    return {
        "path": wire_path(item.path),
        "description": _clean(item.description, WORDS_CHARACTERS),
        "error": _clean(item.error, 2000),
        "seconds": item.seconds,
        "finish": item.finish if item.finish in ("stop", "length") else None,
        "prompt_tokens": item.prompt_tokens,
        "output_tokens": item.output_tokens,
    }


def _clean(text: str | None, characters: int) -> str | None:
    # Half of a pair of code units is no text, and no request could carry it.
    return text and text[:characters].encode("utf-8", "replace").decode("utf-8")


def _sum(answers: Iterator[Item]) -> Item:
    whole: Item = {}
    for answer in answers:
        for name, value in answer.items():
            whole[name] = whole[name] + value if name in whole else value
    return whole


def _left_out(old: OldFiles, to_describe: int) -> Item:
    parts: dict[str, Named] = {"duplicates": old.duplicates, "garbage": old.garbage, "outside": old.outside}
    counts = {name: part.count for name, part in parts.items()}
    return {"to_describe": to_describe, **counts, **{f"{name}_first": part.first for name, part in parts.items()}}


def _lines(told: Item) -> Iterator[str]:
    counts = {"described": 0, "without_words": 0, "failed": 0, "known": 0, "missing": 0, "refused": 0, **told}
    yield f"{told['name']}: {counts['described']:,} descriptions taken over."
    words = {
        "without_words": "listed as done without a description: they count as described, without words",
        "failed": "could not be described by the older program: they are listed as failed",
        "known": "known already: left as they are",
        "to_describe": "listed as done without a description: left to be described",
        "duplicates": "named more than once",
        "missing": "not in the folder any more: left out",
        "refused": "lead out of the folder, or are no images: left out",
        "outside": "lead out of the folder: left out",
        "garbage": "make no sense: left out",
    }
    for name, word in words.items():
        if counts[name]:
            yield f"{counts[name]:,} {word}"
            yield from (f"  {one}" for one in told.get(f"{name}_first", ())[:10])

"""`daemondeck descriptions`: what the photographs show."""

import sys
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlencode

import typer

from daemons.cli.description_filters import choosing
from daemons.cli.options import options_of
from daemons.cli.printing import Columns, confirm, note, one_line, say, show, show_one, stamp
from daemons.cli.switching import segment

app = typer.Typer(help="See the descriptions of photographs, change them, have them made again.")

COLUMNS: Columns = {
    "PATH": lambda found: found["path"],
    "STATE": lambda found: found["state"],
    "DESCRIPTION": lambda found: found["description"] or (found["error"] or {}).get("message"),
}
WIDE: Columns = {
    "ID": lambda found: found["id"],
    "MODEL": lambda found: found["model"],
    "SECONDS": lambda found: found["seconds"],
    "AT": lambda found: stamp(found["created_at"]),
}
DETAILS: Columns = {
    "Id": lambda found: found["id"],
    "Path": lambda found: found["path"],
    "State": lambda found: found["state"],
    "Description": lambda found: found["description"],
    "Error": lambda found: (found["error"] or {}).get("message"),
    "Remedy": lambda found: (found["error"] or {}).get("remedy"),
    "Facts": lambda found: found["facts"],
    "Model": lambda found: found["model"],
    "Seconds": lambda found: found["seconds"],
    "At": lambda found: stamp(found["created_at"]),
    "Edited": lambda found: stamp(found["edited_at"]) and f"{stamp(found['edited_at'])} by {found['edited_by']}",
    "Gone": lambda found: stamp(found["gone_at"]),
    "Revision": lambda found: found["revision"],
    "Before": lambda found: (
        "; ".join(
            f"{one['revision']}: {one['description'] or one['error']['code']}" for one in found.get("history", ())
        )
        or None
    ),
    "Others": lambda found: (
        "; ".join(f"{one['id']} by {one['describer']} {one['model']}".rstrip() for one in found.get("others", ()))
        or None
    ),
}
ORDERED: Columns = {
    "Files": lambda ordered: ordered["files"],
    "Jobs": lambda ordered: ordered["jobs"],
    "First": lambda ordered: ordered["job_ids"][0] if ordered["job_ids"] else None,
}

GROUPS: Columns = {
    "FILES": lambda group: group["count"],
    "FIRST": lambda group: group["items"][0]["id"] if group["items"] else None,
    "PATHS": lambda group: ", ".join(item["path"] for item in group["items"]),
}
FACETS: Columns = {
    "BY": lambda facet: facet["by"],
    "VALUE": lambda facet: facet["value"],
    "COUNT": lambda facet: facet["count"],
}

Id = Annotated[str, typer.Argument(metavar="ID")]
Ids = Annotated[list[str] | None, typer.Argument(metavar="ID…", help="Of these; else --all-matching.")]
Matching = Annotated[bool, typer.Option("--all-matching", help="All that the options mean now; needs --yes.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only tell how many.")]
Revision = Annotated[int | None, typer.Option(min=1, help="Only if it still is at this revision.")]


@app.command("ls")
@choosing
def list_descriptions(
    context: typer.Context,
    similar_to: Annotated[str | None, typer.Option(metavar="ID", help="Only like this one, nearest first.")] = None,
    distance: Annotated[int | None, typer.Option(min=0, help="In how many of 64 bits it may differ.")] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="At most so many.")] = 50,
    *,
    chosen: dict[str, Any],
) -> None:
    """List descriptions, the newest first.

    Example: daemondeck descriptions ls --state failed --folder ~/Pictures -o wide
    """
    options = options_of(context)
    with options.deck() as deck:
        found = deck.pages("/descriptions", limit, similar_to=similar_to, distance=distance, **chosen)
    show(options, found, COLUMNS, name="id", wide=WIDE)


@app.command("groups")
def list_groups(
    context: typer.Context,
    distance: Annotated[int | None, typer.Option(min=0, help="In how many of 64 bits images may differ.")] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=100, help="At most so many.")] = 20,
) -> None:
    """List groups of files whose images look alike, the largest first.

    Example: daemondeck descriptions groups --distance 0
    """
    options = options_of(context)
    with options.deck() as deck:
        groups = deck.get("/descriptions/groups", limit=limit, distance=distance)["items"]
    show(options, groups, GROUPS, name="count")


@app.command("facets")
def list_facets(
    context: typer.Context,
    folder: Annotated[str | None, typer.Option(help="Only in this folder and below.")] = None,
) -> None:
    """List what descriptions can be chosen by, with how many of each.

    Example: daemondeck descriptions facets --folder /photos
    """
    options = options_of(context)
    with options.deck() as deck:
        facets = deck.get("/descriptions/facets", folder=folder)
    kinds = {name: found for name, found in facets.items() if isinstance(found, list)}
    rows = [{"by": name, **facet} for name, found in kinds.items() for facet in found]
    if options.is_table:
        show(options, rows, FACETS, name="value")
    else:
        show_one(options, facets, {}, name="total")


@app.command("get")
def get_description(context: typer.Context, description_id: Id) -> None:
    """Show one description with its facts, what it said before, and what others say of the same file.

    Example: daemondeck descriptions get 7 -o json
    """
    options = options_of(context)
    with options.deck() as deck:
        show_one(options, deck.get(f"/descriptions/{segment(description_id)}"), DETAILS, name="id")


@app.command("export")
@choosing
def export_descriptions(
    context: typer.Context,
    format: Annotated[str, typer.Option(help="csv, json, or jsonl: an object a line.")] = "csv",
    file: Annotated[Path | None, typer.Option("--file", "-f", help="Write there instead of to stdout.")] = None,
    *,
    chosen: dict[str, Any],
) -> None:
    """Write all descriptions that match as CSV, JSON or JSON lines, the newest first.

    Example: daemondeck descriptions export --folder /photos/2019 --format jsonl --file 2019.jsonl
    """
    options = options_of(context)
    with options.deck() as deck:
        pieces = deck.stream("/descriptions/export", format=format, **chosen)
        if file is None:
            for piece in pieces:
                say(piece, end="")
            return
        with file.open("w", encoding="utf-8", newline="") as target:
            for piece in pieces:
                target.write(piece)


@app.command("edit")
def edit_description(
    context: typer.Context,
    description_id: Id,
    words: Annotated[str, typer.Argument(metavar="WORDS", help="What the file shows; - reads standard input.")],
    revision: Revision = None,
) -> None:
    """Say by hand what a file shows. That stays until somebody has it described again.

    Example: daemondeck descriptions edit 7 "Ada on the beach."
    """
    said = sys.stdin.read() if words == "-" else words
    _change(context, "PATCH", f"/descriptions/{segment(description_id)}", {"description": said, "revision": revision})


@app.command("restore")
def restore_description(
    context: typer.Context,
    description_id: Id,
    version: Annotated[int, typer.Argument(metavar="VERSION", help="A revision of its history, see `get`.")],
    revision: Revision = None,
) -> None:
    """Say again what was said before, as words by hand.

    Example: daemondeck descriptions restore 7 2
    """
    body = {"version": version, "revision": revision}
    _change(context, "POST", f"/descriptions/{segment(description_id)}/restore", body)


@app.command("redo")
@choosing
def redo_descriptions(
    context: typer.Context,
    ids: Ids = None,
    matching: Matching = False,
    dry_run: DryRun = False,
    by: Annotated[str | None, typer.Option(help="By this describer: basic, local or vision.")] = None,
    with_model: Annotated[str | None, typer.Option("--with", metavar="MODEL", help="With this model.")] = None,
    prompt: Annotated[str | None, typer.Option(help="What to ask the model.")] = None,
    max_tokens: Annotated[int | None, typer.Option(min=1, help="The most it may answer.")] = None,
    *,
    chosen: dict[str, Any],
) -> None:
    """Describe files again, as before or by another describer. What was said before is kept, also what was edited.

    Example: daemondeck descriptions redo --state failed --all-matching --by vision --with smolvlm2
    """
    body = {"describer": by, "model": with_model or "", "prompt": prompt, "max_tokens": max_tokens}
    _ask(context, "redo", body, "Describe {} files again?", ids or [], chosen, matching=matching, dry_run=dry_run)


@app.command("sidecar")
@choosing
def write_sidecars(
    context: typer.Context,
    ids: Ids = None,
    matching: Matching = False,
    dry_run: DryRun = False,
    merge: Annotated[bool, typer.Option("--merge", help="Also add to sidecars of other programs.")] = False,
    *,
    chosen: dict[str, Any],
) -> None:
    """Write descriptions into XMP files beside the images, which photo programs read. The images stay as they are.

    Example: daemondeck descriptions sidecar --folder /photos/2019 --all-matching
    """
    if ids is None or len(ids) > 1 or matching or dry_run:
        question = "Write files beside {} images?"
        _ask(context, "sidecar", {"merge": merge}, question, ids or [], chosen, matching=matching, dry_run=dry_run)
        return
    options = options_of(context)
    with options.deck() as deck:
        written = deck.post(f"/descriptions/{segment(ids[0])}/sidecar", {"merge": merge})
    show_one(options, written, {"Path": lambda one: one["path"]}, name="path")


def _ask(
    context: typer.Context,
    what: str,
    body: dict[str, Any],
    question: str,
    ids: list[str],
    chosen: dict[str, Any],
    *,
    matching: bool,
    dry_run: bool,
) -> None:
    """Have it done to those named, or to all that are chosen if the person says yes; or only tell how many."""
    if bool(ids) is matching or (ids and chosen):
        raise typer.BadParameter("Name ids, or say --all-matching with options that choose.")
    options = options_of(context)
    body |= {"ids": ids or None, "all": matching and not chosen}
    path = f"/descriptions/{what}" + (f"?{urlencode(chosen)}" if chosen else "")
    with options.deck() as deck:
        if dry_run or matching:
            files = deck.post(path, {**body, "dry_run": True})["files"]
            if dry_run:
                note(options, one_line(f"{files} files; nothing was done."))
                return
            confirm(options, question.format(files))
        show_one(options, deck.post(path, body), ORDERED, name="jobs")


def _change(context: typer.Context, method: str, path: str, body: dict[str, Any]) -> None:
    options = options_of(context)
    with options.deck() as deck:
        changed = deck.patch(path, body) if method == "PATCH" else deck.post(path, body)
    if options.is_table:
        note(options, one_line(f"It is at revision {changed['revision']} now."))
    else:
        show_one(options, changed, DETAILS, name="id")

"""`daemondeck config export|import|validate`: the configuration of all daemons, carried elsewhere and checked."""

import sys
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from daemons.cli.deck import Deck
from daemons.cli.exits import CommandError, Exit
from daemons.cli.options import Options, options_of
from daemons.cli.printing import Columns, complain, note, one_line, say, show
from daemons.cli.switching import segment
from daemons.cli.toml import assignments
from daemons.errors import DaemonError

MASK = "**********"
"""What the deck shows in place of a secret; sent back, it leaves the secret as it is."""
COLUMNS: Columns = {
    "NAME": lambda one: one["name"],
    "DONE": lambda one: one["done"],
    "WHAT": lambda one: ", ".join(one["what"]) or "-",
}
_FIELDS = {"name", "type", "enabled", "auto_start", "options"}


def export_daemons(
    context: typer.Context,
    file: Annotated[Path | None, typer.Argument(metavar="FILE", help="Default: standard output.")] = None,
) -> None:
    """Write the configuration of all daemons as TOML, without secrets.

    Example: daemondeck config export daemons.toml
    """
    options = options_of(context)
    with options.deck() as deck:
        daemons = deck.pages("/daemons", 10_000)
        secrets = {daemon["name"]: _secrets(deck, daemon["name"]) for daemon in daemons}
    text = "".join(_sections(daemons, secrets))
    if file is None:
        say(text, end="")
    else:
        file.expanduser().write_text(text, "utf-8")
        note(options, one_line(f"{len(daemons)} daemons are in {file}."))


def import_daemons(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What `config export` wrote; - is standard input.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Tell what would be done; do nothing.")] = False,
) -> None:
    """Add the daemons that are missing, and change those that differ. Secrets stay as they are; nothing is removed.

    Example: daemondeck config import daemons.toml --dry-run
    """
    options = options_of(context)
    wanted = _read(file)
    code = Exit.DONE
    done: list[dict[str, Any]] = []
    with options.deck() as deck:
        present = {daemon["name"]: daemon for daemon in deck.pages("/daemons", 10_000)}
        for one in wanted:
            try:
                done.append(_carry(deck, one, present.get(one["name"]), dry_run=dry_run))
            except CommandError as error:
                if error.exit_code in (Exit.UNREACHABLE, Exit.NOT_ALLOWED):
                    raise
                complain(error, one["name"])
                code = max(code, Exit(error.exit_code))
    show(options, done, COLUMNS)
    raise typer.Exit(code)


def validate_settings(context: typer.Context) -> None:
    """Check the settings, the plug-ins and the options they give to daemons. Needs no running deck.

    Example: daemondeck config validate --config daemondeck.toml
    """
    options = options_of(context)
    problems = list(_problems(options))
    if options.is_table:
        for problem in problems:
            say(one_line(f"{problem['code']}: {problem['message']}"))
        if not problems:
            note(options, "The settings are valid.")
    else:
        show(options, problems, {}, name="code")
    raise typer.Exit(Exit.SETTINGS if problems else Exit.DONE)


def _sections(daemons: list[dict[str, Any]], secrets: Mapping[str, set[str]]) -> Iterator[str]:
    yield "# Daemons of a deck, for `daemondeck config import`. Secrets are not in it.\n"
    for daemon in daemons:
        yield "\n[[daemon]]\n"
        yield assignments({name: daemon[name] for name in ("name", "type", "enabled", "auto_start")})
        kept = secrets[daemon["name"]]
        given = {name: value for name, value in daemon["configuration"].items() if name not in kept}
        if given:
            yield "[daemon.options]\n" + assignments(given)


def _secrets(deck: Deck, name: str) -> set[str]:
    return {option["name"] for option in deck.get(f"/daemons/{segment(name)}/options")["items"] if option["secret"]}


def _read(file: Path) -> list[dict[str, Any]]:
    """Return the daemons of a file. Raises CommandError saying what does not belong there."""
    try:
        text = sys.stdin.read() if str(file) == "-" else file.expanduser().read_text("utf-8")
        found = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise CommandError(Exit.USAGE, f"{file} is not TOML: {error}.", code="ERR_NOT_TOML") from error
    daemons = found.pop("daemon", [])
    is_list = isinstance(daemons, list) and all(isinstance(one, dict) for one in daemons)
    if found or not is_list:
        raise _misfit(file, f"it holds {', '.join(found) or 'something else'} besides [[daemon]] sections")
    for one in daemons:
        if not isinstance(one.get("name"), str) or not isinstance(one.get("type"), str) or one.keys() - _FIELDS:
            raise _misfit(file, f"a section has to have a name and a type, and may have {', '.join(sorted(_FIELDS))}")
    return [dict(one) for one in daemons]


def _misfit(file: Path, why: str) -> CommandError:
    return CommandError(Exit.USAGE, f"{file} is not what `daemondeck config export` writes: {why}.", code="ERR_FILE")


def _carry(deck: Deck, wanted: dict[str, Any], present: dict[str, Any] | None, *, dry_run: bool) -> dict[str, Any]:
    """Make one daemon be as the file says, and return what was done."""
    flags: dict[str, Any] = {name: wanted[name] for name in ("enabled", "auto_start") if name in wanted}
    options = dict(wanted.get("options") or {})
    name = wanted["name"]
    if present is None:
        if not dry_run:
            deck.post("/daemons", {"name": name, "type": wanted["type"], "configuration": options, **flags})
        return {"name": name, "done": "added", "what": sorted(options)}
    if present["type"] != wanted["type"]:
        why = f"It is of type {present['type']} here, and of type {wanted['type']} in the file."
        raise CommandError(Exit.REFUSED, why, remedy="Remove it, or give it another name.", code="ERR_OTHER_TYPE")
    kept = {option: MASK for option, value in present["configuration"].items() if value == MASK}
    whole = {**options, **{option: value for option, value in kept.items() if option not in options}}
    changed = {
        option
        for option in {**whole, **present["configuration"]}
        if whole.get(option) != present["configuration"].get(option)
    }
    changed |= {flag for flag, value in flags.items() if present[flag] != value}
    if changed and not dry_run:
        revision = present["configuration_revision"]
        body = {"configuration": whole, "configuration_revision": revision, **flags}
        deck.patch(f"/daemons/{segment(name)}", body)
    return {"name": name, "done": "changed" if changed else "as it was", "what": sorted(changed)}


def _problems(options: Options) -> Iterator[dict[str, str]]:
    from daemons.registry import Registry
    from daemons.settings import unknown_variables

    settings = options.settings
    for variable in unknown_variables():
        yield {"code": "ERR_SETTINGS", "message": f"{variable} sets nothing: there is no such setting."}
    registry = Registry.load(settings)
    for plugin in registry.broken:
        yield {"code": plugin.error.code, "message": f"The plug-in {plugin.module}: {plugin.error.message}"}
    known = {name.replace("-", "_").lower(): name for name in registry.types}
    for section in settings.daemons:
        type = known.get(section.replace("-", "_").lower())
        if type is None:
            # The section of a second instance; of what type that is, only the deck knows.
            note(options, one_line(f"daemons.{section} is the name of no type, so it was not checked."))
            continue
        try:
            registry.validate_options(type, {**settings.daemon_defaults(type), **settings.daemon_overrides(type)})
        except DaemonError as error:
            yield {"code": error.error_code, "message": f"daemons.{section}: {error.message}"}

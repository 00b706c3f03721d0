"""`daemondeck config show`: every setting, its value and where the value came from."""

from typing import Any

import typer

from daemons.cli import daemon_options, transfer
from daemons.cli.options import Options, options_of
from daemons.cli.printing import Columns, note, show

app = typer.Typer(help="See the settings, and the options of daemons; change, check and carry them.")
app.command("get")(daemon_options.get_options)
app.command("set")(daemon_options.set_options)
app.command("edit")(daemon_options.edit_options)
app.command("validate")(transfer.validate_settings)
app.command("export")(transfer.export_daemons)
app.command("import")(transfer.import_daemons)

COLUMNS: Columns = {
    "NAME": lambda setting: setting["name"],
    "VALUE": lambda setting: setting["value"],
    "SOURCE": lambda setting: setting["source"],
}


@app.command("show")
def show_settings(context: typer.Context) -> None:
    """Show every setting with its source. Secrets are masked.

    Example: daemondeck config show -o json
    """
    from daemons.settings import find_config, unknown_variables

    options = options_of(context)
    settings = options.settings
    values, sources = settings.shown(), settings.sources()
    # Of the settings of other systems each option is a line of its own.
    sections = settings.sections()
    rows: list[dict[str, Any]] = [
        {"name": name, "value": value, "source": sources[name]}
        for name, value in values.items()
        if name not in ("daemons", *sections)
    ]
    for section in sections:
        rows += [
            {"name": f"{section}.{option}", "value": value, "source": settings.source(section, option)}
            for option, value in values[section].items()
        ]
    for daemon in settings.daemons:
        rows += _options_of_daemon(options, daemon)
    show(options, rows, COLUMNS)
    if options.is_table:
        file = find_config(options.config)
        note(options, f"Settings file: {file or 'none'}")
    for name in unknown_variables():
        note(options, f"{name} sets nothing: there is no such setting.")


def _options_of_daemon(options: Options, daemon: str) -> list[dict[str, Any]]:
    from daemons.settings import find_config

    settings = options.settings
    fixed = settings.daemon_overrides(daemon)
    return [
        {
            "name": f"daemons.{daemon}.{option}",
            "value": value,
            "source": f"DAEMONDECK_DAEMONS__{daemon.upper()}__{option.upper()}"
            if option in fixed
            else str(find_config(options.config)),
        }
        for option, value in settings.shown()["daemons"][daemon].items()
    ]

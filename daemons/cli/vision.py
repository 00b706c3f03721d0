"""`daemondeck vision show|test`: the server that describes pictures, and whether it works."""

from dataclasses import replace
from typing import Annotated, Any

import typer

from daemons.cli.exits import Exit
from daemons.cli.options import options_of
from daemons.cli.printing import Columns, note, show_one, stamp

TEST_SECONDS = 90.0
"""The deck itself gives up earlier, and says why."""
app = typer.Typer(help="See and test the server that describes pictures.")

SERVER: Columns = {
    "Address": lambda server: server["url"] or None,
    "Model": lambda server: server["model"] or None,
    "Keys": lambda server: server["keys"],
    "At once": lambda server: server["concurrency"],
    "Requests a minute": lambda server: server["requests_per_minute"] or None,
    "Tokens a minute": lambda server: server["tokens_per_minute"] or None,
    "Last test": lambda server: _outcome(server["last_test"]),
}
REPORT: Columns = {
    "Address": lambda report: report["url"],
    "Model": lambda report: report["model"] or None,
    "Works": lambda report: report["works"],
    "Seconds": lambda report: report["seconds"] and round(report["seconds"], 2),
    "Said": lambda report: report["said"],
    "Models": lambda report: ", ".join(report["models"]) or report["models_problem"],
    "Keys": lambda report: "; ".join(_key(key) for key in report["keys"]) or None,
}


@app.command("show")
def show_vision(context: typer.Context) -> None:
    """Show the server that is set, and what came of its last test.

    Example: daemondeck vision show
    """
    options = options_of(context)
    with options.deck() as deck:
        server = deck.get("/vision")
    show_one(options, server, SERVER, name="url")
    if not server["url"]:
        note(options, "Not configured: set vision.url in daemondeck.toml, or DAEMONDECK_VISION__URL.")


@app.command("test")
def test_vision(
    context: typer.Context,
    model: Annotated[str, typer.Option(help="The model to ask; default: the one of the settings.")] = "",
) -> None:
    """Ask the server, with each key, about a tiny picture; exit code 1 if it does not answer.

    Example: daemondeck vision test --model llava:13b
    """
    options = options_of(context)
    with replace(options, timeout=options.timeout or TEST_SECONDS).deck() as deck:
        report = deck.post("/vision/test", {"model": model})
    show_one(options, report, REPORT, name="works")
    if problem := report["problem"]:
        note(options, f"{problem['code']}: {problem['message']} {problem['remedy'] or ''}".strip())
    raise typer.Exit(Exit.DONE if report["works"] else Exit.FAILED)


def _outcome(report: dict[str, Any] | None) -> str | None:
    if report is None:
        return None
    what = "works" if report["works"] else report["problem"]["message"]
    return f"{stamp(report['at'], 'seconds')}: {what}"


def _key(key: dict[str, Any]) -> str:
    return f"{key['number']}: {key['problem']['message'] if key['problem'] else 'good'}"

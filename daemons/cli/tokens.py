"""`daemondeck token`: this machine's token, tokens for programs, and sign-in links."""

from datetime import datetime
from typing import Annotated, Any

import typer

from daemons.cli.access_here import acts_here, do_here, look_here, plain, role_named
from daemons.cli.exits import CommandError, Exit
from daemons.cli.options import Options, options_of
from daemons.cli.printing import Columns, age, note, say, show, show_one
from daemons.cli.switching import segment
from daemons.cli.times import duration
from daemons.clock import SystemClock

app = typer.Typer(help="Print this machine's token; make, list and revoke others.")

COLUMNS: Columns = {
    "NAME": lambda token: token["name"],
    "ROLE": lambda token: token["role"],
    "USED": lambda token: age(token["last_used_at"]) or "never",
    "EXPIRES": lambda token: token["expires_at"] or "never",
}
Name = Annotated[str, typer.Argument(metavar="NAME", help="What the token is for.")]


@app.callback(invoke_without_command=True)
def print_token(context: typer.Context) -> None:
    """Print the token that this machine's commands use, or manage others."""
    if context.invoked_subcommand is not None:
        return
    file = options_of(context).settings.data_dir / "token"
    try:
        say(file.read_text("utf-8").strip())
    except FileNotFoundError:
        raise CommandError(
            Exit.UNKNOWN,
            f"There is no token in {file.parent} yet.",
            remedy="`daemondeck serve` makes it at its first start.",
            code="ERR_NO_TOKEN",
        ) from None
    except OSError as error:
        raise CommandError(
            Exit.NOT_ALLOWED,
            f"{file} cannot be read: {error.strerror}.",
            remedy="Run the command as the user who runs the deck.",
            code="ERR_DENIED",
        ) from error


@app.command("add")
def add(
    context: typer.Context,
    name: Name,
    role: Annotated[str, typer.Option(help="viewer, operator or admin.")] = "operator",
    expires: Annotated[str | None, typer.Option(help="Useless after this long: 30d.")] = None,
) -> None:
    """Make a token for a program and print its secret, this once.

    Example: daemondeck token add ci --role viewer --expires 30d
    """
    options = options_of(context)
    ends = SystemClock().now() + duration(expires) if expires else None
    token = _add_here(options, name, role, ends) if acts_here(options) else _add_by_deck(options, name, role, ends)
    if options.is_table:
        say(token["secret"])
        note(options, f"{name}: {role}. The secret is not shown again.")
    else:
        show_one(options, token, COLUMNS)


@app.command("ls")
def list_tokens(context: typer.Context) -> None:
    """List the tokens of programs, without their secrets.

    Example: daemondeck token ls
    """
    options = options_of(context)
    if acts_here(options):
        tokens = [plain(token.as_dict()) for token in look_here(options, lambda access: access.tokens())]
    else:
        with options.deck() as deck:
            tokens = deck.get("/tokens")["items"]
    show(options, tokens, COLUMNS)


@app.command("rm")
def revoke(context: typer.Context, name: Name) -> None:
    """Make a token useless at once.

    Example: daemondeck token rm ci
    """
    options = options_of(context)
    if acts_here(options):
        do_here(options, "token remove", name, lambda access: access.revoke_token(name))
    else:
        with options.deck() as deck:
            deck.delete(f"/tokens/{segment(name)}")
    note(options, f"{name}: revoked.")


@app.command("link")
def link(
    context: typer.Context,
    role: Annotated[str, typer.Option(help="What the one who opens it may do: viewer, operator or admin.")] = "admin",
) -> None:
    """Print a link that signs in one browser, once, within half an hour.

    Example: daemondeck token link --role viewer
    """
    options = options_of(context)
    role_named(role)
    with options.deck() as deck:
        say(deck.post("/signin-links", {"role": role})["url"])


def _add_by_deck(options: Options, name: str, role: str, expires: datetime | None) -> dict[str, Any]:
    with options.deck() as deck:
        body = {"name": name, "role": role, "expires_at": expires.isoformat() if expires else None}
        answer: dict[str, Any] = deck.post("/tokens", body)
        return answer


def _add_here(options: Options, name: str, role: str, expires: datetime | None) -> dict[str, Any]:
    wanted = role_named(role)
    secret, token = do_here(options, "token add", name, lambda access: access.create_token(name, wanted, expires))
    return {**plain(token.as_dict()), "secret": secret}

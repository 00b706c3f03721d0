"""`daemondeck token`: this machine's token, tokens for programs, and sign-in links."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from daemons.cli.exits import CommandError, Exit
from daemons.cli.options import Options, options_of
from daemons.cli.printing import Columns, age, note, say, show, show_one
from daemons.cli.storage import held
from daemons.cli.switching import segment
from daemons.cli.times import duration
from daemons.clock import SystemClock

if TYPE_CHECKING:
    from daemons.access import Access, TokenInfo

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
    token = _add_here(options, name, role, ends) if _acts_here(options) else _add_by_deck(options, name, role, ends)
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
    if _acts_here(options):
        tokens = asyncio.run(_listed(options))
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
    if _acts_here(options):
        asyncio.run(_revoked(options, name))
    else:
        with options.deck() as deck:
            deck.delete(f"/tokens/{segment(name)}")
    note(options, f"{name}: revoked.")


@app.command("link")
def link(context: typer.Context) -> None:
    """Print a link that signs in one browser, once, within half an hour.

    Example: daemondeck token link
    """
    options = options_of(context)
    with options.deck() as deck:
        say(deck.post("/signin-links")["url"])


def _acts_here(options: Options) -> bool:
    """Whether nobody runs the data, so that it is ours to change."""
    return options.server is None and not options.is_running_here


def _add_by_deck(options: Options, name: str, role: str, expires: datetime | None) -> dict[str, Any]:
    with options.deck() as deck:
        body = {"name": name, "role": role, "expires_at": expires.isoformat() if expires else None}
        answer: dict[str, Any] = deck.post("/tokens", body)
        return answer


def _add_here(options: Options, name: str, role: str, expires: datetime | None) -> dict[str, Any]:
    from daemons.access import Role

    if role not in list(Role):
        raise typer.BadParameter(f"There is no role {role}; there are {', '.join(Role)}.")

    async def add_token() -> dict[str, Any]:
        async with _access(options) as access:
            secret, token = await access.create_token(name, Role(role), expires)
            return {**_plain(token), "secret": secret}

    return asyncio.run(add_token())


@asynccontextmanager
async def _access(options: Options) -> "AsyncIterator[Access]":
    """Open the records of who may come in, with every deck kept off them."""
    from daemons.access import Access
    from daemons.bus import Bus
    from daemons.database import Database
    from daemons.schema import prepare

    clock = SystemClock()
    with held(options) as url:
        prepare(url, options.settings.data_dir, clock)
        async with Database(url, clock, Bus()) as database, Access(database, clock) as access:
            yield access


async def _listed(options: Options) -> list[dict[str, Any]]:
    async with _access(options) as access:
        return [_plain(token) for token in await access.tokens()]


async def _revoked(options: Options, name: str) -> None:
    async with _access(options) as access:
        await access.revoke_token(name)


def _plain(token: "TokenInfo") -> dict[str, Any]:
    values: dict[str, Any] = token.as_dict()
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in values.items()}

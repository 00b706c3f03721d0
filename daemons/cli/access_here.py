"""Who may come in, changed on the machine that holds the data while no deck runs: how who is locked out comes back."""

import asyncio
import getpass
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar

import typer

from daemons.cli.options import Options
from daemons.cli.storage import held
from daemons.clock import SystemClock

if TYPE_CHECKING:
    from daemons.access import Access, Role

T = TypeVar("T")


def acts_here(options: Options) -> bool:
    """Whether nobody runs the data, so that it is ours to change."""
    return options.server is None and not options.is_running_here


def look_here(options: Options, look: "Callable[[Access], Awaitable[T]]") -> T:
    """Read the data."""

    async def looked() -> T:
        async with _access(options) as access:
            return await look(access)

    return asyncio.run(looked())


def do_here(options: Options, action: str, target: str, do: "Callable[[Access], Awaitable[T]]") -> T:
    """Change the data, and put on record who did it."""

    async def done() -> T:
        async with _access(options) as access:
            try:
                result = await do(access)
            except Exception:
                await access.record(_who(), "command line", action, target, "refused")
                raise
            await access.record(_who(), "command line", action, target, "done")
            return result

    return asyncio.run(done())


def role_named(name: str) -> "Role":
    """Return the role of that name. Raises BadParameter naming those there are."""
    from daemons.access import Role

    if name not in list(Role):
        raise typer.BadParameter(f"There is no role {name}; there are {', '.join(Role)}.")
    return Role(name)


def plain(values: dict[str, Any]) -> dict[str, Any]:
    """Return the values as the API would write them."""
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in values.items()}


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


def _who() -> str:
    try:
        return f"{getpass.getuser()} on this machine"
    except (KeyError, OSError):
        # A user id without a name, as in containers.
        return "somebody on this machine"

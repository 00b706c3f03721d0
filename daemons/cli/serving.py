"""What `daemondeck serve` does: the deck from its first line to its last.

settings ─▶ signals ─▶ listening socket ─▶ service ─▶ web server ─▶ the link is printed
a signal ─▶ sockets close │ daemons and jobs end │ all is flushed  (together)  ─▶ exit 0
"""

import asyncio
import os
import socket
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog

from daemons.cli import importing
from daemons.cli.address import Address
from daemons.cli.describing import describe_folder, readable_folder
from daemons.cli.exits import Exit
from daemons.cli.listening import address_of, listening
from daemons.cli.options import Options
from daemons.cli.printing import say
from daemons.cli.stopping import StopSignals
from daemons.clock import Clock, SystemClock
from daemons.errors import Fatal
from daemons.killpoints import reach
from daemons.logs import set_up_logs
from daemons.settings import Settings, load_settings, unknown_variables

if TYPE_CHECKING:
    from daemons.service import Service
    from web.server import Server

UNWILLING_SECONDS = 0.5
"""What tasks get to end once everything is flushed; nothing they could still do matters."""

logger = structlog.get_logger(__name__)


def serve_deck(options: Options, flags: dict[str, Any], describe: Sequence[str]) -> None:
    """Run the deck until it is told to stop, and print the link that signs in."""
    settings = load_settings({**flags, "data_dir": options.data_dir}, config=options.config)
    folders = [readable_folder(text) for text in describe]
    set_up_logs(settings.log_format, settings.log_level, settings.secrets())
    for name in unknown_variables():
        logger.warning("An environment variable sets nothing: there is no such setting.", variable=name)
    _check_language(settings)
    settings.make_data_dir()
    _refuse_a_second(settings)
    clock = SystemClock()
    with StopSignals(clock) as signals, listening(settings.host, settings.port) as listener:
        asyncio.run(_serve(settings, clock, signals, listener, folders))


def _check_language(settings: Settings) -> None:
    """Raise BadSettings where pages cannot speak it, before anything is opened."""
    with importing():
        from web.words import catalogue

    catalogue(settings.language)


def _refuse_a_second(settings: Settings) -> None:
    """Raise AlreadyServed where a deck runs on the data: more to the point than that its port is taken."""
    with importing():
        from daemons.schema import sqlite_path
        from daemons.schema.data_lock import hold, holder

    path = sqlite_path(settings.database_url)
    if path is not None and holder(path):
        with hold(path):
            return


async def _serve(
    settings: Settings, clock: Clock, signals: StopSignals, listener: socket.socket, folders: list[Path]
) -> None:
    # Imported here: no other command needs any of it.
    with importing():
        from daemons.service import open_service
        from web.app import create_app
        from web.server import make_server

    stop = signals.requested()
    async with open_service(settings, clock=clock) as service:
        reach("service opened")
        for directory in folders:
            await describe_folder(service, directory)
        server = make_server(create_app(service), settings)
        serving = asyncio.create_task(server.serve(sockets=[listener]), name="web server")
        await _accepting(server, serving, clock)
        address = _address(settings, listener)
        address.write(settings.data_dir)
        service.tell_address(address.url)
        await _greet(service, address)
        reach("serving")
        await _first(stop.wait(), serving)
        reach("stop asked")
        address.withdraw(settings.data_dir)
        await _stop(service, server, serving)
        reach("stopped")
    await _abandon_the_unwilling(clock)


async def _accepting(server: "Server", serving: "asyncio.Task[None]", clock: Clock) -> None:
    """Return once the server takes requests. Raises Fatal if it cannot."""
    # uvicorn tells of its start by this flag alone.
    while not server.started:
        if serving.done():
            await serving
            raise Fatal("The web server did not start.", remedy="The log says why.", code="ERR_WEB_SERVER")
        await clock.sleep(0.005)


async def _greet(service: "Service", address: Address) -> None:
    """Tell on stdout where the deck is and how to get in."""
    logger.info("The deck is open.", url=address.url, pid=address.pid, version=service.version)
    for problem in service.problems():
        tell = logger.warning if problem.is_trouble else logger.info
        tell(problem.message, code=problem.code, remedy=problem.remedy)
    with suppress(BrokenPipeError):
        say(f"Daemondeck {service.version} is at {address.url}/")
        if not service.access.is_open:
            code = await service.access.new_code()
            say(f"Sign in (this link works once, for half an hour): {address.url}/signin?code={code}")


async def _stop(service: "Service", server: "Server", serving: "asyncio.Task[None]") -> None:
    """Close sockets, end daemons and jobs, and flush, all at once: each has its own limit within the budget."""
    logger.info("The deck closes.")
    server.should_exit = True
    died = serving.done()
    await asyncio.gather(service.stop(), asyncio.wait({serving}))
    if died:
        serving.result()
        raise Fatal("The web server ended by itself.", remedy="The log says why.", code="ERR_WEB_SERVER")


async def _first(wanted: Coroutine[Any, Any, object], other: "asyncio.Task[None]") -> None:
    waiting = asyncio.ensure_future(wanted)
    try:
        await asyncio.wait({waiting, other}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        waiting.cancel()


async def _abandon_the_unwilling(clock: Clock) -> None:
    """End the process here if tasks would keep the event loop from ending: everything they could write is written."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    if await clock.settle(others, UNWILLING_SECONDS):
        unwilling = [task.get_name() for task in others if not task.done()]
        logger.warning("Tasks that ignore cancellation were abandoned.", tasks=unwilling)
        os._exit(Exit.DONE)


def _address(settings: Settings, listener: socket.socket) -> Address:
    host, port = address_of(listener)
    return Address.of_this_process(f"http://{host}:{port}{settings.base_path}")

"""`describe DIR` with a running deck: the work is the deck's own, this command asks for it and looks on."""

import asyncio
import signal
from collections.abc import Mapping
from contextlib import aclosing
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from daemons.cli.deck import LOST, Deck
from daemons.cli.describing import EndOfWork, check_configured, merged, readable_folder
from daemons.cli.exits import CommandError, Exit
from daemons.cli.options import Options
from daemons.cli.run_end import RunEnd
from daemons.cli.run_lines import RunLines
from daemons.cli.switching import has_failed, segment
from daemons.clock import SystemClock
from daemons.describers import TYPE, free_name
from daemons.settings import is_loopback

Item = dict[str, Any]


def describe_there(options: Options, directory: str, configuration: Mapping[str, Any]) -> Exit:
    """Have the running deck describe the folder and look on; return the exit code."""
    with options.deck() as deck:
        before = daemon_there(deck, folder_there(options, directory), configuration)
        place = f"/daemons/{segment(before['name'])}"
        state, daemon = asyncio.run(_follow(options, deck, before))
        items = deck.get(f"{place}/statistics")["items"]
        end = RunEnd(state, daemon, items, deck.get(f"{place}/failures")["items"])
    return end.tell(options)


def folder_there(options: Options, directory: str) -> Path:
    """Return the folder as the deck sees it: on another machine only that one knows what is there."""
    is_here = options.server is None or is_loopback(urlsplit(options.server).hostname or "")
    if is_here:
        return readable_folder(directory)
    if not PurePosixPath(directory).is_absolute():
        raise CommandError(
            Exit.USAGE, "Name the folder as the deck's machine knows it, from its root on.", code="ERR_NO_DIRECTORY"
        )
    return Path(directory)


def daemon_there(
    deck: Deck, folder: Path, configuration: Mapping[str, Any], new: Mapping[str, Any] | None = None
) -> Item:
    """Return the folder's daemon with these options; made with the `new` ones if there is none."""
    daemons = deck.pages("/daemons", 10_000)
    found = next((one for one in daemons if one["type"] == TYPE and _directory(one) == str(folder)), None)
    if found is None:
        name = free_name(folder, [one["name"] for one in daemons])
        body = {"type": TYPE, "name": name, "configuration": merged({"directory": str(folder)}, new or configuration)}
        made: Item = deck.post("/daemons", body)
        return made
    changed = merged(found["configuration"], configuration)
    if found["enabled"] and changed == found["configuration"]:
        return found
    edit: Item = {"enabled": True, "configuration": changed, "configuration_revision": found["configuration_revision"]}
    edited: Item = deck.patch(f"/daemons/{segment(found['name'])}", edit)
    return edited


def _directory(daemon: Item) -> str | None:
    directory: str | None = daemon["configuration"].get("directory")
    return directory


async def _follow(options: Options, deck: Deck, before: Item) -> tuple[str, Item]:
    """Start the daemon or wake it, and look on until it is done or the user has seen enough."""
    name, clock = before["name"], SystemClock()
    enough = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, enough.set)
    with RunLines(options, clock) as lines:
        lines.line(f"{name} describes {_directory(before)} in the deck at {deck.url}.")
        following = asyncio.ensure_future(_until_done(deck, before, lines))
        asking = asyncio.ensure_future(enough.wait())
        try:
            await asyncio.wait({following, asking}, return_when=asyncio.FIRST_COMPLETED)
            if following.done():
                return following.result()
        finally:
            asking.cancel()
            following.cancel()
            await asyncio.wait({following, asking})
    return "detached", deck.get(f"/daemons/{segment(name)}")


async def _until_done(deck: Deck, before: Item, lines: RunLines) -> tuple[str, Item]:
    is_sent, end, place = False, EndOfWork(before["next_wake_at"]), f"/daemons/{segment(before['name'])}"
    async with aclosing(deck.frames("daemons", daemon=before["name"])) as frames:
        async for frame in frames:
            if frame is None:
                lines.line("Connected again.")
                continue
            if frame.type == LOST:
                lines.line("No connection to the deck; trying again.")
            # Only once all is told that was before: its end is not ours.
            if frame.type == "heartbeat" and not is_sent:
                _send(deck, before)
                is_sent = True
            if frame.topic != "daemons" or frame.type not in ("snapshot", "daemon") or not is_sent:
                continue
            for daemon in frame.items:
                if daemon["id"] == before["id"]:
                    lines.hear(daemon)
                    check_configured(daemon, before["status_updated_at"])
                    if end.may_be(daemon) and end.is_here(daemon, deck.get(f"{place}/statistics")["items"]):
                        return "complete", daemon
                    if _has_ended(daemon, before):
                        return "failed", daemon
    raise CommandError(Exit.UNREACHABLE, "The deck does not tell any more.", code="ERR_UNREACHABLE")


def _send(deck: Deck, before: Item) -> None:
    place = f"/daemons/{segment(before['name'])}"
    deck.post(f"{place}/start")
    if before["state"] == "running" and before["next_wake_at"]:
        deck.post(f"{place}/wake")


def _has_ended(daemon: Item, before: Item) -> bool:
    """Whether it failed, or somebody else ended it."""
    fails = has_failed(daemon) and daemon["state"] != "backoff" and daemon["last_error"] != before["last_error"]
    return bool(fails or (daemon["state"] == "stopped" and daemon["desired"] == "off"))

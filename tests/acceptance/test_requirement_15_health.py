"""Requirement 15, health with reason and fix: "unmount a library: path and reason within 60 s, clears by itself"."""

import asyncio
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.chaos.deck_process import DeckProcess, Item, environment
from tests.forked import PROJECT

TOLD_WITHIN = 60.0


def can_mount(folder: Path) -> bool:
    probe = ["unshare", "-rm", "mount", "-t", "tmpfs", "tmpfs", str(folder)]
    has_tools = shutil.which("unshare") is not None and shutil.which("nsenter") is not None
    return has_tools and subprocess.run(probe, capture_output=True, check=False).returncode == 0


@pytest.mark.timeout(180)
async def test_a_library_that_is_gone_is_told_with_path_and_reason_and_clears(data_dir: Path, tmp_path: Path) -> None:
    library = tmp_path / "photos"
    library.mkdir()
    if can_mount(library):
        come, go = f"mount -t tmpfs tmpfs {library} && touch {library}/holiday.txt", f"umount {library}"
        code, reason = "ERR_FOLDER_UNMOUNTED", "not mounted any more"
        wrapper = ("unshare", "-rm", "sh", "-c", f'{come} && exec "$@"', "sh")
    else:
        # Where nobody may mount anything, the next best: the folder itself goes.
        come, go = f"mv {library}.away {library}", f"mv {library} {library}.away"
        code, reason, wrapper = "ERR_FOLDER_MISSING", "is not there", ()
    async with DeckProcess(data_dir, plugins=(), wrapper=wrapper) as deck:
        await describe(deck, library)
        await until_looked_at(deck, library)
        assert await folder_findings(deck) == []

        inside(deck, go, own_mounts=bool(wrapper))
        [gone] = await until(deck, bool)
        doctor = await ask_doctor(data_dir)
        inside(deck, come, own_mounts=bool(wrapper))
        await until(deck, lambda findings: not findings)

    assert (gone["code"], gone["severity"], gone["subject"]) == (code, "error", str(library))
    assert str(library) in gone["message"] and reason in gone["message"]
    assert gone["remedy"] and gone["since"] and gone["link"] == "/daemons/describe_images"
    assert [finding["code"] for finding in doctor] == [code], "the same, on the command line"


async def describe(deck: DeckProcess, library: Path) -> None:
    """Have the library's images described."""
    change = {"configuration": {"directory": str(library)}}
    assert (await deck.http.patch("/api/daemons/describe_images", json=change)).is_success
    assert (await deck.http.post("/api/daemons/describe_images/start", json={})).is_success


def inside(deck: DeckProcess, command: str, *, own_mounts: bool) -> None:
    """Run a command where the deck runs, whose mounts perhaps nobody else sees."""
    enter = ["nsenter", "-t", str(deck.pid), "-U", "-m"] if own_mounts else []
    subprocess.run([*enter, "sh", "-c", command], check=True)


async def until(deck: DeckProcess, is_it: Callable[[list[Item]], bool]) -> list[Item]:
    """Return what the deck says of folders as soon as it is as wanted."""
    async with asyncio.timeout(TOLD_WITHIN), deck.events("topics=health") as events:
        async for _ in events.stream:
            if is_it(found := await folder_findings(deck)):
                return found
    raise AssertionError("the deck closed the socket")


async def until_looked_at(deck: DeckProcess, library: Path) -> None:
    """Return once the deck has looked into the library."""
    async with asyncio.timeout(TOLD_WITHIN), deck.events("topics=health") as events:
        async for _ in events.stream:
            disks = (await deck.http.get("/api/system")).json()["disks"]
            if any(disk["path"] == str(library) and disk["free"] for disk in disks):
                return


async def folder_findings(deck: DeckProcess) -> list[Item]:
    findings = (await deck.http.get("/api/health")).json()["items"]
    return [finding for finding in findings if finding["code"].startswith("ERR_FOLDER")]


async def ask_doctor(data_dir: Path) -> list[Item]:
    """Return what `daemondeck doctor` says of folders."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "daemons", "doctor", "-o", "json"),
        cwd=PROJECT,
        env=environment(data_dir, ()),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    output, _ = await process.communicate()
    assert process.returncode == 3
    return [finding for finding in json.loads(output) if finding["code"].startswith("ERR_FOLDER")]

"""Requirement 4: "One bad file never stops the rest."

Test: 3 bad of 1 000: 997 done, 3 listed, daemon still running.
"""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.chaos.deck_process import DeckProcess

BAD = {"IMG_0003.jpg": b"\xff\xd8\xff\xe0 cut", "IMG_0500.jpg": b"", "IMG_0997.jpg": b"<html>not a picture</html>"}


@pytest.mark.timeout(120)
async def test_three_bad_of_a_thousand(data_dir: Path, tmp_path: Path) -> None:
    folder = tmp_path / "Holiday"
    folder.mkdir()
    Image.new("RGB", (16, 12), (90, 120, 200)).save(folder / "IMG_0000.jpg")
    whole = (folder / "IMG_0000.jpg").read_bytes()
    for number in range(1, 1000):
        name = f"IMG_{number:04}.jpg"
        (folder / name).write_bytes(BAD.get(name, whole))

    async with DeckProcess(data_dir, "--describe", str(folder), plugins=()) as deck:
        await deck.until_daemon("describe-holiday", says("997 of 1,000 images are described, 3 failed"), 90)

        done = await everything(deck, "/api/descriptions?state=done")
        groups = (await deck.http.get("/api/daemons/describe-holiday/failures")).json()["items"]
        daemon = (await deck.http.get("/api/daemons/describe-holiday")).json()

    assert len(done) == 997
    assert {item["name"] for group in groups for item in group["items"]} == set(BAD)
    assert all(group["code"].startswith("ERR_") and group["message"] for group in groups)
    assert sum(group["jobs"] for group in groups) == 0
    assert (daemon["state"], daemon["restarts"]) == ("running", 0)


def says(text: str) -> Any:
    return lambda daemon: text in (daemon["current_status"] or "")


async def everything(deck: DeckProcess, path: str) -> list[Any]:
    """Return all pages of a list."""
    found: list[Any] = []
    cursor = ""
    async with asyncio.timeout(30):
        while True:
            page = (await deck.http.get(f"{path}&limit=500&cursor={cursor}".removesuffix("&cursor="))).json()
            found += page["items"]
            cursor = page["next"]
            if cursor is None:
                return found

"""Describes a folder of many generated photographs while the deck is killed and stopped, and counts what came of it.

python -m tests.chaos.describing --images 30000
"""

import argparse
import asyncio
import io
import sqlite3
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

import psutil
from PIL import Image

from tests.chaos.deck_process import DeckProcess, Item
from tests.pictures.samples import busy

MEBIBYTE = 1024 * 1024
SCENES = 40
IN_A_FOLDER = 500
NAME = "describe-photographs"
WARM = 0.1
"""The part of a life after which the manager's memory is looked at: until then it is filling its caches."""
LIFE_SECONDS = 3600.0


def _photograph(number: int) -> bytes:
    """Return a JPEG that no other number has, with what a camera notes."""
    exif = Image.Exif()
    exif[0x010F], exif[0x0110] = "Canon", "Canon EOS 80D"
    taken = datetime(2015, 1, 1) + timedelta(minutes=number)  # noqa: DTZ001 - cameras know no zone
    exif.get_ifd(0x8769)[0x9003] = taken.strftime("%Y:%m:%d %H:%M:%S")
    scene = busy(number % SCENES, 320, 240)
    scene.putpixel((number % 320, number // 320 % 240), (number % 256, number // 256 % 256, 0))
    data = io.BytesIO()
    scene.save(data, "JPEG", exif=exif, quality=85)
    return data.getvalue()


def _png_header(width: int, height: int) -> bytes:
    data = io.BytesIO()
    Image.new("1", (1, 1)).save(data, "PNG")
    whole = data.getvalue()
    return whole[:16] + width.to_bytes(4, "big") + height.to_bytes(4, "big") + whole[24:]


BROKEN: dict[str, Callable[[int], bytes]] = {
    "cut.jpg": lambda number: _photograph(number)[:3000],
    "text.jpg": lambda number: b"I am not an image, said number %d." % number,
    "empty.jpg": lambda number: b"",
    "zeros.jpg": lambda number: bytes(5000 + number),
    "page.png": lambda number: b"<!doctype html><title>404</title> %d" % number,
    "paper.jpg": lambda number: b"%PDF-1.7 " + bytes(100 + number),
    "film.avif": lambda number: b"\x00\x00\x00\x18ftypmp42" + bytes(200 + number),
    "apple.heic": lambda number: b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00heicmif1" + bytes(100 + number),
    "giant.png": lambda number: _png_header(50_000, 50_000 + number),
    "raw.tif": lambda number: b"II*\x00\x10\x00\x00\x00CR\x02\x00" + bytes(300 + number),
}
"""Ten ways to be broken, each by the end of its name."""


def generate(folder: Path, images: int, broken: int) -> None:
    """Fill `folder` with `images` files, `broken` of them so in ten ways."""
    with ProcessPoolExecutor() as pool:
        for first in pool.map(partial(_generate_some, folder, images - broken), range(0, images - broken, IN_A_FOLDER)):
            print(f"\rgenerated {first:,}", end="", flush=True)  # noqa: T201 - a script's progress
    ways = list(BROKEN.items())
    for number in range(broken):
        ending, made = ways[number % len(ways)]
        place = folder / f"{number % 7}" / f"{number:03} {ending}"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(made(number))


def _generate_some(folder: Path, images: int, first: int) -> int:
    below = folder / f"{first // IN_A_FOLDER:03}"
    below.mkdir(parents=True)
    for number in range(first, min(first + IN_A_FOLDER, images)):
        (below / f"IMG_{number:05}.jpg").write_bytes(_photograph(number))
    return first


@dataclass
class Report:
    """What came of it."""

    states: Counter[str] = field(default_factory=Counter)
    codes: Counter[str] = field(default_factory=Counter)
    described_twice: int = 0
    seconds: float = 0.0
    growth: list[float] = field(default_factory=list)
    """MiB by which the manager grew in each life of the deck, from when it was warm."""
    manager: float = 0.0
    worker: float = 0.0
    """The most MiB that any worker had."""


@dataclass
class Life:
    """One life of the deck: how it uses memory as the work goes on."""

    pid: int
    samples: list[float] = field(default_factory=list)
    worker: float = 0.0

    def look(self) -> None:
        """Note how much memory manager and workers have."""
        manager = psutil.Process(self.pid)
        self.samples.append(manager.memory_info().rss / MEBIBYTE)
        for child in manager.children():
            try:
                self.worker = max(self.worker, child.memory_info().rss / MEBIBYTE)
            except psutil.NoSuchProcess:
                continue

    @property
    def growth(self) -> float:
        warm = self.samples[int(len(self.samples) * WARM) :]
        return max(warm) - warm[0] if warm else 0.0


async def run(root: Path, *, images: int, broken: int, kills: int, stops: int) -> Report:
    """Describe `images` files below `root`, ending the deck now and then; return what the data says then."""
    folder, data_dir = root / "photographs", root / "data"
    generate(folder, images, broken)
    report = Report()
    began = asyncio.get_running_loop().time()
    for at, is_kill in _ends(images, kills, stops):
        async with DeckProcess(data_dir, "--describe", str(folder), plugins=()) as deck:
            life = Life(deck.pid)
            await _until(deck, life, lambda item, at=at: _done(item) >= at)  # type: ignore[misc]
            _note(report, life)
            if is_kill:
                deck.kill()
            else:
                deck.terminate()
                assert await deck.ended() == 0
    async with DeckProcess(data_dir, "--describe", str(folder), plugins=()) as deck:
        life = Life(deck.pid)
        await _until(deck, life, _is_through)
        _note(report, life)
    report.seconds = asyncio.get_running_loop().time() - began
    _read(report, data_dir / "daemondeck.db")
    return report


def _ends(images: int, kills: int, stops: int) -> Iterator[tuple[int, bool]]:
    """Yield after how many images the deck ends, and whether it is killed, by turns as long as there are both."""
    total = kills + stops
    for number in range(total):
        is_kill = number % 2 == 0 if min(kills, stops) > number // 2 else kills > stops
        yield (number + 1) * images // (total + 2), is_kill


async def _until(deck: DeckProcess, life: Life, is_it: Callable[[Item], bool]) -> None:
    def look(item: Item) -> bool:
        life.look()
        return is_it(item)

    await deck.until_daemon(NAME, look, within=LIFE_SECONDS)


def _is_through(item: Item) -> bool:
    """Whether all of it was looked at; what was made a moment ago may still be written to, and is left for later."""
    status = item["current_status"] or ""
    return "looking again" in status and "may still be written to" not in status


def _done(item: Item) -> float:
    return float((item["progress"] or {}).get("done", 0))


def _note(report: Report, life: Life) -> None:
    report.growth.append(life.growth)
    report.manager = max(report.manager, *life.samples)
    report.worker = max(report.worker, life.worker)


def _read(report: Report, database: Path) -> None:
    with closing(sqlite3.connect(database)) as data:
        report.states.update(dict(data.execute("SELECT state, count(*) FROM descriptions GROUP BY state")))
        codes = "SELECT json_extract(error, '$.code'), count(*) FROM descriptions WHERE state = 'failed' GROUP BY 1"
        report.codes.update(dict(data.execute(codes)))
        [[again]] = data.execute("SELECT count(*) FROM descriptions WHERE revision > 1")
        [[versions]] = data.execute("SELECT count(*) FROM description_versions")
        report.described_twice = max(again, versions)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=30_000)
    parser.add_argument("--broken", type=int, default=30)
    parser.add_argument("--kills", type=int, default=3)
    parser.add_argument("--stops", type=int, default=2)
    asked = parser.parse_args()
    DeckProcess.forks = False
    with tempfile.TemporaryDirectory() as root:
        report = asyncio.run(
            run(Path(root), images=asked.images, broken=asked.broken, kills=asked.kills, stops=asked.stops)
        )
    print(f"\n{report}")  # noqa: T201 - what the script is for


if __name__ == "__main__":
    main()

"""Has a drop folder of photographs and clips climb while the deck is killed, and checks what came of each record.

python -m tests.chaos.climbing --stills 500 --clips 20 --kills 5
"""

import argparse
import asyncio
import hashlib
import io
import json
import os
import sqlite3
import tempfile
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

from tests.chaos.deck_process import DeckProcess
from tests.chaos.describing import BROKEN
from tests.pictures.samples import busy
from tests.workflows.polling.clips import filmed

DAEMONS = ("stills", "footage")
AGED = 1_600_000_000
LIFE_SECONDS = 1200.0
_HOW_MANY = """
    SELECT count(*) FILTER (WHERE parent_id IS NULL), count(*) FILTER (WHERE parent_id IS NULL AND at_an_end),
           count(*) FILTER (WHERE parent_id IS NOT NULL AND NOT at_an_end)
    FROM (SELECT parent_id, is_complete OR parked_at IS NOT NULL OR status = 'Awaiting User Input' AS at_an_end
          FROM records)
"""


@dataclass
class Report:
    """What came of it."""

    ends: Counter[str] = field(default_factory=Counter)
    codes: Counter[str] = field(default_factory=Counter)
    lost: int = 0
    seconds: float = 0.0
    problems: list[str] = field(default_factory=list)


def photograph(number: int) -> bytes:
    """Return a JPEG that no other number has; every other one tells what it shows."""
    exif = Image.Exif()
    exif[0x010F], exif[0x0110] = "Canon", "Canon EOS 80D"
    if number % 2:
        exif[0x010E] = (
            f"Roll {number}: Anna Schmidt and her dog Rex on the beach of Sylt, Germany, on 4 July 1968. Archival "
            "print, from the estate of the photographer Karl Berger, Hamburg."
        )
    scene = busy(number % 40, 320, 240)
    scene.putpixel((number % 320, number // 320 % 240), (number % 256, number // 256 % 256, 0))
    data = io.BytesIO()
    scene.save(data, "JPEG", exif=exif, quality=85)
    return data.getvalue()


def generate(drop: dict[str, Path], stills: int, clips: int) -> None:
    """Fill the drop folders: some photographs say much, some nothing, some are broken; some clips are too short."""
    ways = list(BROKEN.items())
    for number in range(stills):
        ending, broken = ways[number % len(ways)]
        is_broken = number % 25 == 24
        place = drop["stills"] / f"{number % 5}" / f"{number:04} {ending if is_broken else 'photograph.jpg'}"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(broken(number) if is_broken else photograph(number))
        os.utime(place, (AGED, AGED))
    drop["footage"].mkdir(parents=True, exist_ok=True)
    for number in range(clips):
        place = drop["footage"] / f"{number:03}.mov"
        filmed(place, 2 if number % 5 == 4 else 6 + number % 7 / 10)
        os.utime(place, (AGED, AGED))


async def run(root: Path, *, stills: int, clips: int, kills: int) -> Report:
    """Have all of it climb, killing the deck now and then; return what the data says then."""
    drop = {name: root / "drop" / name for name in DAEMONS}
    generate(drop, stills, clips)
    data_dir, library = root / "data", root / "library"
    library.mkdir()
    report = Report()
    loop = asyncio.get_running_loop()
    began = loop.time()
    total = stills + clips
    for life in range(kills + 1):
        async with DeckProcess(data_dir, plugins=()) as deck:
            if life == 0:
                for name in DAEMONS:
                    options = {"drop_folder": str(drop[name]), "library": str(library / name)}
                    (library / name).mkdir()
                    await deck.http.patch(f"/api/daemons/{name}", json={"configuration": options})
                    await deck.http.post(f"/api/daemons/{name}/start", json={})
            wanted = total if life == kills else (life + 1) * total // (kills + 2)
            await _until_at_an_end(deck, data_dir / "daemondeck.db", wanted, is_all=life == kills)
            if life < kills:
                deck.kill()
            else:
                deck.terminate()
                assert await deck.ended() == 0
    report.seconds = loop.time() - began
    _check(report, data_dir / "daemondeck.db", library, total)
    return report


async def _until_at_an_end(deck: DeckProcess, database: Path, wanted: int, *, is_all: bool) -> None:
    """Return once so many records are at an end, or all of them and their frames."""
    async with asyncio.timeout(LIFE_SECONDS), deck.events("topics=jobs") as events:
        while True:
            with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=10)) as data:
                [[dropped, ended, open_frames]] = data.execute(_HOW_MANY)
            print(f"\r{ended or 0} of {dropped} records are at an end", end="", flush=True)  # noqa: T201
            if (ended or 0) >= wanted and not (is_all and open_frames):
                return
            # Whatever a job tells is a moment to look again: its climb does so with every record.
            await events.until(lambda item: True, LIFE_SECONDS)


def _check(report: Report, database: Path, library: Path, total: int) -> None:
    with closing(sqlite3.connect(database)) as data:
        data.row_factory = sqlite3.Row
        records = data.execute("SELECT * FROM records").fetchall()
        tries = data.execute("SELECT * FROM record_steps ORDER BY id").fetchall()
    by_record: dict[int, list[sqlite3.Row]] = {}
    for one in tries:
        by_record.setdefault(one["record"], []).append(one)
    report.lost = sum(one["outcome"] == "lost" for one in tries)
    dropped = [record for record in records if record["parent_id"] is None]
    if len(dropped) != total:
        report.problems.append(f"{total} files became {len(dropped)} records")
    copies: Counter[str] = Counter()
    for record in records:
        fields, story = json.loads(record["fields"]), by_record.get(record["number"], [])
        name = f"{record['code']} at {record['status']}"
        end = "complete" if record["is_complete"] else "parked" if record["parked_at"] else "awaiting"
        report.ends[f"{record['ladder']} {end}"] += 1
        if record["held_by"] or record["due_at"]:
            report.problems.append(f"{name} is neither at an end nor in line")
        if record["error"]:
            report.codes[json.loads(record["error"])["code"]] += end == "parked"
        done = Counter(one["step"] for one in story if one["outcome"] == "done")
        if twice := [step for step, times in done.items() if times > 1]:
            report.problems.append(f"{name} was taken twice through {twice}")
        at = next((one["new"] for one in reversed(story) if one["outcome"] == "done"), record["status"])
        if at != record["status"]:
            report.problems.append(f"{name} is not where its last step took it: {at}")
        if path := fields.get("library_path"):
            copies[path] += 1
            if hashlib.sha256(Path(path).read_bytes()).hexdigest() != fields.get("sha256"):
                report.problems.append(f"the copy of {name} is not what it should be")
        if record["is_complete"] and record["ladder"] == "stills" and not fields.get("description"):
            report.problems.append(f"{name} has no description")
    files = [str(file) for file in library.rglob("*") if file.is_file()]
    if left_over := set(files) - set(copies):
        report.problems.append(f"files of no record in the library: {sorted(left_over)[:5]}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stills", type=int, default=500)
    parser.add_argument("--clips", type=int, default=20)
    parser.add_argument("--kills", type=int, default=5)
    asked = parser.parse_args()
    DeckProcess.forks = False
    with tempfile.TemporaryDirectory() as root:
        report = asyncio.run(run(Path(root), stills=asked.stills, clips=asked.clips, kills=asked.kills))
    print(f"\n{report}")  # noqa: T201 - what the script is for


if __name__ == "__main__":
    main()

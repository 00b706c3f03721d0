"""P20: how the gallery stands up to 100,000 descriptions."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import httpx2
from sqlalchemy import insert

from benchmarks.report import Benchmark, Figure, Rounds, at_most, interleave
from benchmarks.whole_deck import timed, whole_deck
from daemons.database.transaction import Transaction
from daemons.pictures.colours import COLOURS
from daemons.service import Service
from daemons.workflows.describe.keeper import Way
from daemons.workflows.describe.tables import DescriptionTable
from web.api.paging import cursor_of

MANY = 100_000
AT_ONCE = 5_000
ROUNDS = 5
SERVER_MOST = 300
THINGS = ["beach", "dog", "mountain", "child", "car", "house", "tree", "river", "market", "bridge"]
THINGS += ["church", "boat", "flower", "table", "train", "lamp", "horse"]
LIST = "/api/descriptions?limit=50"
PAGES = {
    "first page": LIST,
    "page 1,000": f"{LIST}&cursor={cursor_of(str(MANY - 999 * 50 + 1))}",
    "a word that all have": f"{LIST}&q=photograph",
    "a letter that many words begin with": f"{LIST}&q=b",
    "two words": f"{LIST}&q=beach+dog",
    "words side by side": f"{LIST}&q=%22dog+near+a+horse%22",
    "a word that none has": f"{LIST}&q=zeppelin",
    "one is left out": f"{LIST}&q=-photograph",
    "failed": f"{LIST}&state=failed",
    "failed with a word": f"{LIST}&state=failed&q=jpg",
    "an error code": f"{LIST}&code=ERR_IMAGE_EMPTY",
    "a folder": f"{LIST}&folder=/photos/7",
    "a folder that is not there": f"{LIST}&folder=/photos/nowhere",
    "all folders": f"{LIST}&folder=/",
    "describer": f"{LIST}&describer=vision",
    "a model that few were described by": f"{LIST}&model=rare",
    "a month": f"{LIST}&taken_after=2012-05-01&taken_before=2012-06-01",
    "all years": f"{LIST}&taken_after=1990-01-01",
    "a colour": f"{LIST}&colour=teal",
    "cut off": f"{LIST}&finish=length",
    "edited": f"{LIST}&edited=true",
    "gone": f"{LIST}&gone=yes",
    "everything at once": f"{LIST}&q=dog&colour=teal,red&folder=/photos&describer=basic&taken_after=2003-01-01",
}
ALIKE = {
    "the gallery": "/descriptions",
    "the gallery in a folder": "/descriptions?folder=/photos",
    "images like one": f"{LIST}&similar_to=bench-5",
    "groups of images": "/api/descriptions/groups",
    "what can be chosen": "/api/descriptions/facets",
    "what can be chosen in a folder": "/api/descriptions/facets?folder=/photos",
}
EXPORTS = {
    "all as CSV": "/api/descriptions/export",
    "all as JSON lines": "/api/descriptions/export?format=jsonl",
    "a word that all have, as CSV": "/api/descriptions/export?q=photograph",
}


async def pages() -> list[Figure]:
    """P20: pages of the list, with each thing that may be asked."""
    async with _deck(MANY) as client:
        ways = [timed(client, path) for path in PAGES.values()]
        measured = await interleave(*ways, rounds=ROUNDS)
    return [
        Figure(what, Rounds(taken, " ms"), at_most(SERVER_MOST, " ms"))
        for what, taken in zip(PAGES, measured, strict=True)
    ]


async def alike() -> list[Figure]:
    """P20b: what is asked of all images at once, and how long nothing else gets its turn meanwhile."""
    figures = []
    async with _deck(MANY) as client:
        for what, path in ALIKE.items():
            first = at_most(SERVER_MOST, " ms") if path.startswith("/descriptions") else None
            taken, turn = await _in_turns(client, path)
            [warm] = await interleave(timed(client, path), rounds=ROUNDS)
            longest = "  longest turn of the event loop meanwhile"
            figures.append(Figure(f"{what}, the first time", Rounds([taken], " ms"), first))
            figures.append(Figure(longest, Rounds([turn], " ms"), at_most(SERVER_MOST, " ms")))
            figures.append(Figure("  again", Rounds(warm, " ms"), at_most(SERVER_MOST, " ms")))
    return figures


async def exports() -> list[Figure]:
    """P20c: all descriptions as a file, and how long nothing else gets its turn meanwhile."""
    figures = []
    async with _deck(MANY) as client:
        for what, path in EXPORTS.items():
            taken, turn = await _in_turns(client, path)
            figures.append(Figure(what, Rounds([taken], " ms")))
            longest = "  longest turn of the event loop meanwhile"
            figures.append(Figure(longest, Rounds([turn], " ms"), at_most(SERVER_MOST, " ms")))
    return figures


async def _in_turns(client: httpx2.AsyncClient, path: str) -> tuple[float, float]:
    """Return how long a call takes, and how long at most somebody else waited for a turn meanwhile."""
    taken = asyncio.ensure_future(timed(client, path)())
    longest = 0.0
    while not taken.done():
        began = time.perf_counter()
        await asyncio.sleep(0.001)
        longest = max(longest, (time.perf_counter() - began) * 1000 - 1)
    return taken.result(), longest


@asynccontextmanager
async def _deck(count: int) -> AsyncIterator[httpx2.AsyncClient]:
    """Open a deck with so many descriptions, and a program that asks it in the same process."""
    async with whole_deck(lambda service: fill(service, count)) as client:
        yield client


async def fill(service: Service, count: int) -> None:
    """Have as many files described, a fifth of them also by a model."""
    rows = _rows(count, service.clock.now())
    for _ in range(0, count, AT_ONCE):
        some = [row for row, _ in zip(rows, range(AT_ONCE), strict=False)]
        await service.database.write(partial(_insert, some))


def _insert(rows: list[dict[str, Any]], tx: Transaction) -> None:
    tx.execute(insert(DescriptionTable), rows)


def _rows(count: int, now: Any) -> Iterator[dict[str, Any]]:
    chance = random.Random(20)
    names = list(COLOURS)
    files = count * 4 // 5
    basic, vision = Way(b"/photos", "basic"), Way(b"/photos", "vision", "smol")
    spots = [chance.getrandbits(64) for _ in range(files // 3)]
    for number in range(count):
        file = number % files
        way = basic if number < files else vision
        path = f"{file % 50}/{2000 + file % 20}/IMG_{file:06}.jpg".encode()
        # A third of the pictures are like another one, and some of those alike are one bit apart.
        alike = spots[file % len(spots)] ^ (1 << file % 64 if file % 2 else 0)
        day = f"{2000 + file % 20}-{file % 12 + 1:02}-{file % 28 + 1:02}T12:00:00"
        yield _row(way, path, number, now, day, alike, [names[(file * 7 + at) % len(names)] for at in range(5)])


def _row(way: Way, path: bytes, number: int, now: Any, day: str, alike: int, colours: list[str]) -> dict[str, Any]:
    is_failed = number % 1_000 == 7
    thing, other = THINGS[number % len(THINGS)], THINGS[number // 7 % len(THINGS)]
    facts = {
        "format": "JPEG",
        "mode": "RGB",
        "width": 6000,
        "height": 4000,
        "orientation": "landscape",
        "frames": 1,
        "is_animated": False,
        "palette": [{"name": name, "hex": f"#{COLOURS[name]}", "share": 0.2} for name in colours],
        "is_monochrome": False,
        "transparent_share": 0.0,
        "brightness": 0.5,
        "contrast": 0.7,
        "sharpness": 0.3,
        "perceptual_hash": f"{alike:016x}",
        "taken_at": day,
        "camera": "Canon EOS 80D",
        "lens": "EF-S18-135mm f/3.5-5.6 IS USM",
        "exposure_seconds": 0.004,
        "aperture": 8.0,
        "iso": 100,
        "focal_length": 35.0,
        "coordinates": {"latitude": 52.516272, "longitude": 13.377722},
        "altitude": 34.0,
    }
    code = "ERR_IMAGE_TRUNCATED" if number % 3 else "ERR_IMAGE_EMPTY"
    return {
        "id": f"bench-{number}",
        "digest": way.digest(path),
        "folder": way.folder.decode(),
        "path": path.decode(),
        "folder_bytes": way.folder,
        "path_bytes": path,
        "size": number,
        "mtime_ns": number,
        "sha256": f"{number:064x}",
        "describer": way.describer,
        "model": "rare" if number % 10_000 == 3 else way.model,
        "state": "failed" if is_failed else "done",
        "description": None
        if is_failed
        else f"A landscape-format photograph, mostly {colours[0]} and {colours[1]}, of a {thing} near a {other} in the"
        f" evening light, sharp, taken on 1 May {day[:4]} with a Canon EOS 80D near 52.52° N, 13.38° E.",
        "facts": None if is_failed else facts,
        "error": {"code": code, "message": "Nothing can be read.", "remedy": None} if is_failed else None,
        "seconds": 0.2,
        "revision": 1,
        "created_at": now,
        "origin": "hand" if number % 5_000 == 11 else "describer",
        "gone_at": now if number % 2_500 == 99 else None,
        "finish": ("length" if number % 2_000 == 1 else "stop") if way.model else None,
        "file_digest": way.file_digest(path),
        "taken_at": None if is_failed else day,
        "colour": None if is_failed else colours[0],
        "perceptual_hash": None if is_failed else alike - (1 << 64 if alike >> 63 else 0),
    }


BENCHMARKS = [
    Benchmark(
        "P20",
        "the list of descriptions with 100,000 of them",
        f"GET in the deck's own process, JSON, {ROUNDS} interleaved rounds; SQLite",
        pages,
    ),
    Benchmark(
        "P20b",
        "images that look alike, and what can be chosen, among 100,000 descriptions of 80,000 files",
        f"GET in the deck's own process, once cold, then {ROUNDS} rounds; another task asks for its turn; SQLite",
        alike,
    ),
    Benchmark(
        "P20c",
        "100,000 descriptions as a file",
        "GET in the deck's own process, once; another task asks for its turn; SQLite",
        exports,
    ),
]

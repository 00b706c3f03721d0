"""A deck on which every page has something of everything to show."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.browser.deck import Deck, Item
from tests.browser.puppets import HOSTILE
from tests.pictures.samples import busy, canon_in_berlin, landscape

LONG = "Waiting for the answer of a server that has very much to say about each of the many things it was asked, " * 4


@contextmanager
def open_showcase(folder: Path) -> Iterator[Deck]:
    """Serve a deck with daemons and jobs in every state, and a described folder of pictures."""
    pictures = take_pictures(folder / "Holiday", 8)
    (pictures / "broken.jpg").write_bytes((pictures / "IMG_0001.jpg").read_bytes()[:2000])
    plugins = ("tests.browser.puppets", "tests.web.toy_ladder", "tests.web.toy_family", "tests.browser.no_such_plugin")
    with Deck(folder / "data", "--describe", str(pictures), plugins=plugins) as deck:
        gate = folder / "gate"
        stage_daemons(deck, gate)
        stage_jobs(deck, gate)
        stage_plans(deck)
        stage_records(deck)
        yield deck


def take_pictures(folder: Path, number: int) -> Path:
    """Fill `folder` with photographs."""
    folder.mkdir(parents=True, exist_ok=True)
    for index in range(1, number + 1):
        image = landscape(640, 480) if index % 2 else busy(index, 640, 480)
        image.save(folder / f"IMG_{index:04}.jpg", exif=canon_in_berlin())
    return folder


def stage_daemons(deck: Deck, gate: Path) -> None:
    """Bring daemons into every state; being stuck and failed take their time."""
    deck.command("stubborn", "start")
    deck.add("puppet", "crashing", raises="The library does not answer on port 9999.")
    deck.add("quiet", "asking")
    watched = deck.order("gated", gate=str(gate), done=5430, total=31841, logs=["Looking at IMG_0003.jpg"])
    working: Item = {"job_id": watched, "job_type": "gated", "done": 5430, "total": 31841}
    lines = [f"Looked at folder {number}" for number in range(60)]
    deck.add("puppet", "night-watch", says="Describing item 3 of 25: IMG_0003.jpg", logs=lines, **working)
    deck.add("puppet", "importer")
    deck.command("importer", "pause", **{"for": 10_800, "reason": "backup tonight"})
    deck.add("puppet", "sleeper", says="Nothing to do until the next round", sleeps=240)
    deck.add("puppet", "talkative", says=LONG)
    deck.add("hostile", "evil", says=HOSTILE, job_id=HOSTILE[:36], job_type=HOSTILE, logs=[HOSTILE])
    deck.call("PATCH", "/api/daemons/puppet", {"enabled": False})
    deck.command("stubborn", "stop")
    deck.command("demo", "start")


def stage_plans(deck: Deck) -> None:
    """Have something scheduled, and somebody told."""
    nightly = {"name": "nightly", "expression": "30 2 * * *", "zone": "Europe/Berlin", "job_type": "doomed"}
    deck.call("POST", "/api/schedules", nightly)
    deck.call("POST", "/api/schedules/nightly/run")
    often = {"name": "look-often", "kind": "interval", "expression": "6h", "action": "wake", "daemon_name": "sleeper"}
    deck.call("POST", "/api/schedules", often)
    hook = {
        "name": "hook",
        "kind": "webhook",
        "url": "http://127.0.0.1:1/hook",
        "quiet_from": "22:00",
        "quiet_until": "07:00",
    }
    deck.call("POST", "/api/notifications/targets", hook)
    deck.call("POST", "/api/notifications/targets/hook/test")


def stage_records(deck: Deck) -> None:
    """Have records at several places of their ladder."""
    places = {"asking": "Awaiting User Input", "told": "2 - Told", HOSTILE[:255]: "1 - Found", "new": None}
    for title, status in places.items():
        fields = {"place": "Kiel", "keywords": ["boats", "ice"], "notes": LONG}
        new = {"ladder": "toys", "source": f"/toys/{len(title)}.jpg", "title": title, "fields": fields}
        record = deck.call("POST", "/api/records", new)
        if status is not None:
            deck.call("POST", f"/api/records/{record['id']}/move", {"status": status, "note": LONG})
    # One that is held up by those below it.
    deck.call("POST", "/api/records", {"ladder": "troupes", "source": "/troupes/1", "title": "troupe"})
    deck.order("climb", ladders=["troupes", "players"], until_settled=True)
    # A board of more columns than fit beside each other.
    ladders = {ladder["name"]: ladder for ladder in deck.call("GET", "/api/ladders")["items"]}
    statuses = ladders["stills"]["statuses"]
    for number, status in enumerate([*statuses, *[statuses[-1]] * 6]):
        record = deck.call("POST", "/api/records", {"ladder": "stills", "source": f"/{number}.jpg", "title": status})
        deck.call("POST", f"/api/records/{record['id']}/move", {"status": status})


def stage_jobs(deck: Deck, gate: Path) -> None:
    """Bring jobs into every state."""
    deck.order("shy")
    deck.order("shelve")
    deck.order("parent")
    cancelled = deck.order("gated", gate=str(gate))
    deck.call("POST", f"/api/jobs/{cancelled}/cancel", {})

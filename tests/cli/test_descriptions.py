"""`daemondeck descriptions`: see what images show, change it, have it made again, and take it elsewhere."""

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from daemons.clock import SystemClock
from tests.cli.deck_runner import DeckRunner


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    for name, colour in {"red.png": (224, 27, 27), "also red.png": (224, 27, 27), "teal.png": (15, 127, 128)}.items():
        Image.new("RGB", (64, 64), colour).save(folder / name)
    (folder / "text.png").write_text("not a picture")
    return folder


@pytest.fixture(scope="module")
def described(deck: DeckRunner, photos: Path) -> Iterator[DeckRunner]:
    """Serve a deck that has described the photos."""
    with deck.serving("--describe", str(photos)):
        deadline = SystemClock().monotonic() + 30
        while len(deck.json("descriptions", "ls")) < 4:
            assert SystemClock().monotonic() < deadline
        yield deck


def id_of(deck: DeckRunner, path: str) -> str:
    return next(str(one["id"]) for one in deck.json("descriptions", "ls") if one["path"] == path)


def test_they_are_found_by_every_option(described: DeckRunner, photos: Path) -> None:
    def paths(*options: str) -> list[str]:
        return sorted(one["path"] for one in described.json("descriptions", "ls", *options))

    assert paths("--colour", "red", "--search", "also") == ["also red.png"]
    assert paths("--state", "failed", "--code", "ERR_NOT_AN_IMAGE") == ["text.png"]
    assert paths("--folder", str(photos), "--describer", "basic", "--not-edited", "--gone", "all")[0] == "also red.png"
    assert paths("--folder", f"{photos}/nowhere") == []
    assert paths("--similar-to", id_of(described, "red.png"), "--colour", "red") == ["also red.png"]
    assert described.run("descriptions", "ls", "--colour", "blurple").returncode == 2


def test_what_is_there_is_counted_and_grouped(described: DeckRunner) -> None:
    facets = described.json("descriptions", "facets")
    groups = described.json("descriptions", "groups", "--distance", "0")

    assert (facets["total"], facets["codes"]) == (4, [{"value": "ERR_NOT_AN_IMAGE", "count": 1}])
    assert "codes" in described.run("descriptions", "facets").stdout
    assert sum(group["count"] for group in groups) == 3


def test_words_by_hand_and_those_before(described: DeckRunner) -> None:
    id = id_of(described, "teal.png")

    edited = described.run("descriptions", "edit", id, "The sea.", "--revision", "1")
    stale = described.run("descriptions", "edit", id, "The sky.", "--revision", "1")

    assert (edited.returncode, stale.returncode) == (0, 5)
    assert "ERR_STALE_EDIT" in stale.stderr
    assert [one["path"] for one in described.json("descriptions", "ls", "--edited")] == ["teal.png"]
    assert "The sea." in described.run("descriptions", "get", id).stdout
    assert described.run("descriptions", "restore", id, "1").returncode == 0
    assert len(described.json("descriptions", "get", id)["history"]) == 2


def test_they_are_made_again_when_it_is_meant(described: DeckRunner) -> None:
    id = id_of(described, "teal.png")

    assert described.run("descriptions", "redo").returncode == 2
    assert described.run("descriptions", "redo", id, "--state", "failed").returncode == 2
    dry = described.run("descriptions", "redo", "--colour", "red", "--all-matching", "--dry-run")
    assert (dry.returncode, "2 files" in dry.stderr) == (0, True)
    assert described.run_alone("descriptions", "redo", "--all-matching").returncode == 5
    assert described.json("descriptions", "redo", "--colour", "red", "--all-matching", "--yes")["files"] == 2
    assert described.json("descriptions", "redo", id, "--by", "basic")["jobs"] == 1
    assert described.run("descriptions", "redo", id, "--by", "vision").returncode == 2


def test_they_are_taken_elsewhere(described: DeckRunner, photos: Path, tmp_path: Path) -> None:
    file = tmp_path / "all.jsonl"

    table = csv.DictReader(io.StringIO(described.run("descriptions", "export", "--colour", "red").stdout))
    written = described.run("descriptions", "export", "--format", "jsonl", "--file", str(file))
    beside = described.run("descriptions", "sidecar", id_of(described, "red.png"))

    assert {row["path"] for row in table} == {"red.png", "also red.png"}
    assert (written.returncode, len(file.read_text().splitlines())) == (0, 4)
    assert json.loads(file.read_text().splitlines()[0])["describer"] == "basic"
    assert (beside.returncode, (photos / "red.png.xmp").exists()) == (0, True)
    assert described.run("descriptions", "sidecar", id_of(described, "text.png")).returncode == 5
    assert described.json("descriptions", "sidecar", "--state", "done", "--all-matching", "--yes")["files"] == 3

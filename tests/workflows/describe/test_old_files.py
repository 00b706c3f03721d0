"""What older scripts left is read whatever it holds, and taken over once."""

import json
import string
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemons.database import Database
from daemons.errors import ErrorInfo
from daemons.workflows.describe.keeper import Brought, DescriptionKeeper, FileStamp, Finding, Imported, Way, record
from daemons.workflows.describe.old_files import OldFiles
from tests.engine_deck import keeper_tools
from tests.fake_clock import FakeClock

AT = datetime(2029, 12, 24, tzinfo=UTC)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=True) | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["path", "image", "description", "error", "results", "time", "x"]), inner)
    ),
    max_leaves=12,
)


@given(data=st.binary(max_size=400) | st.text(string.printable, max_size=400).map(str.encode), found=VALUES)
@settings(max_examples=150, deadline=None)
def test_nothing_that_is_in_them_is_an_error(data: bytes, found: object) -> None:
    old = OldFiles(b"/pictures")

    old.read_progress(data)
    old.read_outputs(data, "a.json")
    old.read_outputs(json.dumps(found).encode(), "b.json")

    assert all(not path.startswith((b"/", b"../")) and b"\0" not in path for path in old.items)
    assert all(part.count >= len(part.first) for part in (old.duplicates, old.garbage, old.outside))


@pytest.mark.parametrize(
    "found",
    [
        [{"path": "./0/a.jpg", "description": "A beach.", "model": "smolvlm", "generation_time": 8.2}],
        [{"image": "0/a.jpg", "caption": "A beach.", "model": "smolvlm", "time": "8.2s", "error": None}],
        {"results": [{"filename": "0/a.jpg", "text": "A beach.", "seconds": 8.2}], "model": "smolvlm"},
        {"./0/a.jpg": {"description": "A beach.", "model": "smolvlm", "processing_time": 8.2}},
        [{"file": "/pictures/0/a.jpg", "response": " A beach.\n", "model": "smolvlm", "elapsed": 8.2}],
    ],
)
def test_each_spelling_of_a_description_is_understood(found: object) -> None:
    old = OldFiles(b"/pictures")

    old.read_outputs(json.dumps(found).encode(), "image_analysis_1.json")

    [item] = old.items.values()
    assert (item.path, item.description, item.model, item.seconds) == (b"0/a.jpg", "A beach.", "smolvlm", 8.2)
    assert (item.error, old.models()) == (None, ["smolvlm"])


def test_what_makes_no_sense_is_counted_and_named() -> None:
    old = OldFiles(b"/pictures")
    outputs = [{"description": "Of what?"}, {"path": "c.jpg"}, {"path": "a.jpg", "error": "out of memory"}, 7]
    lines = (b"./0/a.jpg\r", b"", b"0/a.jpg", b"../../etc/passwd", b"/etc/passwd", b"b\0.jpg", b"x" * 5000, b"\xff.jpg")

    old.read_progress(b"\n".join(lines))
    old.read_outputs(json.dumps(outputs).encode(), "one.json")
    old.read_outputs(b"<html>", "two.json")

    assert list(old.items) == [b"0/a.jpg", b"\xff.jpg", b"a.jpg"]
    assert old.items[b"a.jpg"].error == "out of memory"
    assert old.duplicates.first == ["0/a.jpg"]
    assert old.outside.first == ["line 4: ../../etc/passwd", "line 5: /etc/passwd"]
    assert old.garbage.first == [
        *("line 6: it is no path", "line 7: it is no path", "one.json: entry 1: it names no image"),
        "one.json: entry 2: it has neither a description nor an error",
        *("one.json: entry 4: it names no image", "two.json: it is no JSON"),
    ]


class Options(NamedTuple):
    directory: Path
    describer: str = "local"
    model: str = "smolvlm"


async def test_they_are_taken_over_once_and_nothing_known_is_touched(
    database: Database, clock: FakeClock, tmp_path: Path
) -> None:
    for name in ("a.jpg", "b.jpg", "c.jpg", "known.jpg", "failed.jpg", "notes.txt"):
        (tmp_path / name).write_bytes(b"x")
    outside = tmp_path.parent / f"{tmp_path.name}-outside"
    outside.mkdir()
    (outside / "secret.jpg").write_bytes(b"x")
    (tmp_path / "link").symlink_to(outside)
    keeper, options = DescriptionKeeper(keeper_tools(database, clock)), Options(tmp_path)
    way = Way(bytes(tmp_path), "local", "smolvlm")
    error = ErrorInfo("ERR_IMAGE_KILLED_WORKER", "It died.")
    for finding in (
        Finding(FileStamp(b"known.jpg", 1, 1), 1.0, description="As it is."),
        Finding(FileStamp(b"failed.jpg", 1, 1), 1.0, error=error),
    ):
        await database.write(lambda tx, finding=finding: record(tx, way, finding, None))
    items = [
        Brought(b"a.jpg", "A beach.", seconds=8.2, finish="stop", prompt_tokens=1000, output_tokens=60),
        Brought(f"{tmp_path.name}/b.jpg".encode()),
        Brought(b"c.jpg", error="out of memory"),
        Brought(b"known.jpg", "Something else."),
        Brought(b"failed.jpg", "A dog."),
        *(Brought(path) for path in (b"gone.jpg", b"link/secret.jpg", b"../x.jpg", b"/etc/passwd", b"notes.txt")),
    ]

    first = await keeper.take_in(options, items, AT)
    again = await keeper.take_in(options, items, AT)

    refused = ["link/secret.jpg", "../x.jpg", "/etc/passwd", "notes.txt"]
    assert first == Imported(2, 1, 1, 1, 1, ["gone.jpg"], 4, refused)
    assert again == Imported(0, 0, 0, 5, 1, ["gone.jpg"], 4, refused)
    found = {one.path: one for one in (await keeper.list()).items}
    assert {path: (one.state, one.description) for path, one in found.items()} == {
        "a.jpg": ("done", "A beach."),
        "b.jpg": ("done", ""),
        "c.jpg": ("failed", None),
        "known.jpg": ("done", "As it is."),
        "failed.jpg": ("done", "A dog."),
    }
    assert found["a.jpg"].created_at == AT
    assert [one.code for one in [found["c.jpg"].error] if one] == ["ERR_FAILED_BEFORE_IMPORT"]
    stamps = [FileStamp(b"a.jpg", 1, (tmp_path / "a.jpg").stat().st_mtime_ns)]
    assert await keeper.folder(way).not_yet_described(stamps) == []

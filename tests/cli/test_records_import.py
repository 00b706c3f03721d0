"""`daemondeck records import`: a file of any size goes in, and what is refused is told by the file's own lines."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.deck_runner import SECONDS, DeckRunner

HEAD = "source,code,year\n"


@pytest.fixture(scope="module")
def climbing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DeckRunner]:
    """Serve a deck with a ladder of toys."""
    deck = DeckRunner(Path(tmp_path_factory.mktemp("home")), DAEMONDECK_PLUGINS="tests.web.toy_ladder")
    with deck.serving():
        yield deck


def test_a_file_is_looked_at_and_taken_once(climbing: DeckRunner, tmp_path: Path) -> None:
    file = tmp_path / "toys.csv"
    file.write_text(HEAD + '/toys/a.jpg,S-1,1907\n/toys/b.jpg,,soon\n/toys/c.jpg,"\n/toys/d.jpg,,\n', "utf-8-sig")

    looked = climbing.json("records", "import", str(file), "--ladder", "toys", "--dry-run")
    none = climbing.json("records", "ls")
    first = climbing.run("records", "import", str(file), "--ladder", "toys")
    again = climbing.json("records", "import", str(file), "--ladder", "toys")

    assert none == []
    assert [(one["line"], one["code"]) for one in looked["refused"]] == [
        (3, "ERR_INVALID_FIELDS"),
        (4, "ERR_BAD_QUOTES"),
    ]
    assert first.returncode == 0
    assert first.stdout.splitlines()[0] == f"{file}: 2 added, 0 known already, 2 refused."
    assert first.stdout.splitlines()[1].startswith("  line 3: ERR_INVALID_FIELDS: year: ")
    assert (again["added"], again["known"]) == (0, 2)
    assert looked == {**again, "added": 2, "known": 0}
    assert climbing.json("records", "show", "S-1")["fields"] == {"year": 1907}


def test_a_large_file_goes_in_parts_and_keeps_its_lines(climbing: DeckRunner, tmp_path: Path) -> None:
    count = 1300
    file = tmp_path / "large.jsonl"
    rows = [{"file": f"/large/{at}.jpg", "caption": "x" * 1200} for at in range(count)]
    rows[700]["status"] = "9 - Nowhere"
    rows[1299] |= {"code": "TO0500"}
    lines = [*map(json.dumps, rows), "nonsense", json.dumps(rows[0]), json.dumps({"source": "/x", "code": "TO0500"})]
    file.write_text("\n".join(lines))

    looked = climbing.json("records", "import", str(file), "--ladder", "toys", "--dry-run")
    done = climbing.json("records", "import", str(file), "--ladder", "toys")

    assert looked == done
    assert (done["added"], done["known"], done["refused_total"]) == (count - 1, 1, 3)
    told = [(one["line"], one["code"]) for one in done["refused"]]
    assert told == [(701, "ERR_UNKNOWN_STATUS"), (count + 1, "ERR_INVALID_JSON"), (count + 3, "ERR_CODE_TAKEN")]
    assert climbing.json("records", "show", "TO0500")["source"] == "/large/1299.jpg"


def test_what_comes_through_a_pipe_is_taken(climbing: DeckRunner) -> None:
    command = [sys.executable, "-m", "daemons", "records", "import", "-", "--ladder", "toys", "-o", "json"]
    done = subprocess.run(
        command,
        input=b'[{"source": "/piped.jpg"}]',
        env=climbing.environment,
        capture_output=True,
        timeout=SECONDS,
        check=False,
    )

    assert (done.returncode, json.loads(done.stdout)["added"]) == (0, 1), done.stderr


@pytest.mark.parametrize("data", [b"source\n/t\xf6ys.jpg\n", b"name\nx\n", b"", b"[{}"])
def test_what_is_no_such_file_is_a_wrong_command_line(climbing: DeckRunner, tmp_path: Path, data: bytes) -> None:
    file = tmp_path / ("rows.json" if data.startswith(b"[") else "rows.csv")
    file.write_bytes(data)

    done = climbing.run("records", "import", str(file), "--ladder", "toys")

    assert (done.returncode, done.stderr.startswith("ERR_"), done.stderr.count("\n")) == (2, True, 1)
    assert climbing.run("records", "import", str(tmp_path / "nothing.csv")).returncode == 2
    assert climbing.run("records", "import", str(tmp_path)).returncode == 2


def test_a_file_of_which_every_row_is_refused_is_a_failure_that_says_what_to_say(
    climbing: DeckRunner, tmp_path: Path
) -> None:
    file = tmp_path / "toys.csv"
    file.write_text("source\n/lone.jpg\n/loner.jpg\n")

    refused = climbing.run("records", "import", str(file))
    looked = climbing.run("records", "import", str(file), "--dry-run", "-o", "json")
    taken = climbing.run("records", "import", str(file), "--ladder", "toys")
    again = climbing.run("records", "import", str(file), "--ladder", "toys")

    assert [done.returncode for done in (refused, looked, taken, again)] == [1, 1, 0, 0]
    assert refused.stdout.splitlines()[1].startswith(
        "  lines 2 to 3 (2): ERR_NO_LADDER: No ladder is named. Say --ladder"
    )
    assert len(refused.stdout.splitlines()) == 2


def test_an_unknown_ladder_is_refused_whole(climbing: DeckRunner, tmp_path: Path) -> None:
    file = tmp_path / "toys.csv"
    file.write_text("source\n/unknown.jpg\n")

    assert climbing.run("records", "import", str(file), "--ladder", "nowhere").returncode == 2

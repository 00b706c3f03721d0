"""Whatever is put in, a real deck answers with a code and a remedy, loses nothing, and goes on with the rest."""

import asyncio
import shutil
import sqlite3
import struct
import subprocess
import sys
import zlib
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
import pytest_asyncio
from PIL import Image

from tests.acceptance.toys import AWKWARD
from tests.chaos.deck_process import DeckProcess, Item
from tests.forked import DATABASE, PROJECT
from tests.pictures.samples import landscape

CREATES = 1_000
AT_ONCE = 50
LOCK_BUDGET_AND_A_BIT = 9.0
MB = 1024 * 1024
in_one_deck = pytest.mark.asyncio(loop_scope="module")
BROKEN, TAKING, GOOD = "broken_plugin", "taking_plugin", "good_plugin"
PLUGINS = {
    BROKEN: "import there_is_no_such_module\n",
    TAKING: "from daemons import BaseDaemon, daemon\n\n@daemon('demo')\nclass Mine(BaseDaemon):\n"
    "    async def run(self): ...\n",
    GOOD: "from daemons import job\n\n@job('good')\nasync def good(ctx): return 'good'\n",
}


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def deck(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[DeckProcess]:
    """Serve one deck for all that only ask."""
    data, elsewhere = tmp_path_factory.mktemp("data"), tmp_path_factory.mktemp("plugins")
    for name, code in PLUGINS.items():
        (elsewhere / f"{name}.py").write_text(code)
    plugins = ["tests.acceptance.toys", "tests.chaos.load", *PLUGINS]
    async with DeckProcess(data, plugins=plugins, path=[elsewhere]) as deck:
        yield deck


def refusal(answer: httpx2.Response) -> dict[str, Any]:
    """Return the error of an answer that says what went wrong and what to do."""
    error: dict[str, Any] = answer.json()["error"]
    assert error["code"].startswith("ERR_")
    assert error["message"]
    return error


# Orders.


@in_one_deck
async def test_a_thousand_creates_with_one_key_make_one_job(deck: DeckProcess) -> None:
    gate = asyncio.Semaphore(AT_ONCE)

    async def create() -> tuple[int, str]:
        async with gate:
            body = {"type": "chaos_step", "args": {"number": 1}}
            answer = await deck.http.post("/api/jobs", json=body, headers={"Idempotency-Key": "the one"})
            return answer.status_code, answer.json()["id"]

    answers = await asyncio.gather(*(create() for _ in range(CREATES)))

    assert Counter(status for status, _ in answers) == {201: 1, 200: CREATES - 1}
    assert len({job_id for _, job_id in answers}) == 1
    listed = (await deck.http.get("/api/jobs", params={"type": "chaos_step"})).json()["items"]
    assert len(listed) == 1


@in_one_deck
@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{", 422),
        (b'{"type": "chaos_step", "args": {"number": NaN}}', 422),
        (b'{"type": "chaos_step", "args": {"number": "seven"}}', 422),
        (b'{"type": "chaos_step", "args": ["' + b"x" * 2 * MB + b'"]}', 413),
        (b'{"type": "there is none"}', 422),
    ],
    ids=["not JSON", "NaN", "a wrong type", "2 MiB", "an unknown type"],
)
async def test_an_order_that_cannot_be_taken_is_refused(deck: DeckProcess, body: bytes, status: int) -> None:
    answer = await deck.http.post("/api/jobs", content=body, headers={"Content-Type": "application/json"})

    assert answer.status_code == status
    refusal(answer)


@in_one_deck
@pytest.mark.parametrize(
    ("path", "status", "named"),
    [
        ("/api/daemons/nobody", 404, "nobody"),
        ("/api/jobs?sort=colour", 422, "colour"),
        ("/api/jobs?colour=red", 422, "colour"),
        ("/api/jobs?state=asleep", 422, "asleep"),
        ("/api/jobs?cursor=nonsense", 422, "cursor"),
        ("/api/jobs?limit=0", 422, "limit"),
        ("/api/descriptions?cursor=nonsense", 422, "cursor"),
    ],
)
async def test_an_unknown_name_is_refused_by_name(deck: DeckProcess, path: str, status: int, named: str) -> None:
    answer = await deck.http.get(path)

    assert answer.status_code == status
    assert named in refusal(answer)["message"]


@in_one_deck
@pytest.mark.parametrize(
    ("configuration", "named"),
    [({"loudness": "very"}, "loudness"), ({"loudness": -1}, "loudness"), ({"colour": "red"}, "colour")],
)
async def test_an_option_that_makes_no_sense_is_refused_by_name(
    deck: DeckProcess, configuration: Item, named: str
) -> None:
    answer = await deck.http.patch("/api/daemons/mumbler", json={"configuration": configuration})

    assert answer.status_code == 422
    assert named in refusal(answer)["message"]
    assert (await deck.http.get("/api/daemons/mumbler")).json()["configuration"] == {}


# Daemons and plug-ins.


@in_one_deck
async def test_whatever_a_daemon_says_is_shown_short_and_clean(deck: DeckProcess) -> None:
    async with deck.events("topics=daemons,logs&daemon=mumbler") as events:
        await deck.http.post("/api/daemons/mumbler/start", json={})
        seen: list[str] = []
        for _ in AWKWARD:
            shown = await events.until(lambda item: said_anew(item, seen))
            seen.append(shown["current_status"])
            page = await deck.http.get("/daemons/mumbler")
            assert page.status_code == 200
            assert "<script>alert" not in page.text
            await deck.http.post("/api/daemons/mumbler/wake", json={})
        last = await events.until(lambda item: item.get("current_status") == "That was all")

    assert all(len(text) <= 500 and text.isprintable() for text in seen)
    assert [len(text) for text in seen if text.endswith("…")] == [500, 500]
    assert (len(last["current_job_id"]), len(last["current_job_type"])) == (36, 100)
    assert (last["state"], last["restarts"]) == ("running", 0)


def said_anew(item: Item, seen: list[str]) -> bool:
    return bool(item.get("current_status")) and item["current_status"] not in seen


@in_one_deck
async def test_a_plugin_that_cannot_be_taken_is_a_failed_row_and_hurts_nobody(deck: DeckProcess) -> None:
    listed = (await deck.http.get("/api/daemons")).json()["items"]

    failed = {one["type"].removeprefix("plugin:"): one for one in listed if one["state"] == "failed"}
    texts = {name: next(one for key, one in failed.items() if name in str(one)) for name in (BROKEN, TAKING)}
    assert "there_is_no_such_module" in texts[BROKEN]["last_error"]["message"]
    assert texts[TAKING]["last_error"]["code"] == "ERR_NAME_TAKEN"
    assert "demo" in texts[TAKING]["last_error"]["message"]
    made = (await deck.http.post("/api/jobs", json={"type": "good"})).json()
    assert (await deck.until_job_ended(made["id"]))["result"] == "good"
    assert (await deck.http.post("/api/daemons/demo/start", json={})).status_code == 202
    await deck.until_daemon("demo", lambda item: bool(item["state"] == "running"))


async def test_a_wrong_option_in_the_file_fails_its_daemon_alone(data_dir: Path, tmp_path: Path) -> None:
    file = tmp_path / "deck.toml"
    file.write_text('[daemons.mumbler]\nloudness = "very"\n')
    plugins = ("tests.acceptance.toys", "tests.chaos.load")

    async with DeckProcess(data_dir, plugins=plugins, config=str(file)) as deck:
        for name in ("mumbler", "chaos_talker"):
            await deck.http.post(f"/api/daemons/{name}/start", json={})
        failed = await deck.until_daemon("mumbler", lambda item: bool(item["state"] == "failed"))
        await deck.until_daemon("chaos_talker", lambda item: bool(item["current_status"]))

    assert "loudness" in failed["last_error"]["message"]


# Folders.


async def test_a_folder_of_oddities_is_described_with_each_oddity_told(data_dir: Path, tmp_path: Path) -> None:
    folder = tmp_path / "-rf; rm $(echo 'a b')\n"
    folder.mkdir()
    landscape(300, 200).save(folder / "whole.jpg")
    content = (folder / "whole.jpg").read_bytes()
    for name in (b"new\nline.jpg", b"-rf.jpg", b"\xff\xfe.jpg", b"$(reboot).jpg"):
        Path(bytes(folder).decode() + "/" + name.decode(errors="surrogateescape")).write_bytes(content)
    (folder / "truncated.jpg").write_bytes(content[: len(content) // 2])
    (folder / "text.jpg").write_text("no picture")
    (folder / "empty.jpg").touch()
    Image.new("RGB", (1, 1), "red").save(folder / "one.png")
    (folder / "huge.png").write_bytes(png_of(50_000, 50_000))

    async with DeckProcess(data_dir, "--describe", str(folder)) as deck:
        async with deck.events("topics=jobs") as events:
            job = await events.until(lambda item: item["type"] == "describe_batch" and item["state"] == "completed")
        described = {one["path"]: one for one in (await deck.http.get("/api/descriptions")).json()["items"]}
        page = await deck.http.get("/descriptions")

    failed = {path: one["error"]["code"] for path, one in described.items() if one["state"] == "failed"}
    assert failed.keys() == {"truncated.jpg", "text.jpg", "empty.jpg", "huge.png"}
    assert all(code.startswith("ERR_") for code in failed.values())
    assert described.keys() - failed.keys() >= {"whole.jpg", "-rf.jpg", r"\xff\xfe.jpg", "one.png"}
    assert job["result"] == {"described": 2, "failed": 4, "copied": 4, "known_already": 0}
    assert page.status_code == 200


def png_of(width: int, height: int) -> bytes:
    """Return a picture that is small as a file and huge in memory."""
    row = zlib.compress(bytes(width // 8 + 1))

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", row) + chunk(b"IEND", b"")


# The database and its disk.


async def test_a_database_locked_by_another_program_is_busy_and_recovers(data_dir: Path) -> None:
    body = {"type": "chaos_step", "args": {"number": 1}}
    async with DeckProcess(data_dir) as deck:
        for name in ("chaos_talker", "chaos_speaker"):
            await deck.http.post(f"/api/daemons/{name}/start", json={})
            await deck.until_daemon(name, lambda item: bool(item["current_status"]))
        other = sqlite3.connect(data_dir / DATABASE, isolation_level=None)
        try:
            other.execute("BEGIN IMMEDIATE")
            async with asyncio.timeout(LOCK_BUDGET_AND_A_BIT):
                refused, read, said = await asyncio.gather(
                    deck.http.post("/api/jobs", json=body, headers={"Idempotency-Key": "k"}),
                    deck.http.get("/api/jobs"),
                    twenty_sentences(deck),
                )
        finally:
            other.close()
        async with asyncio.timeout(LOCK_BUDGET_AND_A_BIT):
            taken = await deck.http.post("/api/jobs", json=body, headers={"Idempotency-Key": "k"})
        ended = await deck.until_job_ended(taken.json()["id"])
        spoken = await deck.until_daemon("chaos_talker", lambda item: bool(item["current_status"]))

    assert refused.status_code == 503
    assert int(refused.headers["retry-after"]) > 0
    assert "lock" in refusal(refused)["message"]
    assert read.status_code == 200
    assert len(said) == 20
    assert (taken.status_code, ended["state"]) == (201, "completed")
    assert (spoken["state"], spoken["restarts"]) == ("running", 0)


async def twenty_sentences(deck: DeckProcess) -> set[str]:
    """Return what the speaker is heard to say, each sentence new."""
    said: set[str] = set()
    async with deck.events("topics=daemons&daemon=chaos_speaker") as events:
        while len(said) < 20:
            item = await events.until(lambda item: item["current_status"] not in {None, *said})
            said.add(item["current_status"])
    return said


def can_mount(folder: Path) -> bool:
    """Whether a disk of our own can be made in a namespace of its own."""
    probe = ["unshare", "-rm", "mount", "-t", "tmpfs", "tmpfs", str(folder)]
    return (
        shutil.which("unshare") is not None and subprocess.run(probe, capture_output=True, check=False).returncode == 0
    )


async def test_a_full_disk_refuses_new_work_keeps_what_was_taken_and_heals(tmp_path: Path) -> None:
    if not can_mount(tmp_path):
        pytest.skip("no small disk can be made here")
    small = ("unshare", "-rm", "sh", "-c", f'mount -t tmpfs -o size=64m tmpfs {tmp_path} && exec "$@"', "sh")
    taken: list[str] = []
    async with DeckProcess(tmp_path, wrapper=small) as deck:
        foreign = Path(f"/proc/{deck.pid}/root{tmp_path}/somebody else's")
        foreign.write_bytes(bytes(shutil.disk_usage(foreign.parent).free - 3 * MB))
        while (answer := await order_bulk(deck)).status_code == 201:
            taken.append(answer.json()["id"])
        kept = [(await deck.http.get(f"/api/jobs/{job_id}")).status_code for job_id in taken]
        page = await deck.http.get("/")

        foreign.unlink()
        async with asyncio.timeout(15):
            while (healed := await order_bulk(deck)).status_code == 507:
                pass
        ended = await deck.until_job_ended(healed.json()["id"])

    assert answer.status_code == 507
    assert refusal(answer)["code"] == "ERR_DISK_FULL"
    assert kept == [200] * len(taken)
    assert page.status_code == 200
    assert ended["state"] == "completed"


async def order_bulk(deck: DeckProcess) -> httpx2.Response:
    return await deck.http.post("/api/jobs", json={"type": "chaos_bulk", "args": {"padding": "x" * 200_000}})


def test_a_data_directory_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    if not can_mount(tmp_path):
        pytest.skip("no read-only disk can be made here")
    script = f"mount -t tmpfs -o ro tmpfs {tmp_path} && exec {sys.executable} -m daemons --data-dir {tmp_path} serve"

    done = subprocess.run(
        ["unshare", "-rm", "sh", "-c", script], cwd=PROJECT, capture_output=True, text=True, timeout=30, check=False
    )

    assert done.returncode == 78
    assert done.stderr.splitlines()[-1].startswith("ERR_")
    assert "Traceback" not in done.stderr

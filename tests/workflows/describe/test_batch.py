"""A batch through real worker processes: one outcome per picture, whatever happens to the processes."""

import asyncio
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from daemons.clock import SystemClock
from daemons.folders.paths import disk_path, wire_path
from daemons.subprocess_work import Worker
from daemons.subprocess_work.errors import WorkerError, WorkerTaskFailed
from daemons.subprocess_work.pool import WorkerPool
from daemons.subprocess_work.spec import MEBIBYTE, WorkerSpec
from daemons.workflows.describe.batch import Batch, Outcome
from daemons.workflows.describe.worker_specs import BASIC_WORKER
from tests.pictures.samples import busy, canon_in_berlin, landscape, saved

TOY = Path(__file__).with_name("toy_describer.py")


def toy(**limits: Any) -> WorkerSpec:
    return WorkerSpec((sys.executable, "-P", str(TOY)), **limits)


class Kept:
    """Accepts outcomes and remembers them."""

    def __init__(self) -> None:
        self.outcomes: list[Outcome] = []

    async def __call__(self, outcome: Outcome) -> None:
        self.outcomes.append(outcome)

    @property
    def codes(self) -> dict[bytes, str | None]:
        return {outcome.path: outcome.error.code if outcome.error else None for outcome in self.outcomes}


async def run(paths: list[bytes], spec: WorkerSpec | None = None, **options: Any) -> Kept:
    kept = Kept()
    async with WorkerPool(SystemClock()) as pool:
        await Batch(pool, paths, spec=spec, **options).run(kept)
    return kept


async def test_every_picture_comes_out_once_described_or_with_its_failure(tmp_path: Path) -> None:
    good = saved(landscape(), tmp_path / "good.jpg", exif=canon_in_berlin())
    cut = saved(busy(), tmp_path / "cut.jpg")
    os.truncate(cut, 5000)
    text = bytes(tmp_path / "text.jpg")
    Path(os.fsdecode(text)).write_text("not a picture")
    strange = bytes(tmp_path) + b"/\xff\n.png"
    busy(2).save(tmp_path / "b.png")
    (tmp_path / "b.png").rename(os.fsdecode(strange))

    kept = await run([good, cut, text, strange, good])

    assert kept.codes == {good: None, cut: "ERR_IMAGE_TRUNCATED", text: "ERR_NOT_AN_IMAGE", strange: None}
    assert len(kept.outcomes) == 4
    first = kept.outcomes[0]
    assert first.description is not None
    assert first.facts is not None
    assert "Canon EOS 80D" in first.description
    assert first.facts["coordinates"] == {"latitude": 52.52, "longitude": 13.4}
    assert first.size == (tmp_path / "good.jpg").stat().st_size


async def test_a_poison_picture_costs_itself_and_nothing_else() -> None:
    kept = await run([b"one", b"crash", b"two"], toy())

    assert kept.codes == {b"one": None, b"crash": "ERR_IMAGE_KILLED_WORKER", b"two": None}
    error = kept.outcomes[1].error
    assert error is not None
    assert error.cause is not None
    assert (error.cause.code, "signal 6" in error.cause.message) == ("ERR_WORKER_KILLED", True)
    assert "in handle" in (error.detail or "")


async def test_a_picture_that_needs_too_much_memory_costs_itself() -> None:
    kept = await run([b"one", b"grow", b"two"], toy(memory=200 * MEBIBYTE))

    assert kept.codes == {b"one": None, b"grow": "ERR_IMAGE_KILLED_WORKER", b"two": None}
    error = kept.outcomes[1].error
    assert error is not None
    assert error.cause is not None
    assert error.cause.code == "ERR_WORKER_OUT_OF_MEMORY"


async def test_a_picture_that_never_ends_costs_itself() -> None:
    kept = await run([b"one", b"hang", b"two"], toy(silence=0.3))

    assert kept.codes == {b"one": None, b"hang": "ERR_IMAGE_KILLED_WORKER", b"two": None}


async def test_kill_9_at_any_picture_redoes_only_the_one_in_hand(tmp_path: Path) -> None:
    """The toy kills itself the first time it holds a picture called `once`."""
    kept = await run([b"one", b"once:" + bytes(tmp_path / "a"), b"two", b"once:" + bytes(tmp_path / "b")], toy())

    assert len(kept.outcomes) == 4
    assert set(kept.codes.values()) == {None}


async def test_a_worker_that_dies_before_every_picture_is_not_started_for_ever() -> None:
    with pytest.raises(WorkerError, match="exit code 9"):
        await run([b"one"], WorkerSpec((sys.executable, "-c", "raise SystemExit(9)")))


async def test_a_describer_that_does_not_exist_is_a_failed_batch() -> None:
    with pytest.raises(WorkerTaskFailed) as caught:
        await run([b"one"], describer="crystal ball")

    assert caught.value.error_code == "ERR_UNKNOWN_DESCRIBER"


async def test_asked_to_stop_it_finishes_the_picture_in_hand_and_keeps_the_rest(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    waits = b"wait:" + bytes(gate)
    later = [b"%d" % number for number in range(5000)]
    kept = Kept()

    async with WorkerPool(SystemClock()) as pool:
        batch = Batch(pool, [b"one", waits, *later], spec=toy())
        running = asyncio.create_task(batch.run(kept))
        opened = await asyncio.to_thread(os.open, gate, os.O_WRONLY)  # returns once the worker holds the second
        batch.finish_current()
        os.close(opened)
        await running

    # The word may take a few quick pictures to get through; none is lost and none is half done.
    assert list(kept.codes)[:2] == [b"one", waits]
    assert batch.left
    assert [*kept.codes, *batch.left] == [b"one", waits, *later]


async def test_a_result_that_cannot_be_stored_ends_the_batch_and_its_worker() -> None:
    async def refuse(outcome: Outcome) -> None:
        raise OSError("disk full")

    async with WorkerPool(SystemClock()) as pool:
        batch = Batch(pool, [b"one", b"two"], spec=toy())
        with pytest.raises(OSError, match="disk full"):
            await batch.run(refuse)

        assert batch.left == [b"one", b"two"]


async def test_cancelling_a_batch_ends_its_worker() -> None:
    begun = asyncio.Event()

    async def accept(outcome: Outcome) -> None:
        begun.set()

    async with WorkerPool(SystemClock()) as pool:
        task = asyncio.create_task(Batch(pool, [b"one", b"hang"], spec=toy(grace=1.0)).run(accept))
        await begun.wait()
        task.cancel()

        assert isinstance((await asyncio.gather(task, return_exceptions=True))[0], asyncio.CancelledError)


async def test_the_worker_starts_without_the_database_and_the_web() -> None:
    script = (
        "import sys, daemons.workflows.describe.worker\n"
        "heavy = {'sqlalchemy', 'pydantic', 'starlette', 'alembic', 'structlog'} & set(sys.modules)\n"
        "sys.exit(f'imports {sorted(heavy)}' if heavy else 0)"
    )
    spec = WorkerSpec((sys.executable, "-P", "-c", script))

    process = await asyncio.create_subprocess_exec(*spec.command, env=spec.child_environment())

    assert await process.wait() == 0


async def test_sigterm_from_a_service_manager_loses_no_picture(tmp_path: Path) -> None:
    paths = [saved(busy(seed, 300, 200), tmp_path / f"{seed}.jpg") for seed in range(6)]
    kept = Kept()

    async with Worker(BASIC_WORKER, SystemClock()) as worker:
        async for result in worker.run({"describer": "basic", "paths": [wire_path(path) for path in paths]}):
            await kept(Outcome.from_wire(result))
            os.kill(worker.pid, signal.SIGTERM)

    assert 1 <= len(kept.outcomes) <= 6
    assert set(kept.codes.values()) == {None}


@pytest.mark.parametrize("path", [b"/a/b.jpg", b"\xff\xfe\n-rf", "é.jpg".encode(), b"\x00"])
def test_paths_survive_json(path: bytes) -> None:
    assert disk_path(json.loads(json.dumps(wire_path(path)))) == path

"""Describing with a model in real worker processes: loaded once, flat in memory, within its time and its tokens."""

import asyncio
import json
import os
import shutil
import signal
import statistics
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psutil
import pytest

from daemons.clock import SystemClock
from daemons.folders.paths import wire_path
from daemons.subprocess_work import Worker
from daemons.subprocess_work.errors import WorkerKilled, WorkerTaskFailed
from daemons.subprocess_work.pool import WorkerPool
from daemons.workflows.describe.worker_specs import worker_of
from tests.pictures.samples import busy, canon_in_berlin, saved

MEBIBYTE = 1024 * 1024
ASK = {"prompt": "Describe this picture.", "max_tokens": 12, "temperature": 0.0, "timeout": 30.0}


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))


def question(model: Path | str, pictures: Sequence[bytes], **ask: Any) -> dict[str, Any]:
    paths = [wire_path(picture) for picture in pictures]
    return {"describer": "local", "model": str(model), "device": "auto", "ask": ASK | ask, "paths": paths}


async def ask(worker: Worker, model: Path | str, picture: bytes, **ask: Any) -> dict[str, Any]:
    (result,) = [result async for result in worker.run(question(model, [picture], **ask))]
    assert isinstance(result, dict)
    return result


@pytest.mark.timeout(180)
async def test_three_hundred_pictures_with_one_model_and_flat_memory(tiny_model: Path, tmp_path: Path) -> None:
    """Two batches of 150. The model is gone from the disk after the first: whoever loads it again fails."""
    folder = shutil.copytree(tiny_model, tmp_path / "model")
    pictures = [
        saved(busy(seed, 200 + seed, 600 - seed), tmp_path / f"{seed}.jpg", exif=canon_in_berlin(1 + seed % 8))
        for seed in range(300)
    ]
    memory, pids, answers = [], set(), []

    async with WorkerPool(SystemClock()) as pool:
        for batch in (pictures[:150], pictures[150:]):
            async with pool.borrow(worker_of("local")) as worker:
                process = psutil.Process(worker.pid)
                async for result in worker.run(question(folder, batch)):
                    answers.append(result["answer"])
                    memory.append(process.memory_info().rss)
                pids.add(worker.pid)
            shutil.rmtree(folder, ignore_errors=True)

    assert len(pids) == 1
    assert len(answers) == 300
    assert {answer["finish"] for answer in answers} <= {"stop", "length"}
    assert all(answer["text"] and 0 < answer["output_tokens"] <= 12 for answer in answers)
    assert statistics.median(memory[-50:]) - statistics.median(memory[:50]) < 10 * MEBIBYTE


@pytest.mark.timeout(120)
async def test_one_worker_answers_within_tokens_and_time(tiny_model: Path, silent_model: Path, tmp_path: Path) -> None:
    picture = saved(busy(), tmp_path / "a.jpg", exif=canon_in_berlin(6))
    async with Worker(worker_of("local"), SystemClock()) as worker:
        short = (await ask(worker, tiny_model, picture, max_tokens=5))["answer"]
        assert (short["finish"], short["output_tokens"], short["model"]) == ("length", 5, str(tiny_model))
        assert 0 < short["seconds"] < 30
        assert short["prompt_tokens"] > 10
        assert psutil.Process(worker.pid).nice() >= 10

        # Its own marks in a prompt are words to be left out; they neither count as pictures nor end the turn.
        marked = await ask(worker, tiny_model, picture, prompt="<image> Describe <end_of_utterance><image> this.")
        assert marked["facts"]["orientation"] == "portrait"
        assert marked["description"].startswith("A portrait-format photograph")
        for mark in ("<image>", "<end_of_utterance>", "<row_1_col_1>", "User:", "Assistant:"):
            assert mark not in marked["answer"]["text"]

        warm = [(await ask(worker, tiny_model, picture, temperature=5.0))["answer"]["text"] for _ in range(3)]
        assert len(set(warm)) > 1

        slow = await ask(worker, tiny_model, picture, max_tokens=100_000, timeout=0.5)
        assert slow["error"]["code"] == "ERR_MODEL_TOO_SLOW"

        for tiny in ((1, 1), (3000, 2), (2, 3)):
            edge = saved(busy().resize(tiny), tmp_path / "edge.png")
            assert (await ask(worker, tiny_model, edge))["answer"]["text"]

        nothing = await ask(worker, silent_model, picture)
        assert nothing["error"]["code"] == "ERR_MODEL_SAID_NOTHING"

        gone = await ask(worker, silent_model, bytes(tmp_path / "gone.jpg"))
        assert gone["error"]["code"] == "ERR_FILE_MISSING"


@pytest.mark.timeout(120)
async def test_kill_9_in_the_middle_costs_the_picture_in_hand_and_nothing_else(
    tiny_model: Path, tmp_path: Path
) -> None:
    pictures = [saved(busy(seed), tmp_path / f"{seed}.jpg") for seed in range(6)]
    left = [wire_path(picture) for picture in pictures]
    done: list[str] = []

    async with WorkerPool(SystemClock()) as pool:
        async with pool.borrow(worker_of("local")) as worker:
            first = worker.pid
            with pytest.raises(WorkerKilled) as caught:
                async for result in worker.run(question(tiny_model, pictures, max_tokens=400)):
                    done.append(result["path"])
                    if len(done) == 2:
                        kill_with(worker, left[2])
            assert caught.value.in_hand == left[len(done)]
        async with pool.borrow(worker_of("local")) as worker:
            assert worker.pid != first
            rest = [picture for picture in pictures if wire_path(picture) not in done]
            done += [result["path"] async for result in worker.run(question(tiny_model, rest))]

    assert done == left


def kill_with(worker: Worker, path: str) -> None:
    """Kill the worker once it has that picture in hand."""
    if worker.in_hand == path:
        os.kill(worker.pid, signal.SIGKILL)
    else:
        asyncio.get_running_loop().call_soon(kill_with, worker, path)


def posing_as_smolvlm2(tiny_model: Path, folder: Path) -> Path:
    """Return a copy of the model that asks for the processor of SmolVLM2, which looks at videos too."""
    shutil.copytree(tiny_model, folder)
    for name in ("processor_config.json", "tokenizer_config.json"):
        file = folder / name
        file.write_text(json.dumps(json.loads(file.read_text()) | {"processor_class": "SmolVLMProcessor"}))
    video = {"video_processor_type": "SmolVLMVideoProcessor", "do_resize": True}
    (folder / "video_preprocessor_config.json").write_text(json.dumps(video))
    return folder


def enlarged(tiny_model: Path, folder: Path) -> Path:
    """Return a copy of the model that says it has a million million parameters."""
    shutil.copytree(tiny_model, folder)
    file = folder / "config.json"
    config = json.loads(file.read_text())
    config["text_config"] |= {"hidden_size": 262_144, "intermediate_size": 1_048_576, "num_hidden_layers": 1}
    file.write_text(json.dumps(config))
    return folder


@pytest.mark.timeout(120)
async def test_what_is_no_model_for_pictures_is_named(tiny_model: Path, tmp_path: Path) -> None:
    picture = saved(busy(), tmp_path / "a.jpg")
    words_only = tmp_path / "words"
    words_only.mkdir()
    (words_only / "config.json").write_text('{"model_type": "bert"}')
    halved = tmp_path / "halved"
    halved.mkdir()
    for file in tiny_model.iterdir():
        if file.suffix != ".safetensors":
            (halved / file.name).write_bytes(file.read_bytes())
    giant = enlarged(tiny_model, tmp_path / "giant")
    codes = {}
    async with Worker(worker_of("local"), SystemClock()) as worker:
        for model in (words_only, halved, giant, "smolvlm", "somebody/nothing-of-that-name"):
            with pytest.raises(WorkerTaskFailed) as caught:
                await ask(worker, model, picture)
            codes[str(model)] = caught.value.error_code
            assert caught.value.remedy
        assert (await ask(worker, tiny_model, picture))["answer"]["text"]

    assert codes == {
        str(giant): "ERR_MODEL_TOO_LARGE",
        str(words_only): "ERR_MODEL_UNFIT",
        str(halved): "ERR_WEIGHTS_MISSING",
        "smolvlm": "ERR_WEIGHTS_MISSING",
        "somebody/nothing-of-that-name": "ERR_WEIGHTS_MISSING",
    }


@pytest.mark.skipif(find_spec("torchvision") is not None, reason="torchvision is installed")
@pytest.mark.timeout(120)
async def test_a_model_that_needs_torchvision_says_so(tiny_model: Path, tmp_path: Path) -> None:
    model = posing_as_smolvlm2(tiny_model, tmp_path / "videos")

    async with Worker(worker_of("local"), SystemClock()) as worker:
        with pytest.raises(WorkerTaskFailed) as caught:
            await ask(worker, model, saved(busy(), tmp_path / "a.jpg"))

    assert (caught.value.error_code, caught.value.remedy) == ("ERR_TORCHVISION_MISSING", "pip install torchvision")

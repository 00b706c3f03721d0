"""Describing by a real OpenAI-compatible server: `transformers serve`, with a model made for the test."""

import asyncio
import importlib.util
import os
import shutil
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from daemons.clients.asking import Ask
from daemons.clients.errors import ImageFailed, ServerAway, ServerRefuses
from daemons.clients.vision import VisionClient
from daemons.clock import SystemClock
from daemons.settings.vision import VisionSettings
from daemons.tasks import beside
from tests.pictures.samples import busy, saved

PROGRAM = shutil.which("transformers", path=str(Path(sys.executable).parent))
ASK = Ask("Describe this picture.", max_tokens=8, timeout=60.0)
STARTS_WITHIN = 120.0

pytestmark = [
    pytest.mark.timeout(240),
    pytest.mark.skipif(
        PROGRAM is None or importlib.util.find_spec("fastapi") is None,
        reason="needs a server: pip install 'transformers[serving]' beside the extra `vlm`",
    ),
]


async def _drain(output: asyncio.StreamReader) -> None:
    while await output.readline():
        pass


@pytest.fixture
async def client(tiny_model: Path, tmp_path: Path) -> AsyncIterator[VisionClient]:
    """Start a server on a free port, and a client for it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    line = f"serve {tiny_model} --host 127.0.0.1 --port {port} --device cpu --dtype float32".split()
    server = await asyncio.create_subprocess_exec(
        str(PROGRAM),
        *line,
        env={**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path / "hub")},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    assert server.stdout is not None
    settings = VisionSettings(url=f"http://127.0.0.1:{port}", model=str(tiny_model), concurrency=2)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(server.wait)
        stack.callback(server.send_signal, signal.SIGINT)
        async with asyncio.timeout(STARTS_WITHIN):
            while b"running on" not in (told := await server.stdout.readline()):
                assert told, "the server ended"
        await stack.enter_async_context(beside(_drain(server.stdout), "output of the server"))
        yield await stack.enter_async_context(VisionClient(settings, SystemClock()))


async def test_pictures_are_described_and_faults_told_apart(client: VisionClient, tmp_path: Path) -> None:
    picture = saved(busy(1, 400, 300), tmp_path / "a.jpg")
    jpeg = Path(os.fsdecode(picture)).read_bytes()
    told: list[str] = []

    async def tell(reason: str) -> None:
        told.append(reason)

    first = await client.describe(jpeg, ASK, tell=tell)
    assert first.text and first.finish == "length" and first.output_tokens == 8 and first.prompt_tokens
    assert first.seconds > 0 and first.model

    answers = await asyncio.gather(*(client.describe(jpeg, ASK) for _ in range(10)))
    assert all(answer.text for answer in answers)

    with pytest.raises(ServerRefuses) as unknown:
        await client.describe(jpeg, ASK, model="no-such-model")
    assert "no-such-model" in unknown.value.message and unknown.value.remedy

    with pytest.raises(ImageFailed) as broken:
        await client.describe(b"\xff\xd8 this is no picture \xff\xd9", ASK)
    assert not isinstance(broken.value, ServerAway)

    # This server's list of models is an error where its cache is no folder; that is borne.
    report = await client.check()
    assert report.works and report.said

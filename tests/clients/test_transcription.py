"""Speech written down by an OpenAI-compatible server, over a real socket: what it says, and how it fails."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from daemons.clients.errors import BadAnswer, NotConfigured, ServerAway, ServerBusy, ServerRefuses
from daemons.clients.registry import Clients
from daemons.clients.server_calls import TRIES_MOST
from daemons.clients.transcription import SoundRefused, Transcript, TranscriptionClient
from daemons.errors import DaemonError, Permanent
from daemons.settings import Settings
from daemons.settings.transcription import TranscriptionSettings
from tests.fake_clock import FakeClock
from tests.fakes.openai_server import Step, answers, breaks_off, closes, error, falls_silent, floods, hangs
from tests.fakes.transcription_server import SPEECH_MODEL, TranscriptionServer, hearing, said

SOUND = b"fLaC\r\n--not a boundary\r\n\xff\x00"
KEYS = ["sk-first-key-0001", "sk-second-key-0002"]
PAGE = b"<!doctype html><html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>"

FAULTS: dict[str, tuple[Step, str, type[DaemonError]]] = {
    "500 with a page": (answers(500, PAGE), "ERR_SERVER_FAILED", ServerAway),
    "504": (answers(504), "ERR_SERVER_FAILED", ServerAway),
    "408": (answers(408), "ERR_SERVER_FAILED", ServerAway),
    "closed": (closes, "ERR_ANSWER_BROKEN_OFF", BadAnswer),
    "closed in the middle": (breaks_off, "ERR_ANSWER_BROKEN_OFF", BadAnswer),
    "200 MB": (floods(200_000_000), "ERR_ANSWER_TOO_LARGE", BadAnswer),
    "endless": (floods(None), "ERR_ANSWER_TOO_LARGE", BadAnswer),
    "packed": (answers(200, b"\x1f\x8b", "Content-Encoding: gzip\r\n"), "ERR_ANSWER_PACKED", BadAnswer),
    "a page": (answers(200, PAGE), "ERR_BAD_ANSWER", BadAnswer),
    "nothing": (answers(200), "ERR_BAD_ANSWER", BadAnswer),
    "a number": (answers(200, b"NaN"), "ERR_BAD_ANSWER", BadAnswer),
    "too deep": (answers(200, b"[" * 200_000), "ERR_BAD_ANSWER", BadAnswer),
    "no text": (said(None), "ERR_BAD_ANSWER", BadAnswer),
    "an error that is no error": (answers(200, {"error": "model crashed"}), "ERR_BAD_ANSWER", BadAnswer),
    "too large": (answers(413, PAGE), "ERR_SERVER_REFUSED_SOUND", SoundRefused),
    "not decoded": (error(400, "Audio file might be corrupted"), "ERR_SERVER_REFUSED_SOUND", SoundRefused),
    "a detail": (answers(422, {"detail": [{"msg": "bad"}]}), "ERR_SERVER_REFUSED_SOUND", SoundRefused),
    "no such model": (error(404, "model `x` not found"), "ERR_MODEL_UNKNOWN", ServerRefuses),
    "no such call": (answers(404, b"404 page not found"), "ERR_NO_SUCH_CALL", ServerRefuses),
    "a key is wanted": (error(401, "You didn't provide an API key"), "ERR_KEY_WANTED", ServerRefuses),
    "sent elsewhere": (answers(302, b"", "Location: http://169.254.169.254/\r\n"), "ERR_SERVER_REDIRECTS", ServerAway),
}


@asynccontextmanager
async def opened(server: TranscriptionServer, clock: FakeClock, **given: Any) -> AsyncIterator[TranscriptionClient]:
    settings = TranscriptionSettings(**{"url": server.url, "model": SPEECH_MODEL, **given})
    async with TranscriptionClient(settings, clock, chance=lambda: 0.5) as client:
        yield client


@pytest.fixture
async def server() -> AsyncIterator[TranscriptionServer]:
    async with hearing() as server:
        yield server


async def resting(clock: FakeClock, server: TranscriptionServer, work: Any) -> Any:
    """Await `work`, and move time on whenever it only rests between two tries."""
    task, quiet = asyncio.ensure_future(work), 0
    while not task.done():
        await asyncio.sleep(0)
        quiet = quiet + 1 if server.at_work == 0 and len(clock.sleepers) == 1 else 0
        if quiet > 30:
            await clock.advance(clock.sleepers[0])
    return await task


async def test_what_is_said_is_written_down(server: TranscriptionServer, clock: FakeClock) -> None:
    server.speech = lambda sound: said(" Good\x00 morning,\nall. ", language="english", duration=3.2)

    async with opened(server, clock, api_key=KEYS[0], language="en") as client:
        found = await client.transcribe(SOUND)

    assert isinstance(found, Transcript)
    assert (found.text.replace("␀", ""), found.language, found.model) == (
        "Good morning,\nall.",
        "english",
        SPEECH_MODEL,
    )
    (sound,) = server.sounds
    assert (sound.content, sound.name) == (SOUND, "sound.flac")
    assert sound.fields == {"model": SPEECH_MODEL, "response_format": "json", "temperature": "0", "language": "en"}
    assert server.questions[0].key == KEYS[0]


async def test_nobody_speaking_is_no_failure(server: TranscriptionServer, clock: FakeClock) -> None:
    server.then(said(" \n"))

    async with opened(server, clock) as client:
        assert (await client.transcribe(SOUND)).text == ""


@pytest.mark.parametrize("fault", FAULTS)
async def test_every_fault_has_its_name(fault: str, server: TranscriptionServer, clock: FakeClock) -> None:
    step, code, kind = FAULTS[fault]
    server.then(*[step] * TRIES_MOST)

    async with opened(server, clock) as client:
        with pytest.raises(kind) as failed:
            await resting(clock, server, client.transcribe(SOUND))

        assert failed.value.error_code == code and failed.value.remedy
        assert isinstance(failed.value, Permanent) == (kind is SoundRefused)
        assert len(failed.value.message) < 700


@pytest.mark.parametrize("silence", [hangs, falls_silent])
async def test_silence_has_an_end(silence: Step, server: TranscriptionServer, clock: FakeClock) -> None:
    server.then(silence)

    async with opened(server, clock, timeout=20) as client:
        asking = asyncio.ensure_future(client.transcribe(SOUND))
        async with asyncio.timeout(10):
            while not server.at_work:
                await asyncio.sleep(0)
        await clock.advance(21)
        with pytest.raises(DaemonError) as late:
            await asking

    assert late.value.error_code == "ERR_ANSWER_LATE"


async def test_a_server_that_is_not_there_is_told_of_until_it_is(clock: FakeClock) -> None:
    async with hearing() as gone:
        pass
    async with opened(gone, clock) as client:
        with pytest.raises(ServerAway) as away:
            await client.transcribe(SOUND)

        assert away.value.error_code == "ERR_SERVER_AWAY"
        assert [finding.code for finding in client.findings()] == ["ERR_SERVER_AWAY"]
        await clock.advance(3601)
        assert client.findings() == []


async def test_a_busy_server_is_asked_again_after_what_it_says(server: TranscriptionServer, clock: FakeClock) -> None:
    server.then(error(503, "loading", headers="Retry-After: 7\r\n"), said("Hello."))

    async with opened(server, clock) as client:
        before = clock.monotonic()
        found = await resting(clock, server, client.transcribe(SOUND))

    assert found.text == "Hello." and 7 <= clock.monotonic() - before < 10


async def test_a_server_that_stays_busy_is_left_to_the_caller(server: TranscriptionServer, clock: FakeClock) -> None:
    server.then(*[error(429, "slow down")] * TRIES_MOST)

    async with opened(server, clock) as client:
        with pytest.raises(ServerBusy) as busy:
            await resting(clock, server, client.transcribe(SOUND))

    assert busy.value.retry_after and len(server.questions) == TRIES_MOST


async def test_a_refused_key_is_set_aside_and_masked(server: TranscriptionServer, clock: FakeClock) -> None:
    server.keys = {KEYS[1]}

    async with opened(server, clock, api_keys=KEYS) as client:
        found = [await client.transcribe(SOUND), await client.transcribe(SOUND)]

        assert [one.text for one in found] == ["Good morning."] * 2
        assert [question.key for question in server.questions] == [KEYS[0], KEYS[1], KEYS[1]]
        (finding,) = client.findings()
        assert finding.code == "ERR_KEY_REFUSED" and KEYS[0] not in finding.message


async def test_no_more_is_asked_at_once_than_the_server_takes(server: TranscriptionServer, clock: FakeClock) -> None:
    async with opened(server, clock, concurrency=2) as client:
        await asyncio.gather(*(client.transcribe(SOUND) for _ in range(6)))

    assert server.most_at_work <= 2 and len(server.sounds) == 6


async def test_without_an_address_the_setting_is_named(clock: FakeClock) -> None:
    async with Clients(Settings(), clock) as clients:
        with pytest.raises(NotConfigured) as missing:
            clients.get(TranscriptionClient)

    assert "transcription.url" in missing.value.message

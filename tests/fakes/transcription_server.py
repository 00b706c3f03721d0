"""An OpenAI-compatible server of speech that keeps to the protocol, or fails in every way that such servers do."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from email import message_from_bytes
from typing import Any

from tests.fakes.openai_server import WRONG_KEY, OpenAIServer, Question, Step, answers, error

SPEECH_MODEL = "tiny-speech"


@dataclass(frozen=True)
class Sound:
    """What was asked: the fields of the form, and the file in it."""

    fields: dict[str, str]
    name: str
    content: bytes


def said(text: Any, **more: Any) -> Step:
    """Answer with a transcript."""
    return answers(200, {"text": text, **more})


def read_form(question: Question) -> Sound:
    """Return what a request asks; fails where it does not keep to the protocol."""
    kind = question.headers["content-type"]
    assert kind.startswith("multipart/form-data; boundary=")
    parts = message_from_bytes(f"Content-Type: {kind}\r\n\r\n".encode() + question.body).get_payload()
    assert isinstance(parts, list)
    fields, files = dict[str, str](), list[tuple[str, bytes]]()
    for part in parts:
        content, name = part.get_payload(decode=True), part.get_param("name", header="content-disposition")
        if file := part.get_filename():
            assert name == "file"
            files.append((file, content))
        else:
            fields[name] = content.decode()
    (file,) = files
    return Sound(fields, *file)


class TranscriptionServer(OpenAIServer):
    """What came, and what is answered."""

    def __init__(self) -> None:
        super().__init__()
        self.known = {SPEECH_MODEL}
        self.sounds: list[Sound] = []
        self.speech: Callable[[Sound], Step] = lambda sound: said("Good morning.")
        """Decides how a well-formed question is answered."""

    def _step(self, question: Question) -> Step:
        if self.keys is not None and question.key not in self.keys:
            return error(401, WRONG_KEY.format(key=question.key), "invalid_api_key")
        if (question.method, question.path) != ("POST", "/v1/audio/transcriptions"):
            return answers(404, b"404 page not found")
        if self._steps:
            return self._steps.pop(0)
        sound = read_form(question)
        self.sounds.append(sound)
        if sound.fields["model"] not in self.known:
            return error(404, f"The model `{sound.fields['model']}` does not exist", "model_not_found")
        assert sound.fields["response_format"] == "json" and sound.content[:4] == b"fLaC"
        return self.speech(sound)


@asynccontextmanager
async def hearing() -> AsyncIterator[TranscriptionServer]:
    """Serve on a free port of this machine."""
    served = TranscriptionServer()
    server = await asyncio.start_server(served.accept, "127.0.0.1", 0)
    served.port = server.sockets[0].getsockname()[1]
    try:
        yield served
    finally:
        server.close()
        await served.end()

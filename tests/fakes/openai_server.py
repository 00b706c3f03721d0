"""An OpenAI-compatible vision server that keeps to the protocol, or fails in every way that such servers do."""

import asyncio
import json
import ssl
from base64 import b64decode
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MODEL = "tiny-vision"
WRONG_KEY = "Incorrect API key provided: {key}. You can find your API key at the server."


@dataclass(frozen=True)
class Question:
    """A request as it came."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: Any

    @property
    def key(self) -> str | None:
        return self.headers.get("authorization", "").removeprefix("Bearer ") or None

    @property
    def jpeg(self) -> bytes:
        """The picture; fails where the request does not keep to the protocol."""
        (message,) = self.body["messages"]
        (url,) = (part["image_url"]["url"] for part in message["content"] if part["type"] == "image_url")
        return b64decode(url.removeprefix("data:image/jpeg;base64,"), validate=True)


Step = Callable[[Question, asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def answers(status: int, body: Any = b"", headers: str = "") -> Step:
    """Answer with a status and a body: bytes as they are, anything else as JSON."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()

    async def step(question: Question, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = f"HTTP/1.1 {status} X\r\n{headers}Content-Type: application/json\r\nContent-Length: {len(content)}\r\n"
        writer.write(head.encode() + b"\r\n" + content)
        await writer.drain()

    return step


def chat(content: Any = "A red square.", finish: Any = "stop", **message: Any) -> Step:
    """Answer as a chat does."""
    return answers(200, completion(content, finish, **message))


def completion(content: Any = "A red square.", finish: Any = "stop", **message: Any) -> dict[str, Any]:
    """Return the body of a well-formed answer."""
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "model": MODEL,
        "choices": [
            {"index": 0, "message": {"role": "assistant", "content": content, **message}, "finish_reason": finish}
        ],
        "usage": {"prompt_tokens": 300, "completion_tokens": 7, "total_tokens": 307},
    }


def error(status: int, message: str, code: Any = None, headers: str = "", **more: Any) -> Step:
    """Answer with an error as OpenAI spells it."""
    return answers(status, {"error": {"message": message, "type": "x", "code": code, **more}}, headers)


async def closes(question: Question, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Close the connection without a word."""


async def breaks_off(question: Question, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Promise more than is sent."""
    writer.write(b'HTTP/1.1 200 X\r\nContent-Length: 1000\r\n\r\n{"choices": [{"mess')
    await writer.drain()


async def hangs(question: Question, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Say nothing until the other side goes."""
    await reader.read()


async def falls_silent(question: Question, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Begin to answer, and say nothing more."""
    await breaks_off(question, reader, writer)
    await reader.read()


def floods(size: int | None) -> Step:
    """Send `size` bytes, announced; None: chunks without an end."""

    async def step(question: Question, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        length = "Transfer-Encoding: chunked" if size is None else f"Content-Length: {size}"
        writer.write(f"HTTP/1.1 200 X\r\n{length}\r\n\r\n".encode())
        bit = b" " * 65_536 if size is not None else b"10000\r\n" + b" " * 65_536 + b"\r\n"
        while True:
            writer.write(bit)
            await writer.drain()

    return step


_LAST = (closes, breaks_off, hangs, falls_silent)
"""After these the connection is closed."""


class OpenAIServer:
    """What came, and what is answered."""

    def __init__(self) -> None:
        self.questions: list[Question] = []
        self.chat: Callable[[Question], Step] = lambda question: chat()
        """Decides how a well-formed question is answered."""
        self.models: Step = answers(200, {"object": "list", "data": [{"id": MODEL, "object": "model"}]})
        self.known = {MODEL}
        self.keys: set[str] | None = None
        """The good keys; None: nobody is asked for one."""
        self.at_work = self.most_at_work = 0
        self.port = 0
        self.scheme = "http"
        self._steps: list[Step] = []
        self._connections: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}/v1"

    def then(self, *steps: Step) -> None:
        """Answer the next questions so, whatever they are; those after as usual."""
        self._steps += steps

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        serving = asyncio.create_task(self._serve(reader, writer))
        self._connections.add(serving)
        serving.add_done_callback(self._connections.discard)

    async def end(self) -> None:
        """Serve nobody any more."""
        for serving in self._connections:
            serving.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError), closing(writer):
            while await self._answer(await _read(reader), reader, writer):
                pass

    async def _answer(self, question: Question, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answer one question, and return whether there may be another one."""
        self.questions.append(question)
        step = self._step(question)
        self.at_work += 1
        self.most_at_work = max(self.most_at_work, self.at_work)
        try:
            await step(question, reader, writer)
        finally:
            self.at_work -= 1
        return step not in _LAST

    def _step(self, question: Question) -> Step:
        if self.keys is not None and question.key not in self.keys:
            return error(401, WRONG_KEY.format(key=question.key), "invalid_api_key")
        if question.path == "/v1/models":
            return self.models
        if (question.method, question.path) != ("POST", "/v1/chat/completions"):
            return answers(404, b"404 page not found")
        if self._steps:
            return self._steps.pop(0)
        if question.body["model"] not in self.known:
            return error(404, f"The model `{question.body['model']}` does not exist", "model_not_found")
        assert question.body["stream"] is False and question.jpeg[:2] == b"\xff\xd8"
        return self.chat(question)


async def _read(reader: asyncio.StreamReader) -> Question:
    first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")[:-2]
    method, path, _ = first.split(" ")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    is_json = headers.get("content-type", "application/json") == "application/json"
    return Question(method, path, headers, json.loads(body) if body and is_json else body or None)


@asynccontextmanager
async def serving(*, with_tls: bool = False) -> AsyncIterator[OpenAIServer]:
    """Serve on a free port of this machine; `with_tls`: by a certificate that nobody trusts."""
    served, tls = OpenAIServer(), None
    if with_tls:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(Path(__file__).with_name("self_signed.pem"))
    server = await asyncio.start_server(served.accept, "127.0.0.1", 0, ssl=tls)
    served.port = server.sockets[0].getsockname()[1]
    served.scheme = "https" if tls else "http"
    try:
        yield served
    finally:
        server.close()
        await served.end()

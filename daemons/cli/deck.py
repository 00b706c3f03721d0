"""The running deck as commands see it: HTTP calls and the events socket, errors turned into exit codes."""

import asyncio
import json
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlencode

from daemons.cli.exits import CommandError, Exit
from daemons.clock import SystemClock

REQUEST_SECONDS = 10.0
SILENT_SECONDS = 12.0
"""A deck that says nothing for so long, not even that it is alive, is not there any more: it beats every 5 s."""
LOST = "lost"
"""The type of the frame that tells the end of a connection; it is ours, the deck sends none like it."""
RETRY_SECONDS = (0.25, 0.5, 1.0, 2.0, 5.0)
"""Pauses between tries to reach a deck that went away; the last one repeats."""

_EXITS = {401: Exit.NOT_ALLOWED, 403: Exit.NOT_ALLOWED, 421: Exit.NOT_ALLOWED}
_EXITS |= {404: Exit.UNKNOWN, 409: Exit.REFUSED, 422: Exit.USAGE, 503: Exit.BUSY}


@dataclass(frozen=True, slots=True)
class Frame:
    """One message of the events socket."""

    topic: str
    type: str
    data: dict[str, Any]

    @property
    def items(self) -> list[dict[str, Any]]:
        """The entities it tells of: all of a snapshot, else the one that changed."""
        return list(self.data.get("items", ())) if self.type == "snapshot" else [self.data]


class Deck:
    """A connection to a running deck, from enter to exit. Every failure is a CommandError."""

    def __init__(
        self, url: str, token: str | None, *, timeout: float | None, tell: Callable[[str], None] | None = None
    ) -> None:
        self.url = url.rstrip("/")
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._timeout = timeout or REQUEST_SECONDS
        self._tell = tell
        self._clock = SystemClock()

    def __enter__(self) -> Self:
        # Imported late, as for the socket: `serve` needs neither.
        import ssl

        import httpx2

        # Reading the machine's certificates takes a twelfth of a second; without TLS none is believed.
        verify = self.url.startswith("https:") or ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        # No proxies from the environment: they would be asked for 127.0.0.1, with our token.
        self._client = httpx2.Client(headers=self._headers, timeout=self._timeout, verify=verify, trust_env=False)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    def get(self, path: str, **parameters: object) -> Any:
        """Return the answer to GET; parameters that are None are left out."""
        return self._call("GET", path, params=_given(parameters))

    def post(self, path: str, body: dict[str, Any] | None = None, *, key: str | None = None) -> Any:
        """Return the answer to POST; asked again with the same `key`, the deck does it once."""
        return self._call("POST", path, json=body or {}, headers={"Idempotency-Key": key} if key else {})

    def send(self, path: str, content: bytes, kind: str, **parameters: object) -> Any:
        """Return the answer to POST of a file of that kind, such as text/csv."""
        return self._call("POST", path, content=content, headers={"Content-Type": kind}, params=_given(parameters))

    def patch(self, path: str, body: dict[str, Any]) -> Any:
        """Return the answer to PATCH."""
        return self._call("PATCH", path, json=body)

    def delete(self, path: str) -> Any:
        """Return the answer to DELETE."""
        return self._call("DELETE", path)

    def stream(self, path: str, **parameters: object) -> Iterator[str]:
        """Yield the answer to GET as it comes, for what may be long. A refusal comes before the first piece."""
        import httpx2

        try:
            with self._client.stream("GET", f"{self.url}/api{path}", params=_given(parameters)) as answer:
                if not answer.is_success:
                    answer.read()
                    raise _refused(answer.status_code, answer.text)
                yield from answer.iter_text()
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise _unreachable(self.url, str(error)) from error

    def pages(self, path: str, limit: int, **parameters: object) -> list[dict[str, Any]]:
        """Return up to `limit` items of a list, following its cursor."""
        items: list[dict[str, Any]] = []
        cursor: str | None = None
        while len(items) < limit:
            page = self.get(path, limit=min(500, limit - len(items)), cursor=cursor, **parameters)
            items += page["items"]
            cursor = page.get("next")
            if cursor is None:
                break
        return items

    def download(self, path: str) -> bytes:
        """Return the answer to GET as it is."""
        found: bytes = self._answer("GET", path).content
        return found

    def _call(self, method: str, path: str, **request: Any) -> Any:
        answer = self._answer(method, path, **request)
        return answer.json() if answer.content else None

    def _answer(self, method: str, path: str, **request: Any) -> Any:
        import httpx2

        try:
            answer = self._client.request(method, f"{self.url}/api{path}", **request)
        except httpx2.TimeoutException as error:
            raise _unreachable(self.url, f"no answer within {self._timeout:g} seconds") from error
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise _unreachable(self.url, str(error)) from error
        if self._tell is not None:
            self._tell(f"{method} {answer.url} {answer.status_code} {answer.elapsed.total_seconds() * 1000:.0f} ms")
        if answer.is_success:
            return answer
        raise _refused(answer.status_code, answer.text)

    async def frames(self, topics: str, **filters: object) -> AsyncGenerator[Frame | None, None]:
        """Yield what happens until the caller stops listening; None each time the connection was made anew.

        The end of a connection is told once, by a frame of type LOST: what was told before is not sure any more.
        Raises CommandError if the first connection is refused, or any later one for good.
        """
        tries = 0
        connected = False
        while True:
            try:
                async with aclosing(self._listen(topics, filters)) as frames:
                    async for frame in frames:
                        if frame.type == "hello" and connected:
                            yield None
                        connected, tries = True, 0
                        yield frame
            except CommandError as error:
                if error.exit_code is not Exit.UNREACHABLE or not connected:
                    raise
            if tries == 0:
                yield Frame("hub", LOST, {})
            await self._clock.sleep(RETRY_SECONDS[min(tries, len(RETRY_SECONDS) - 1)])
            tries += 1

    async def _listen(self, topics: str, filters: dict[str, object]) -> AsyncGenerator[Frame, None]:
        from websockets.asyncio.client import connect
        from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException

        query = urlencode(_given({"topics": topics, **filters}))
        address = f"ws{self.url.removeprefix('http')}/api/events?{query}"
        try:
            async with connect(
                address, additional_headers=self._headers, proxy=None, compression=None, open_timeout=self._timeout
            ) as socket:
                while True:
                    async with asyncio.timeout(SILENT_SECONDS):
                        frame = json.loads(await socket.recv())
                    yield Frame(frame["topic"], frame["type"], frame["data"])
        except ConnectionClosed as error:
            # 4401: our session or token ended; another try would only be refused.
            if error.rcvd is not None and error.rcvd.code == 4401:
                raise CommandError(Exit.NOT_ALLOWED, "The token was revoked.", code="ERR_DENIED") from error
        except InvalidStatus as error:
            raise _refused(
                error.response.status_code, (error.response.body or b"").decode("utf-8", "replace")
            ) from error
        except (TimeoutError, OSError, WebSocketException) as error:
            raise _unreachable(self.url, str(error) or type(error).__name__) from error


def _given(parameters: dict[str, object]) -> dict[str, str]:
    return {name: str(value) for name, value in parameters.items() if value is not None}


def _unreachable(url: str, why: str) -> CommandError:
    return CommandError(
        Exit.UNREACHABLE,
        f"No deck answers at {url}: {why}.",
        remedy="Start one with `daemondeck serve`, or name another with --server.",
        code="ERR_UNREACHABLE",
    )


def _refused(status: int, body: str) -> CommandError:
    try:
        error = json.loads(body)["error"]
        code, message, remedy = error["code"], error["message"], error.get("remedy")
    except (ValueError, KeyError, TypeError):
        code, message, remedy = f"ERR_HTTP_{status}", f"The deck answered {status} without saying why.", None
    if status == 401 and not remedy:
        remedy = "Give --token or DAEMONDECK_TOKEN, or run the command as the user who runs the deck."
    return CommandError(_EXITS.get(status, Exit.FAILED), message, remedy=remedy, code=code)

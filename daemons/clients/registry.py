"""The clients of all external systems, one of each, shared by every job and daemon of this process."""

from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Any, Self, TypeVar

from daemons.clients.embeddings import EmbeddingsClient
from daemons.clients.errors import NotConfigured
from daemons.clients.filemaker import FileMakerClient
from daemons.clients.transcription import TranscriptionClient
from daemons.clients.vision import VisionClient
from daemons.clients.web_pages import WebPages
from daemons.clock import Clock
from daemons.errors import UnknownName
from daemons.findings import Finding
from daemons.settings import Settings

C = TypeVar("C")

MAKERS: Mapping[type[Any], Callable[[Settings, Clock], Any]] = {
    VisionClient: lambda settings, clock: VisionClient(settings.vision, clock),
    FileMakerClient: lambda settings, clock: FileMakerClient(settings.filemaker, clock),
    TranscriptionClient: lambda settings, clock: TranscriptionClient(settings.transcription, clock),
    EmbeddingsClient: lambda settings, clock: EmbeddingsClient(settings.embeddings, clock),
    WebPages: lambda settings, clock: WebPages(settings.web_pages, clock),
}


class Clients:
    """The one client of each kind, from enter to exit. None connects before it is used."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._clients: dict[type[Any], Any] = {}
        self._missing: dict[type[Any], NotConfigured] = {}
        for kind, make in MAKERS.items():
            try:
                self._clients[kind] = make(settings, clock)
            except NotConfigured as missing:
                self._missing[kind] = missing
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        for client in self._clients.values():
            await self._stack.enter_async_context(client)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    def get(self, kind: type[C]) -> C:
        """Return the client of that class. Raises NotConfigured, saying what to set, or UnknownName."""
        if kind in self._missing:
            raise NotConfigured(self._missing[kind].setting)
        client = self._clients.get(kind)
        if not isinstance(client, kind):
            raise UnknownName(f"There is no client {kind.__name__}.")
        return client

    @property
    def vision(self) -> VisionClient:
        """The client of the vision server. Raises NotConfigured."""
        return self.get(VisionClient)

    @property
    def filemaker(self) -> FileMakerClient:
        """The client of the FileMaker Server. Raises NotConfigured."""
        return self.get(FileMakerClient)

    def findings(self) -> list[Finding]:
        """Return what a person should know of and mend at other systems."""
        return [finding for client in self._clients.values() for finding in client.findings()]

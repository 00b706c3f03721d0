"""The pictures behind descriptions: a small copy to look at, or the file itself. Reached only through their rows."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import NamedTuple, Self, TypeVar

from sqlalchemy import select

from daemons.errors import Unavailable
from daemons.findings import Finding
from daemons.folders.paths import joined
from daemons.pictures.originals import Original, open_original
from daemons.pictures.thumbnails import NoThumbnail, Size, Source, Thumbnails
from daemons.workflow import KeeperTools
from daemons.workflows.describe.keeper.descriptions import unknown_description
from daemons.workflows.describe.tables import DescriptionTable

ANSWER_SECONDS = 10.0
"""How long a folder has to answer."""
_OPENED_AT_ONCE = 4

T = TypeVar("T")
_D = DescriptionTable.__table__.c


class _Place(NamedTuple):
    folder: bytes
    path: bytes
    sha256: str | None
    size: int
    mtime_ns: int

    @property
    def full(self) -> bytes:
        return joined(self.folder, self.path)


class Pictures:
    """Sends nothing itself: it finds, opens and makes small."""

    def __init__(self, tools: KeeperTools) -> None:
        self._database = tools.database
        self._clock = tools.clock
        self._thumbnails = Thumbnails(tools.workers, tools.clock, tools.data_dir / "thumbnails", tools.cache_bytes)
        # Threads of its own: a dead network drive never answers, and takes no others along.
        self._threads = ThreadPoolExecutor(_OPENED_AT_ONCE, "pictures")

    async def __aenter__(self) -> Self:
        await self._thumbnails.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._thumbnails.__aexit__(kind, error, trace)
        self._threads.shutdown(wait=False, cancel_futures=True)

    def findings(self) -> list[Finding]:
        """Return why thumbnails are not kept, while that is so."""
        return self._thumbnails.findings()

    async def thumbnail(self, description_id: str, size: Size = Size.THUMBNAIL) -> tuple[str, bytes]:
        """Return the hash of the bytes that were described, and a small WebP copy of them.

        Raises UnknownDescription, or NoThumbnail with the code and the remedy of what is wrong.
        """
        place = await self._place(description_id)
        if place.sha256 is None:
            raise NoThumbnail("The picture could not be read when it was described.", remedy="Describe it again.")
        return place.sha256, await self._thumbnails.get(Source(place.full, place.sha256, size))

    async def original(self, description_id: str) -> tuple[str | None, Original]:
        """Return the open file, and its hash unless its content has changed since that was taken.

        Raises UnknownDescription, FolderMissing, PictureMissing, PictureRefused or Unavailable.
        """
        place = await self._place(description_id)
        original = await self._in_thread(lambda: open_original(place.folder, place.path))
        is_same = original.stamp == (place.size, place.mtime_ns)
        return place.sha256 if is_same else None, original

    async def _place(self, description_id: str) -> _Place:
        known = select(_D.folder_bytes, _D.path_bytes, _D.sha256, _D.size, _D.mtime_ns)
        row = await self._database.fetch_one(known.where(_D.id == description_id))
        if row is None:
            raise unknown_description(description_id)
        return _Place._make(row)

    async def _in_thread(self, question: Callable[[], T]) -> T:
        answer = asyncio.get_running_loop().run_in_executor(self._threads, question)
        if await self._clock.settle({answer}, ANSWER_SECONDS):
            raise Unavailable("The folder of the picture does not answer.", code="ERR_FOLDER_SILENT")
        return answer.result()

"""Small copies of what records are of: one WebP each, by the hash that stands in the field `thumbnail`."""

import asyncio
import re
from pathlib import Path

from daemons.errors import NotFound
from daemons.pictures.thumbnail_files import ThumbnailFiles
from daemons.workflows.polling.records import Record

_HASH = re.compile("[0-9a-f]{64}")
_NO_LIMIT = 2**63


class NoSmallCopy(NotFound):
    """There is no small copy of it."""

    code = "ERR_NO_THUMBNAIL"


class SmallCopies:
    """A folder of them. What is written twice is the same."""

    def __init__(self, folder: Path) -> None:
        self._files = ThumbnailFiles(folder, _NO_LIMIT)

    async def keep(self, sha256: object, webp: bytes) -> None:
        """Keep the copy of what has this hash. Raises OSError; anything else than a hash is not kept."""
        if isinstance(sha256, str) and _HASH.fullmatch(sha256):
            await asyncio.to_thread(self._files.write, f"{sha256}.webp", webp)

    async def get(self, record: Record) -> tuple[str, bytes]:
        """Return the hash and the copy of what a record is of. Raises NoSmallCopy."""
        sha256 = record.fields.get("thumbnail")
        # A field may say anything: it must not lead to another file.
        if isinstance(sha256, str) and _HASH.fullmatch(sha256):
            webp = await asyncio.to_thread(self._files.read, f"{sha256}.webp")
            if webp is not None:
                return sha256, webp
        raise NoSmallCopy(f"There is no small copy of {record.code}.")

"""Writes what became of each image of a batch, as it comes, and counts."""

import hashlib
from collections import Counter
from collections.abc import Sequence
from functools import partial
from typing import Any

from sqlalchemy import Row

from daemons.clients.asking import Ask
from daemons.errors import ErrorInfo
from daemons.folders.paths import joined, wire_path
from daemons.handlers import JobContext
from daemons.killpoints import reach
from daemons.workflows.describe.batch import Outcome
from daemons.workflows.describe.keeper import FileStamp, Finding, Way, record, restamp


class Settling:
    """Takes one batch's outcomes; each is committed, counted and told before the next is taken."""

    def __init__(self, ctx: JobContext, way: Way, ask: Ask | None, stamps: Sequence[FileStamp], *, asked: bool) -> None:
        self._ctx = ctx
        self._way = way
        self._prompt_hash = hashlib.sha256(ask.prompt.encode()).hexdigest() if ask else None
        # Whether a person asked for it, so that what a person wrote is replaced too.
        self._asked = asked
        self._stamps = {self.path_of(stamp): stamp for stamp in stamps}
        self.tally: Counter[str] = Counter()

    def path_of(self, stamp: FileStamp) -> bytes:
        """Return where a file is."""
        return joined(self._way.folder, stamp.path)

    async def accept(self, outcome: Outcome) -> None:
        """Take what a describer said, or why it said nothing."""
        seen = self._stamps[outcome.path]
        stamp = FileStamp(seen.path, _or(outcome.size, seen.size), _or(outcome.mtime_ns, seen.mtime_ns))
        answer = outcome.answer or {}
        finding = Finding(
            stamp,
            answer.get("seconds", outcome.seconds),
            outcome.sha256,
            outcome.facts,
            answer.get("text", outcome.description) if outcome.error is None else None,
            outcome.error,
            self._prompt_hash,
            answer.get("finish"),
            answer.get("prompt_tokens"),
            answer.get("output_tokens"),
        )
        reach("image described")
        await self._write(finding)
        if outcome.error:
            await self._ctx.log("warning", f"{wire_path(stamp.path)}: {outcome.error.code}: {outcome.error.message}")
        await self._count("failed" if outcome.error else "described", stamp)

    async def copy(self, stamp: FileStamp, original: Row[Any]) -> None:
        """Take the description of a file that has the same content."""
        finding = Finding(
            stamp,
            original.seconds,
            original.sha256,
            original.facts,
            original.description,
            ErrorInfo.from_dict(original.error) if original.error else None,
            original.prompt_hash,
            original.finish,
            original.prompt_tokens,
            original.output_tokens,
            origin="copy",
            copied_from=original.id,
        )
        await self._write(finding)
        await self._count("copied", stamp)

    async def keep(self, stamp: FileStamp) -> None:
        """Keep the file's own description: only its time changed, not its content."""
        await self._ctx.write(lambda tx: restamp(tx, self._way, stamp))
        await self._count("known_already", stamp)

    async def say(self, what: str) -> None:
        """Say what is waited for."""
        await self._ctx.progress(self.tally.total(), len(self._stamps), what)

    async def _write(self, finding: Finding) -> None:
        await self._ctx.write(
            partial(record, way=self._way, finding=finding, job_id=self._ctx.job_id, asked=self._asked)
        )

    async def _count(self, what: str, stamp: FileStamp) -> None:
        self.tally[what] += 1
        await self._ctx.progress(self.tally.total(), len(self._stamps), wire_path(stamp.path))


def _or(newer: int | None, seen: int) -> int:
    return seen if newer is None else newer

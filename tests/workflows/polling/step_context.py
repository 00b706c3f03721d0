"""What a step is called with in tests: real worker processes, and whatever else a test gives it."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel

from daemons.clients.errors import NotConfigured
from daemons.clock import SystemClock
from daemons.folders.paths import wire_path
from daemons.subprocess_work import Worker
from daemons.subprocess_work.pool import WorkerPool
from daemons.subprocess_work.spec import WorkerSpec
from daemons.values import Job
from daemons.workflows.polling.ladder import Outcome
from daemons.workflows.polling.records import Record

T = TypeVar("T")
NOW = datetime(2030, 1, 1, 12, tzinfo=UTC)


@dataclass
class Shelf:
    """The part of the keeper that most steps need: where files are kept."""

    folder: Path


class Context:
    """A StepContext; what was logged and which jobs were asked for can be read back."""

    def __init__(
        self,
        workers: WorkerPool,
        options: Any = None,
        *,
        clients: Mapping[type, Any] | None = None,
        keepers: Mapping[type, Any] | None = None,
        job: Callable[[str, Any], Job] | None = None,
    ) -> None:
        self.options = options
        self.lines: list[tuple[str, str]] = []
        self.jobs: list[tuple[str, Any]] = []
        self._workers = workers
        self._clients = clients or {}
        self._keepers = keepers or {}
        self._job = job

    def keeper(self, kind: type[T]) -> T:
        assert kind in self._keepers, f"no keeper {kind.__name__}"
        return self._keepers[kind]

    def client(self, kind: type[T]) -> T:
        if kind not in self._clients:
            raise NotConfigured(kind.__name__)
        return self._clients[kind]

    def borrow(self, spec: WorkerSpec) -> AbstractAsyncContextManager[Worker]:
        return self._workers.borrow(spec)

    async def job(self, type: str, args: Any) -> Job:
        assert self._job is not None
        given = args.model_dump(mode="json") if isinstance(args, BaseModel) else args
        self.jobs.append((type, given))
        return self._job(type, given)

    async def log(self, level: Any, message: object) -> None:
        self.lines.append((str(level), str(message)))


@asynccontextmanager
async def context(options: Any = None, **more: Any) -> AsyncIterator[Context]:
    """Yield a context with workers of its own."""
    async with WorkerPool(SystemClock()) as workers:
        yield Context(workers, options, **more)


def record(source: bytes | Path, status: str = "", ladder: str = "stills", **fields: Any) -> Record:
    """Return a record of a file, with these fields."""
    return Record(
        id="0197f0aa-0000-7000-8000-000000000001",
        number=1,
        ladder=ladder,
        code="ST0001",
        source=wire_path(bytes(source)),
        title="",
        status=status,
        fields=fields,
        provenance={},
        revision=1,
        fence=1,
        parent_id=None,
        is_complete=False,
        attempts=0,
        error=None,
        reasons=(),
        due_at=None,
        running_since=NOW,
        parked_at=None,
        status_at=NOW,
        created_at=NOW,
        updated_at=NOW,
    )


def after(record: Record, outcome: Outcome, step: str) -> Record:
    """Return the record as it is once `outcome` of the step of that name is stored."""
    fields = {name: value for name, value in {**record.fields, **outcome.fields}.items() if value is not None}
    provenance = {**record.provenance, **{name: {"by": step} for name in outcome.fields if name in fields}}
    return record._replace(fields=fields, provenance=provenance, status=outcome.to or record.status)

"""Whether a vision server can be worked with, found out by asking it, key by key, for the colour of a tiny picture."""

import asyncio
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any, Protocol

from daemons.clients.asking import Ask
from daemons.clients.chat_answers import Said
from daemons.clients.chat_verdicts import KeyRefused, ParameterRefused, away
from daemons.clients.errors import BadAnswer
from daemons.clients.rates import Key
from daemons.clients.tiny_picture import tiny_picture
from daemons.errors import DaemonError

SECONDS = 60.0
"""Time for one answer. A person waits for the outcome; a model that loads for longer is tested again later."""
PROBE = Ask("What colour is this?", max_tokens=16, timeout=SECONDS)
_PARAMETERS = 2
_CHOICES = 5


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong, and what to do."""

    code: str
    message: str
    remedy: str | None

    @classmethod
    def of(cls, error: DaemonError) -> "Problem":
        error = away(error) if isinstance(error, BadAnswer) else error
        return cls(error.error_code, error.message, error.remedy)


@dataclass(frozen=True, slots=True)
class KeyReport:
    """How one key did; `seconds` of its answer. Number 1 without a problem may also be the way without a key."""

    number: int
    seconds: float | None = None
    problem: Problem | None = None


@dataclass(frozen=True, slots=True)
class ServerReport:
    """What came of a test."""

    at: datetime
    url: str
    model: str
    works: bool
    """Whether at least one key got an answer from the model."""
    seconds: float | None = None
    said: str | None = None
    problem: Problem | None = None
    """What keeps it from working; what is wrong with single keys is theirs."""
    models: tuple[str, ...] = ()
    models_problem: str | None = None
    """Why its list of models is not known. Some servers have none, and describe all the same."""
    keys: tuple[KeyReport, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Return the report of the HTTP API."""
        return asdict(self)


class Server(Protocol):
    """What of a client a test needs."""

    @property
    def all_keys(self) -> Sequence[Key]: ...
    async def models(self) -> tuple[str, ...]: ...
    async def ask_once(
        self, jpeg: bytes, ask: Ask, model: str, key: Key, *, warm_up: float | None = None
    ) -> tuple[Said, float]: ...


async def examine(server: Server, report: ServerReport) -> ServerReport:
    """Return `report` with what the server does now. Never raises for anything that is wrong with the server."""
    try:
        report = replace(report, models=await server.models())
    except DaemonError as error:
        report = replace(report, models_problem=error.message)
    if not report.model:
        listed = ", ".join(report.models[:_CHOICES]) or "the one that the server has loaded"
        problem = Problem("ERR_NOT_CONFIGURED", "No model is chosen.", f"Set vision.model: {listed}.")
        return replace(report, problem=problem)
    for key in server.all_keys:
        report = await _examine_key(server, report, key)
        failed = report.keys[-1].problem
        if failed is not None and failed.code != KeyRefused.code:
            # It is not the key: the others would hear the same, perhaps after a minute each.
            break
    return replace(report, problem=None if report.works else _with_choice(report))


def _with_choice(report: ServerReport) -> Problem | None:
    """Return what keeps the first key from working; where the model is not one that is listed, with those that are."""
    first = next((one.problem for one in report.keys if one.problem), None)
    if first is None or not report.models or report.model in report.models:
        return first
    listed = ", ".join(report.models[:_CHOICES])
    return replace(first, remedy=f"{first.remedy or ''} It lists: {listed}.".strip())


async def _examine_key(server: Server, report: ServerReport, key: Key) -> ServerReport:
    try:
        said, seconds = await _ask(server, report.model, key)
    except DaemonError as error:
        return replace(report, keys=(*report.keys, KeyReport(key.number, problem=Problem.of(error))))
    keys = (*report.keys, KeyReport(key.number, seconds))
    if report.works:
        return replace(report, keys=keys)
    words = said.text or (said.failure.message if said.failure else None)
    return replace(report, keys=keys, works=True, seconds=seconds, said=words)


async def _ask(server: Server, model: str, key: Key) -> tuple[Said, float]:
    picture = await asyncio.to_thread(tiny_picture)
    for _ in range(_PARAMETERS):
        try:
            return await server.ask_once(picture, PROBE, model, key, warm_up=SECONDS)
        except ParameterRefused:
            continue
    return await server.ask_once(picture, PROBE, model, key, warm_up=SECONDS)

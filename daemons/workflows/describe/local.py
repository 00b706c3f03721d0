"""The describer that asks a model in this very process: loaded once, kept for later requests."""

import os
from concurrent.futures import Future
from dataclasses import asdict
from functools import partial
from typing import Any

from PIL import Image

from daemons.clients.asking import Answer, Ask
from daemons.worker_process import memory_in_use
from daemons.workflows.describe.alongside import Steps, begin, until_done
from daemons.workflows.describe.local_loading import Loaded, load
from daemons.workflows.describe.local_model import answer
from daemons.workflows.describe.prepare import for_a_model

LOADING_SECONDS = 3600.0
"""Gigabytes may have to come from the hub first."""
UNINTERRUPTED_SECONDS = 30.0
"""The time is looked at between two tokens; the picture itself is taken in in one piece before the first."""
NICENESS = 10
"""A model computes for days on every core: pages and the programs of whoever works here go first."""
GROWTH = 2 * 1024**3
"""How much more than after its first picture a process may use: caches grow to the largest picture, a leak further."""


class LocalDescriber:
    """A loaded model and a question that it answers about each picture."""

    _kept: tuple[tuple[str, str], Future[Loaded]] | None = None
    _first_memory: int | None = None
    _is_broken = False

    def __init__(self, loaded: Loaded, ask: Ask) -> None:
        self._loaded = loaded
        self._ask = ask

    @classmethod
    def ready(cls, request: dict[str, Any]) -> Steps["LocalDescriber"]:
        """Return the describer that `request` asks for, its model loaded. Raises ModelNotLoaded."""
        wanted = request.get("model") or "", request.get("device") or ""
        ask = Ask(**request["ask"])
        if cls._kept is None or cls._kept[0] != wanted or _has_failed(cls._kept[1]):
            os.nice(max(0, NICENESS - os.getpriority(os.PRIO_PROCESS, 0)))
            # Forgotten first: two models at once may be more than there is memory for.
            cls._kept, cls._first_memory = None, None
            cls._kept = wanted, begin(partial(load, *wanted))
        loaded = yield from until_done(cls._kept[1], LOADING_SECONDS)
        return cls(loaded, ask)

    def look(self, upright: Image.Image) -> Steps[dict[str, Any]]:
        """Return what the model says about the picture."""
        asked = begin(partial(answer, self._loaded, for_a_model(upright), self._ask))
        try:
            said: Answer = yield from until_done(asked, self._ask.timeout + UNINTERRUPTED_SECONDS)
        except RuntimeError as error:
            # After such an error a GPU answers nobody in this process any more.
            LocalDescriber._is_broken = type(error).__name__ == "AcceleratorError"
            raise
        if self._first_memory is None:
            LocalDescriber._first_memory = memory_in_use()
        return {"answer": asdict(said)}

    @property
    def is_worn_out(self) -> bool:
        """Whether a new process should go on."""
        grown = 0 if self._first_memory is None else memory_in_use() - self._first_memory
        return self._is_broken or grown > GROWTH


def _has_failed(loading: Future[Any]) -> bool:
    # What was missing then may be there now.
    return loading.done() and loading.exception() is not None

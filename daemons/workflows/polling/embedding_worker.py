"""The worker process that makes vectors by a model: `python -m daemons.workflows.polling.embedding_worker`.

    request   {"text", "model"}
    result    {"vector": base64 of 32-bit floats, little-endian}

The model stays loaded between requests. Code that comes with a model is never run.
"""

import base64
import os
from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

from daemons.errors import Permanent
from daemons.text import clean
from daemons.worker_process import Begin, Result, serve

NICENESS = 10
"""A model computes on every core: pages, and the programs of whoever works here, go first."""


class EmbedderMissing(Permanent):
    """Vectors by a model on this machine need libraries that are not installed."""

    code = "ERR_EMBEDDINGS_MISSING"
    remedy = "pip install 'daemondeck[embeddings]'"


class EmbedderUnfit(Permanent):
    """The model of vectors cannot be loaded."""

    code = "ERR_EMBEDDER_NOT_LOADED"
    remedy = "Check the name or folder of the model, and whether it may be downloaded; or choose another embedder."


class _Kept:
    name: str | None = None
    model: Any = None


def handle(request: dict[str, Any]) -> Iterator[Begin | Result]:
    """Make the vector of one text. Why no model can be loaded is why the request fails."""
    yield Begin(request["model"])
    found = _loaded(request["model"]).encode([request["text"]], convert_to_numpy=True, show_progress_bar=False)
    yield Result({"vector": base64.b64encode(found[0].astype("<f4").tobytes()).decode("ascii")})


def _loaded(name: str) -> Any:
    if _Kept.name != name:
        # Forgotten first: two models at once may be more than there is memory for.
        _Kept.name = _Kept.model = None
        _Kept.model = _load(name)
        _Kept.name = name
    return _Kept.model


def _load(name: str) -> Any:
    if find_spec("sentence_transformers") is None:
        raise EmbedderMissing
    os.nice(max(0, NICENESS - os.getpriority(os.PRIO_PROCESS, 0)))
    try:
        from sentence_transformers import SentenceTransformer

        return SentenceTransformer(name, trust_remote_code=False)
    except ImportError as error:
        raise EmbedderMissing(f"sentence-transformers cannot be imported: {clean(str(error), 300)}") from error
    except (OSError, ValueError, RuntimeError) as error:
        raise EmbedderUnfit(f"The model {clean(name, 200)} cannot be loaded: {clean(str(error), 300)}") from error


if __name__ == "__main__":
    serve(handle)

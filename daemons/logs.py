"""How the program itself logs: one line an event, JSON or for a terminal, with secrets scrubbed.

    structlog loggers ─┐
                       ├─▶ context ids ─▶ scrub and clean ─▶ JSON lines or a terminal's lines on stderr
    stdlib loggers ────┘   (uvicorn, sqlalchemy, alembic, warnings)

What daemons and jobs log is kept by `journal`, not here.
"""

import logging
import re
import sys
import urllib.parse
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from typing import Any, Literal, TextIO

import structlog
from structlog.contextvars import bound_contextvars, merge_contextvars
from structlog.stdlib import ProcessorFormatter
from structlog.typing import EventDict, Processor, WrappedLogger

from daemons.settings import MASK, SECRET_NAME
from daemons.text import clean

SHORTEST_SECRET = 4
"""A known secret shorter than this is left alone: masking every "a" would hide the log, not the secret."""
TEXT_CHARACTERS = 16_384
_NESTING = 6
_QUIET = (
    "uvicorn",
    "asyncio",
    "sqlalchemy",
    "alembic",
    "httpx2",
    "httpcore2",
    "websockets",
    "PIL",
    "apprise",
    "urllib3",
    "watchfiles",
)

_SHAPES = (
    (re.compile(r"(?i)\b(bearer|basic)(\s+)[A-Za-z0-9._~+/=-]{4,}"), rf"\1\2{MASK}"),
    (
        re.compile(
            r"(?i)\b([\w-]{0,40}(?:pass(?:word|wd|phrase)|api[-_]?key|token|secret)[\"']?\s{0,4}[=:]\s{0,4}[\"']?)"
            r"(?!(?:bearer|basic)\s)[^\s\"'&,;)}\]]+"
        ),
        rf"\1{MASK}",
    ),
    (re.compile(r"(?i)(signin\?code=)[\w-]+"), rf"\1{MASK}"),
    (re.compile(r"(://[^\s/@:]{0,200}:)[^\s/@]+@"), rf"\1{MASK}@"),
    (re.compile(r"\bdd_[A-Za-z0-9_-]{16,}"), MASK),
)


class Scrubber:
    """Masks the secrets it was told of, and whatever is shaped like one."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        known = {form for secret in secrets if len(secret) >= SHORTEST_SECRET for form in _forms(secret)}
        # Longest first: a secret may begin with another one.
        patterns = map(re.escape, sorted(known, key=len, reverse=True))
        self._known = re.compile("|".join(patterns)) if known else None

    def text(self, text: str) -> str:
        """Return `text` with every secret masked."""
        if self._known:
            text = self._known.sub(MASK, text)
        for shape, masked in _SHAPES:
            text = shape.sub(masked, text)
        return text

    def value(self, value: object, depth: int = _NESTING) -> Any:
        """Return `value` as JSON could hold it, every secret in it masked."""
        if value is None or isinstance(value, bool | int | float):
            return value
        if isinstance(value, Mapping) and depth:
            return {self._key(key): self._named(str(key), item, depth - 1) for key, item in value.items()}
        if isinstance(value, list | tuple | set | frozenset) and depth:
            return [self.value(item, depth - 1) for item in value]
        text = value if isinstance(value, str) else str(value)
        return self.text(text[:TEXT_CHARACTERS])

    def _key(self, key: object) -> str:
        return clean(self.text(str(key)), 200)

    def _named(self, name: str, value: object, depth: int) -> object:
        return MASK if value and SECRET_NAME.search(name) else self.value(value, depth)

    def __call__(self, logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
        """Scrub a whole log event; a structlog processor."""
        return {name: self._named(name, value, _NESTING) for name, value in event.items()}


def set_up_logs(
    log_format: Literal["auto", "json", "console"] = "auto",
    level: str = "info",
    secrets: Iterable[str] = (),
    stream: TextIO | None = None,
) -> None:
    """Send everything this process logs to `stream` (stderr). May be called again; the last call counts."""
    stream = stream or sys.stderr
    shared: list[Processor] = [
        merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
        Scrubber(secrets),
    ]
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *shared, ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[ProcessorFormatter.remove_processors_meta, *_renderers(log_format, stream)],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    set_level(level)


def set_level(level: str) -> None:
    """Log `level` and above from now on."""
    logging.getLogger().setLevel(level.upper())
    _route_libraries(logging.getLogger().level)


def about(**ids: str) -> AbstractContextManager[None]:
    """Put `ids` (daemon=…, job=…) on every line logged inside, also by libraries."""
    return bound_contextvars(**ids)


def _renderers(log_format: str, stream: TextIO) -> list[Processor]:
    if log_format == "console" or (log_format == "auto" and stream.isatty()):
        return [_encode_for_terminal, structlog.dev.ConsoleRenderer(colors=stream.isatty(), timestamp_key="at")]
    # Written as ASCII, so that no character of a message can disturb what reads the lines.
    return [structlog.processors.EventRenamer("message"), structlog.processors.JSONRenderer(sort_keys=False)]


def _encode_for_terminal(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    for name, value in event.items():
        if name == "exception":
            # A traceback keeps its lines, but indented: no text in it can pose as a line of the log.
            lines = (clean(line, TEXT_CHARACTERS) for line in str(value).splitlines())
            event[name] = "\n".join("    " + line for line in lines)
        elif isinstance(value, str):
            event[name] = clean(value, TEXT_CHARACTERS)
    return event


def _route_libraries(level: int) -> None:
    logging.captureWarnings(True)
    for name in _QUIET:
        logging.getLogger(name).setLevel(max(level, logging.WARNING))
    for logger in map(logging.getLogger, (*_QUIET, "uvicorn.error", "uvicorn.access", "alembic.runtime.migration")):
        logger.handlers.clear()
        logger.propagate = True


def _forms(secret: str) -> set[str]:
    """A secret also shows up as part of an address, or escaped in a repr."""
    return {secret, urllib.parse.quote(secret, safe=""), urllib.parse.quote_plus(secret), repr(secret)[1:-1]}

"""The options that every command understands, before or after its name."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, cast
from urllib.parse import urlsplit

import typer

from daemons.cli.deck import Deck

# The settings take longer to import than all else together: a command imports them once it needs them.
if TYPE_CHECKING:
    from daemons.settings import Settings

_WITH_VALUE = frozenset({"--server", "--token", "-o", "--output", "--timeout", "--config", "--data-dir"})
_WITHOUT_VALUE = frozenset({"-q", "--quiet", "-v", "--verbose", "--no-color", "--utc", "-y", "--yes"})


class Output(StrEnum):
    """How results are written."""

    TABLE = "table"
    WIDE = "wide"
    JSON = "json"
    JSONL = "jsonl"
    YAML = "yaml"
    NAME = "name"


@dataclass(frozen=True)
class Options:
    """What was said about the deck to talk to and the way to answer."""

    server: str | None
    token: str | None
    output: Output
    quiet: bool
    no_color: bool
    timeout: float | None
    config: Path | None
    data_dir: Path | None
    verbose: bool = False
    yes: bool = False

    @property
    def is_table(self) -> bool:
        """Whether a person reads the results."""
        return self.output in (Output.TABLE, Output.WIDE)

    @cached_property
    def settings(self) -> "Settings":
        """The settings as `serve` would see them."""
        from daemons.settings import load_settings

        return load_settings({"data_dir": self.data_dir}, config=self.config)

    @contextmanager
    def deck(self) -> Iterator[Deck]:
        """Open the running deck: the one asked for, else the one of the data directory."""
        from daemons.cli.address import Address
        from daemons.settings import is_loopback

        address = None if self.server else Address.read(self.settings.data_dir)
        if address and not address.is_alive:
            address = None
        url = self.server or (address.url if address else _configured_url(self.settings))
        is_ours = address is not None or (self.server is not None and is_loopback(urlsplit(url).hostname or ""))
        tell = self._tell if self.verbose else None
        with Deck(url, self._token(is_ours=is_ours), timeout=self.timeout, tell=tell) as deck:
            yield deck

    def running_deck(self) -> bool:
        """Whether a deck is named, or runs on the data of this machine: not just any that answers on our port."""
        from daemons.cli.address import Address

        address = Address.read(self.settings.data_dir)
        return self.server is not None or (address is not None and address.is_alive)

    @staticmethod
    def _tell(text: str) -> None:
        typer.echo(text, err=True)

    @property
    def is_running_here(self) -> bool:
        """Whether a deck of this machine runs on the data, which then only it may write."""
        from daemons.schema import sqlite_path
        from daemons.schema.data_lock import holder

        path = sqlite_path(self.settings.database_url)
        return path is not None and holder(path) is not None

    def _token(self, *, is_ours: bool) -> str | None:
        if self.token:
            return self.token
        if self.settings.token:
            return self.settings.token.get_secret_value()
        if not is_ours:
            # The file's token opens this machine's deck; whoever else answers has no business seeing it.
            return None
        try:
            return (self.settings.data_dir / "token").read_text("utf-8").strip() or None
        except OSError:
            return None


def options_of(context: typer.Context) -> Options:
    """Return the options that stand for this command line."""
    return cast(Options, context.obj)


def hoist(arguments: Sequence[str]) -> list[str]:
    """Move the options of every command to the front, so that they may stand anywhere before `--`."""
    front: list[str] = []
    rest: list[str] = []
    waiting = list(arguments)
    while waiting:
        argument = waiting.pop(0)
        if argument == "--":
            return [*front, *rest, argument, *waiting]
        if argument in _WITH_VALUE:
            front += [argument, *waiting[:1]]
            del waiting[:1]
        elif argument in _WITHOUT_VALUE or argument.split("=")[0] in _WITH_VALUE:
            front.append(argument)
        else:
            rest.append(argument)
    return [*front, *rest]


def _configured_url(settings: "Settings") -> str:
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return f"http://{host}:{settings.port}{settings.base_path}"

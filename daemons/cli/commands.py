"""All commands by name. Each is imported when it is asked for: who serves need not load what prints tables."""

from collections import UserDict
from dataclasses import dataclass
from importlib import import_module
from typing import Any, cast

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_group

from daemons.cli.usage import show_switches, show_switches_of

LOOK, SWITCH, KEEP = "Look", "Switch", "Keep"
"""The headings under which commands are listed."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a command is made: a module of this folder, and its function, or the app of several commands."""

    module: str
    name: str
    heading: str | None = None

    def make(self, word: str) -> TyperCommand | TyperGroup:
        """Import the command and return it as `word`."""
        found = getattr(import_module(f"daemons.cli.{self.module}"), self.name)
        home = typer.Typer()
        if isinstance(found, typer.Typer):
            home.add_typer(found, name=word, rich_help_panel=self.heading)
        else:
            home.command(word, rich_help_panel=self.heading)(found)
        made = cast(TyperCommand | TyperGroup, get_group(home).commands[word])
        show_switches_of(made)
        return made


PLACES = {
    "serve": Place("serve", "serve"),
    "autolog": Place("autolog", "autolog"),
    "status": Place("daemons", "status", LOOK),
    "top": Place("top", "top", LOOK),
    "ps": Place("processes", "list_processes", LOOK),
    "progress": Place("progress", "show_progress", LOOK),
    "stats": Place("stats", "show_statistics", LOOK),
    "logs": Place("logs", "logs", LOOK),
    "events": Place("events", "events", LOOK),
    "activity": Place("activity", "activity", LOOK),
    "history": Place("looking", "history", LOOK),
    "stack": Place("looking", "stack", LOOK),
    "errors": Place("reported", "errors", LOOK),
    "failures": Place("failures", "failures", LOOK),
    "is-active": Place("looking", "is_active", LOOK),
    "is-failed": Place("looking", "is_failed", LOOK),
    "wait": Place("waiting", "wait", LOOK),
    "types": Place("instances", "types", LOOK),
    "start": Place("daemons", "start", SWITCH),
    "stop": Place("daemons", "stop", SWITCH),
    "kill": Place("daemons", "kill", SWITCH),
    "restart": Place("daemons", "restart", SWITCH),
    "run": Place("running", "run_now", SWITCH),
    "pause": Place("daemons", "pause", SWITCH),
    "resume": Place("daemons", "resume", SWITCH),
    "wake": Place("daemons", "wake", SWITCH),
    "reset": Place("daemons", "reset", SWITCH),
    "enable": Place("instances", "enable", SWITCH),
    "disable": Place("instances", "disable", SWITCH),
    "doctor": Place("doctor", "doctor", LOOK),
    "audit": Place("upkeep", "audit", LOOK),
    "diag": Place("upkeep", "diag", KEEP),
    "log-level": Place("upkeep", "log_level", KEEP),
    "describe": Place("describe", "app"),
    "jobs": Place("new_job", "app", LOOK),
    "inbox": Place("inbox", "app", LOOK),
    "descriptions": Place("descriptions", "app", LOOK),
    "records": Place("records_import", "app", LOOK),
    "vision": Place("vision", "app", LOOK),
    "filemaker": Place("filemaker", "app", LOOK),
    "schedule": Place("schedules", "app", KEEP),
    "notify": Place("notifications", "app", KEEP),
    "daemon": Place("instances", "app", KEEP),
    "config": Place("configuration", "app", KEEP),
    "db": Place("storage", "app", KEEP),
    "token": Place("tokens", "app", KEEP),
    "user": Place("users", "app", KEEP),
}
"""In the order in which help and completion name them."""


class _Commands(UserDict[str, Any]):
    """Places until they are asked for, commands from then on."""

    def __getitem__(self, word: str) -> TyperCommand | TyperGroup:
        found = self.data[word]
        if isinstance(found, Place):
            found = self.data[word] = found.make(word)
        return cast(TyperCommand | TyperGroup, found)


class AllCommands(TyperGroup):
    """The group of all commands, which imports none before it is asked for it."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands = _Commands(PLACES)

    def get_params(self, ctx: Any) -> list[Any]:
        parameters: list[Any] = super().get_params(ctx)
        # Not when it is made: the options of completion are added after that.
        show_switches(parameters)
        return parameters

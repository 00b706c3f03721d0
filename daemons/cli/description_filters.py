"""The options that say which descriptions are meant: the same for every command that takes a choice."""

import functools
import inspect
from collections.abc import Callable
from typing import Annotated, Any

import typer

OPTIONS: dict[str, tuple[Any, Any]] = {
    "state": (str | None, typer.Option(help="done, failed, or both between commas.")),
    "folder": (str | None, typer.Option(help="Only in this folder and below.")),
    "describer": (str | None, typer.Option(help="Of these describers, between commas.")),
    "model": (str | None, typer.Option(help="Of this model.")),
    "taken_after": (str | None, typer.Option(help="Taken on this day or later, as 2026-01-31.")),
    "taken_before": (str | None, typer.Option(help="Taken before this day.")),
    "colour": (str | None, typer.Option(help="Mostly of these colours, between commas, such as teal.")),
    "code": (str | None, typer.Option(help="Failed with these codes, between commas.")),
    "finish": (str | None, typer.Option(help="How the model's answer ended: stop or length.")),
    "gone": (str | None, typer.Option(help="Files that are not there any more: no, yes (alone) or all.")),
    "edited": (bool | None, typer.Option("--edited/--not-edited", help="Whether a person wrote the words.")),
    "q": (str | None, typer.Option("--search", help='Words, each as its beginning; "side by side", -not.')),
}


def choosing(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command these options; it gets those that were given as `chosen`, named as the API does."""
    own = inspect.signature(command, eval_str=True)

    @functools.wraps(command)
    def with_choice(**given: Any) -> None:
        chosen = {name: value for name in OPTIONS if (value := given.pop(name)) is not None}
        command(**given, chosen=chosen)

    ours = [parameter for name, parameter in own.parameters.items() if name != "chosen"]
    theirs = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[kind, option])
        for name, (kind, option) in OPTIONS.items()
    ]
    with_choice.__dict__.pop("__wrapped__")
    with_choice.__dict__["__signature__"] = own.replace(parameters=[*ours, *theirs])
    with_choice.__annotations__ = {parameter.name: parameter.annotation for parameter in [*ours, *theirs]}
    return with_choice

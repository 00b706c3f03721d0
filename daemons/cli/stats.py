"""`daemondeck stats`: how work went over a time, from the running deck or from the data alone."""

from collections.abc import Iterator
from typing import Annotated, Any

import typer

from daemons.cli import item_lines
from daemons.cli.names import complete_daemons
from daemons.cli.options import options_of
from daemons.cli.printing import age, one_line, say, show_one, stamp
from daemons.cli.records import records
from daemons.cli.times import earlier, length

TOTAL = "found"
"""A figure that is told as what the things are counted against."""
Answer = dict[str, Any]


def show_statistics(
    context: typer.Context,
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="Default: all.", autocompletion=complete_daemons)
    ] = None,
    since: Annotated[str, typer.Option(help="How far back: 24h, 7d, or a time.")] = "7d",
) -> None:
    """Show how work went: success rate, how long jobs took, error codes, and what daemons measured.

    Without a running deck the data tells it.

    Example: daemondeck stats describe_images --since 24h
    """
    options = options_of(context)
    begin = earlier(since)
    with records(options) as source:
        answer = source.statistics(name, begin.isoformat())
    if options.is_table:
        for line in _report(name, answer):
            say(one_line(line))
    else:
        show_one(options, {"name": name, **answer}, {})


def _report(name: str | None, answer: Answer) -> Iterator[str]:
    jobs = answer["jobs"]
    yield f"{name or 'All daemons'} since {stamp(answer['since'], 'minutes')}"
    rate = "-" if answer["success_rate"] is None else f"{answer['success_rate']:.1%}"
    yield f"  Jobs      {jobs['completed']:,} completed, {jobs['failed']:,} failed, {jobs['cancelled']:,} cancelled"
    yield f"  Success   {rate}"
    yield from _durations(answer["durations"])
    items = answer["items"]
    if items:
        yield from (f"  {heading:<9} {words}" for heading, words in item_lines.report(items))
        if told := item_lines.failing(items):
            yield f"  Look      {told}: `daemondeck failures {name}` lists them."
        yield from _section("Codes", [_item_code(code, items["noun"]) for code in items["codes"]])
        yield from _section("Failed lately", [_recent_item(one) for one in items["recent"]])
    yield from _section("Errors", [_code(code) for code in answer["codes"]])
    yield from _section("Measured", [_figure(one) for one in answer["figures"] if not items or one["name"] != TOTAL])
    yield from _section("Reported lately", [_recent(error) for error in answer["recent"]])


def _durations(found: Answer | None) -> Iterator[str]:
    if found is None:
        return
    words = ("mean", "median", "p95")
    yield "  A job     " + ", ".join(f"{word} {length(found[word])}" for word in words)
    yield f"  Range     {length(found['shortest'])} to {length(found['longest'])}, of {found['jobs']:,} jobs"


def _section(heading: str, lines: list[str]) -> Iterator[str]:
    if lines:
        yield f"  {heading}"
        yield from (f"    {line}" for line in lines)


def _code(found: Answer) -> str:
    return f"{found['code']}: {found['jobs']:,}, the last {age(found['last_at'])} ago"


def _item_code(found: Answer, noun: str) -> str:
    return f"{found['code']}: {found['items']:,} {noun}, the last {age(found['last_at'])} ago"


def _recent_item(found: Answer) -> str:
    return f"{found['name']}: {found['code']}: {found['message']} ({age(found['at'])} ago)"


def _figure(found: Answer) -> str:
    unit = f" ({found['unit']})" if found["unit"] and found["unit"] != found["name"] else ""
    least, mean, most, last = (f"{found[word]:,.4g}" for word in ("least", "mean", "most", "last"))
    # Shares do not add up to anything.
    whole = "" if found["unit"] == "%" else f", in all {found['total']:,.10g}"
    return f"{found['name']}{unit}: mean {mean}, {least} to {most}, last {last}{whole}"


def _recent(found: Answer) -> str:
    times = f", {found['count']:,} times" if found["count"] > 1 else ""
    return f"{found['code']}: {found['message']} ({age(found['last_at'])} ago{times})"

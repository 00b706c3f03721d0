"""The single things a daemon works on, in lines for people: how far, how fast, what failed, what a model said."""

from collections.abc import Iterator
from typing import Any

from daemons.cli.printing import age
from daemons.cli.times import length

Items = dict[str, Any]
FAILING = 0.05
"""More failures than this part want a look: with fewer there are always some damaged files."""
CUT = 0.05
"""The same of answers that were cut off."""
CODES_SHOWN = 5


def counted(items: Items) -> str:
    """Return how many there are, are done, failed and are left."""
    settled, total = items["done"] + items["failed"], items["total"]
    told = f"{items['done']:,} done, {items['failed']:,} failed"
    if not total:
        return told
    return f"{told} of {total:,} ({percent(settled / total)}), {max(0, total - settled):,} left"


def rates(items: Items) -> str | None:
    """Return how many an hour, or a minute, None before anything is known."""
    if not items["settled"]:
        return None
    overall = "" if items["rate"] is None else f", {rate(items['rate'])} overall"
    return f"{rate(items['rate_last_hour'])} in the last hour{overall}"


def rate(per_hour: float) -> str:
    """Return how fast, by the minute where an hour's number would be too large to picture."""
    return f"{per_hour / 60:,.0f} a minute" if per_hour >= 6_000 else f"{rounded(per_hour)} an hour"


def rounded(value: float) -> str:
    """Return a number with three digits, or whole."""
    return f"{value:,.0f}" if value >= 100 else f"{value:,.3g}"


def failing(items: Items) -> str | None:
    """Return that so many fail that somebody should look, None while that is not so."""
    settled = items["done"] + items["failed"]
    if not settled or items["failed"] <= FAILING * settled:
        return None
    return f"{items['failed'] / settled:.1%} of its {items['noun']} fail"


def codes(items: Items) -> str | None:
    """Return how many failed with which code."""
    found = items["codes"]
    if not found:
        return None
    shown = ", ".join(f"{one['code']} {one['items']:,}" for one in found[:CODES_SHOWN])
    more = sum(one["items"] for one in found[CODES_SHOWN:])
    return f"{items['failed']:,}: {shown}" + (f", others {more:,}" if more else "")


def answers(items: Items) -> Iterator[tuple[str, str]]:
    """Yield what a model said, as headings and words."""
    said = items["answers"]
    if said is None:
        return
    speed = "" if said["tokens_per_second"] is None else f"{said['tokens_per_second']:,.3g} a second, "
    yield "Tokens", f"{speed}{said['output_tokens']:,} written, {said['prompt_tokens']:,} read"
    hint = ": a higher max_tokens lets them end" if said["cut"] > CUT * said["answers"] else ""
    share = said["cut"] / said["answers"]
    yield "Cut off", f"{said['cut']:,} of {said['answers']:,} answers ({share:.1%}) at max_tokens{hint}"


def report(items: Items) -> Iterator[tuple[str, str]]:
    """Yield everything as headings and words."""
    yield items["noun"].capitalize(), counted(items)
    if items["success_rate"] is not None:
        yield "Went well", f"{items['success_rate']:.1%}"
    if took := items["seconds"]:
        yield "Each took", ", ".join(f"{word} {length(took[word])}" for word in ("mean", "median", "p95"))
        yield "Range", f"{length(took['shortest'])} to {length(took['longest'])}, of {took['items']:,} {items['noun']}"
    if told := rates(items):
        yield "Rate", told
    yield from answers(items)
    if last := items["last"]:
        yield "Last", f"{last['name']} ({age(last['at'])} ago)"


def percent(fraction: float) -> str:
    """Return a share, never 100 % before it is all."""
    return "100%" if fraction >= 1 else f"{min(fraction * 100, 99.9):.1f}%"

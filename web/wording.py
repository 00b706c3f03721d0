"""How values are written for people: numbers, durations, ids, JSON."""

import json
import math
import re
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from markupsafe import Markup, escape

from daemons.values import Ends, JsonValue
from web.words import N_, _

_JSON_CHARACTERS = 20_000
_JSON_CUT = N_("… cut here: the whole value is in the API")
_BRIEF_PARTS = 4
_BRIEF_CHARACTERS = 160
_UNITS = (("d", 86_400), ("h", 3600), ("min", 60), ("s", 1))
_WEEKDAYS = (N_("Mon"), N_("Tue"), N_("Wed"), N_("Thu"), N_("Fri"), N_("Sat"), N_("Sun"))
_ABBREVIATIONS = {word.lower(): word for word in ("API", "CPU", "HTTP", "ID", "IPTC", "ISO", "URL", "XMP")}
_UUID = re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b")

_SPANS = ((86_400.0, "d"), (3_600.0, "h"), (60.0, "min"))
NARROW = "\N{NARROW NO-BREAK SPACE}"


def number(value: float) -> str:
    """Write a number with narrow spaces between thousands: 31 841."""
    text = f"{value:,.0f}" if value == int(value) else f"{value:,.1f}"
    return text.replace(",", "\u202f")


def breakable(name: str) -> Markup:
    """Let a long name break where its parts meet: lighthouse_ 05 .jpg, not within the ending."""
    return Markup("<wbr>").join(re.split(r"(?<=[_/-])(?=\w)|(?<=\w)(?=\.\w)", name))


def in_words(name: str) -> str:
    """Write the name of a field as people write it: `source_url` as Source URL."""
    words = " ".join(_ABBREVIATIONS.get(word, word) for word in name.split("_")).strip() or name
    return words[:1].upper() + words[1:]


def duration(length: timedelta) -> str:
    """Write a duration in its two largest units: 2 h 4 min, 3.2 s, 40 ms."""
    seconds = max(0.0, length.total_seconds())
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 10:
        return f"{seconds:.1f} s"
    left, parts = round(seconds), []
    for unit, size in _UNITS:
        count, left = divmod(left, size)
        parts.append(f"{count} {unit}" if count else "")
    first = next(place for place, part in enumerate(parts) if part)
    return " ".join(part for part in parts[first : first + 2] if part)


def span(least: timedelta, most: timedelta) -> str:
    """Write a range of time in one unit: "9–20 h", "3 min"."""
    low, high = max(0.0, least.total_seconds()), max(0.0, most.total_seconds())
    size, unit = next(((size, unit) for size, unit in _SPANS if high >= 2 * size), (1.0, "s"))
    ends = sorted({math.floor(low / size), max(1, math.ceil(high / size))})
    return f"{'–'.join(f'{end:,}'.replace(',', NARROW) for end in ends)} {unit}"


def pace(ends: Ends | None, now: datetime) -> str:
    """Write how fast work goes and when it will end: "380/h · 9–20 h left"."""
    if ends is None:
        return ""
    rate = f"{number(round(ends.rate_per_hour) if ends.rate_per_hour >= 10 else round(ends.rate_per_hour, 1))}/h"
    if ends.ends_earliest is None or ends.ends_latest is None:
        return rate
    left = span(ends.ends_earliest - now, ends.ends_latest - now)
    return f"{rate} · {_('%(time)s left') % {'time': left}}"


def sparkline(values: Sequence[int], width: int = 120, height: int = 28) -> str:
    """Return the points of a line through `values` for an SVG polyline of that size."""
    highest = max([*values, 1])
    step = width / max(1, len(values) - 1)
    return " ".join(
        f"{place * step:.1f},{height - 1 - value / highest * (height - 3):.1f}" for place, value in enumerate(values)
    )


def in_zone(moment: datetime, zone: str) -> str:
    """Write a time as clocks in `zone` show it, with its offset: a day on which the clock changes shows."""
    there = moment.astimezone(ZoneInfo(zone))
    return f"{_(_WEEKDAYS[there.weekday()])} {there:%Y-%m-%d %H:%M} {there:%Z} ({zone})"


def size(count: float) -> str:
    """Write a number of bytes in its largest unit: 31.8 GB, 640 kB, 0 B."""
    units = ("B", "kB", "MB", "GB", "TB", "PB")
    place = 0
    while count >= 999.5 and place < len(units) - 1:
        count /= 1000
        place += 1
    return f"{count:.{1 if place > 1 and count < 99.5 else 0}f} {units[place]}"


def short(identity: object) -> str:
    """Write the part of an id that a person compares."""
    return str(identity)[:8]


def plain(value: JsonValue) -> str:
    """Write an option's value: text as it is, nothing as a dash, the rest as JSON on one line."""
    if value is None or value == "":
        return "—"
    if isinstance(value, str):
        return value
    if isinstance(value, float) and value.is_integer():
        return f"{value:.0f}"
    return json.dumps(value, ensure_ascii=False, default=str)


def brief(result: JsonValue) -> str:
    """Write a result in a few words, nothing when it does not fit into some: described 8 · failed 1."""
    if isinstance(result, dict):
        scalars = {name: value for name, value in result.items() if isinstance(value, str | int | float)}
        words = [f"{name.replace('_', ' ')} {plain(value)}" for name, value in scalars.items()]
        text = " · ".join(words[:_BRIEF_PARTS])
    else:
        text = plain(result) if isinstance(result, str | int | float) else ""
    return text if len(text) <= _BRIEF_CHARACTERS else text[:_BRIEF_CHARACTERS] + "…"


def pretty_json(value: JsonValue) -> str:
    """Write a JSON value on indented lines, cut where a page stops being readable."""
    text = json.dumps(value, indent=2, ensure_ascii=False, default=str)
    return text if len(text) <= _JSON_CHARACTERS else text[:_JSON_CHARACTERS] + "\n" + _(_JSON_CUT)


def linked(text: str, url: Callable[[str], str]) -> Markup:
    """Write a sentence of the engine's about jobs with each id as the way to that job."""
    link = Markup('<a class="code" href="{}">{}</a>')
    pieces, end = [], 0
    for found in _UUID.finditer(text):
        pieces += [escape(text[end : found.start()]), link.format(url(f"/jobs/{found[0]}"), short(found[0]))]
        end = found.end()
    return Markup("").join([*pieces, escape(text[end:])])

"""Dates as cameras, scanners and archives write them: as much as makes sense, nothing made up."""

import re
from datetime import date, datetime

YEARS = range(1000, 2101)
"""An archive has reproductions of what is older than photography."""

_DATE = re.compile(
    r"(?P<year>\d{4})(?:[-:/.]?(?P<month>\d{2})(?:[-:/.]?(?P<day>\d{2}))?)?"
    r"(?:[T ]+(?P<hour>\d{2}):?(?P<minute>\d{2})(?::?(?P<second>\d{2})(?:[.,]\d+)?)? ?(?P<zone>Z|[+-]\d{2}:?\d{2})?)?",
    re.ASCII,
)


def iso_date(text: str) -> str | None:
    """Return a date as ISO text: a year, a month, a day, or a moment, with an offset only if it was there."""
    found = _DATE.fullmatch(text.strip())
    if found is None or int(found["year"]) not in YEARS:
        return None
    year, month, day = found["year"], found["month"], found["day"]
    if month in (None, "00"):
        return year
    if day in (None, "00"):
        return f"{year}-{month}" if 1 <= int(month) <= 12 else year
    try:
        on = date(int(year), int(month), int(day)).isoformat()
    except ValueError:
        return year
    if found["hour"] is None:
        return on
    clock = f"{found['hour']}:{found['minute']}:{found['second'] or '00'}"
    zone = (found["zone"] or "").replace("Z", "+00:00")
    try:
        return datetime.fromisoformat(f"{on}T{clock}{zone}").isoformat()
    except ValueError:
        return on

"""Times as people type them: `20m` for how long, `07:00` for when."""

import re
from datetime import datetime, timedelta

import typer

_UNITS = {"s": "seconds", "m": "minutes", "min": "minutes", "h": "hours", "d": "days"}


def duration(text: str) -> timedelta:
    """Read 90, 90s, 20m, 2h, 1h30m or 30d. Raises BadParameter."""
    text = text.strip().lower()
    parts = re.findall(r"(\d+(?:\.\d+)?)(min|[smhd])", text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        if not re.fullmatch(r"\d+(?:\.\d+)?", text):
            raise typer.BadParameter(f"{text} is not a duration; write 90s, 20m, 2h or 30d.")
        parts = [(text, "s")]
    try:
        whole = sum((timedelta(**{_UNITS[unit]: float(number)}) for number, unit in parts), timedelta())
    except OverflowError:
        raise typer.BadParameter(f"{text} is too long.") from None
    if not whole:
        raise typer.BadParameter("A duration is longer than nothing.")
    return whole


def moment(text: str, now: datetime) -> datetime:
    """Read an ISO time, or 07:00 for the next time it is seven, in this machine's zone. Raises BadParameter."""
    here = now.astimezone()
    if re.fullmatch(r"\d{1,2}:\d{2}", text):
        hour, minute = map(int, text.split(":"))
        if hour > 23 or minute > 59:
            raise typer.BadParameter(f"There is no time {text}.")
        wall = here.replace(tzinfo=None, hour=hour, minute=minute, second=0, microsecond=0)
        # Through the wall clock, so that the day of a clock change has its own offset.
        today = wall.astimezone()
        return today if today > now else (wall + timedelta(days=1)).astimezone()
    try:
        return datetime.fromisoformat(text).astimezone()
    except (ValueError, OverflowError):
        raise typer.BadParameter(f"{text} is not a time; write 07:00 or 2026-01-31T07:00.") from None

"""Times as people type and read them: `20m` for how long, `07:00` for when, in whose zone."""

import re
from contextvars import ContextVar
from datetime import datetime, timedelta, tzinfo

import typer

from daemons.clock import SystemClock

_UNITS = {"s": "seconds", "m": "minutes", "min": "minutes", "h": "hours", "d": "days"}


ZONE: ContextVar[tzinfo | None] = ContextVar("ZONE", default=None)
"""The zone in which times are read and written; None is this machine's, with its changes of the clock."""


def here(moment: datetime) -> datetime:
    """Return `moment` in the zone that was asked for."""
    return moment.astimezone(ZONE.get())


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
    """Read an ISO time, or 07:00 for the next time it is seven, in the zone that was asked for. Raises BadParameter."""
    if re.fullmatch(r"\d{1,2}:\d{2}", text):
        hour, minute = map(int, text.split(":"))
        if hour > 23 or minute > 59:
            raise typer.BadParameter(f"There is no time {text}.")
        wall = here(now).replace(tzinfo=None, hour=hour, minute=minute, second=0, microsecond=0)
        # Through the wall clock, so that the day of a clock change has its own offset.
        today = _of_wall(wall)
        return today if today > now else _of_wall(wall + timedelta(days=1))
    try:
        given = datetime.fromisoformat(text)
        return here(given) if given.tzinfo else _of_wall(given)
    except (ValueError, OverflowError):
        raise typer.BadParameter(f"{text} is not a time; write 07:00 or 2026-01-31T07:00.") from None


def earlier(text: str) -> datetime:
    """Read how long ago (1h, 7d), an ISO time, or 07:00 for the last time it was seven. Raises BadParameter."""
    now = SystemClock().now()
    try:
        return now - duration(text)
    except OverflowError:
        raise typer.BadParameter(f"{text} is too long ago.") from None
    except typer.BadParameter:
        found = moment(text, now)
        return found if found <= now else _of_wall(here(found).replace(tzinfo=None) - timedelta(days=1))


def length(seconds: float) -> str:
    """Return how long something took: 0.25 s, 3 min 05 s, 2 h 04 min."""
    if seconds < 100:
        return f"{seconds:.2f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {rest:02} s"


def _of_wall(wall: datetime) -> datetime:
    zone = ZONE.get()
    return wall.astimezone() if zone is None else wall.replace(tzinfo=zone)

"""When a schedule is due: by a cron expression in a zone, or every so often. Pure; daylight saving as Debian's cron."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from enum import StrEnum
from itertools import islice, takewhile
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

from daemons.errors import Invalid

SHORTEST = timedelta(seconds=10)
LONGEST = timedelta(days=366)
_LENGTH = re.compile(
    r"(?:(?P<days>[0-9]{1,3})d)?(?:(?P<hours>[0-9]{1,4})h)?(?:(?P<minutes>[0-9]{1,5})m)?(?:(?P<seconds>[0-9]{1,6})s)?"
)
_TIME_OF_DAY = re.compile(r"(?:[01][0-9]|2[0-3]):[0-5][0-9]")


class Kind(StrEnum):
    """How a schedule says when."""

    CRON = "cron"  #: five fields: minute hour day month weekday
    INTERVAL = "interval"  #: 90s, 15m, 2h, 1h30m or 1d, counted from when the schedule was made


@dataclass(frozen=True, slots=True)
class Timetable:
    """The moments at which something is due, in order."""

    kind: Kind
    expression: str
    zone: str
    anchor: datetime
    """Intervals are counted from here, so that they do not drift."""

    def check(self) -> None:
        """Raise Invalid naming what is wrong with the zone or the expression, or that it is never due."""
        zone_of(self.zone)
        if self.kind is Kind.INTERVAL:
            interval_of(self.expression)
            return
        try:
            is_ever_due = next(CronSim(self.expression, self.anchor.astimezone(zone_of(self.zone))), None) is not None
        except CronSimError as error:
            raise _bad_cron(self.expression, str(error)) from None
        if not is_ever_due:
            raise _bad_cron(self.expression, "it is never due")

    def after(self, moment: datetime) -> Iterator[datetime]:
        """Yield the moments after `moment`, in UTC, for ever."""
        if self.kind is Kind.INTERVAL:
            length = interval_of(self.expression)
            # Also before the anchor: it is of a clock that may have gone back since.
            due = self.anchor + length * ((moment - self.anchor) // length + 1)
            while True:
                yield due.astimezone(UTC)
                due += length
        for due in CronSim(self.expression, moment.astimezone(zone_of(self.zone))):
            # In an hour that comes twice the first of both is meant, which may be over.
            if (at := due.astimezone(UTC)) > moment:
                yield at

    def newest(self, first: datetime, until: datetime, count: int) -> list[datetime]:
        """Return the moments from `first`, which is one, until `until`: the newest `count` at least, or all."""
        span = timedelta(hours=1)
        while until - span > first:
            found = list(takewhile(lambda at: at <= until, self.after(until - span)))
            if len(found) >= count:
                return found
            span *= 4
        return [first, *takewhile(lambda at: at <= until, self.after(first))]

    def next(self, moment: datetime, count: int = 1) -> list[datetime]:
        """Return the next `count` moments after `moment`."""
        return list(islice(self.after(moment), count))

    def in_words(self) -> str:
        """Say in English when it is due."""
        if self.kind is Kind.INTERVAL:
            return f"Every {self.expression}"
        words: str = CronSim(self.expression, self.anchor.astimezone(zone_of(self.zone))).explain()
        return words


def interval_of(text: str) -> timedelta:
    """Read 90s, 15m, 2h, 1h30m or 1d. Raises Invalid."""
    found = _LENGTH.fullmatch(text.strip().lower())
    length = timedelta(**{unit: int(count) for unit, count in found.groupdict().items() if count}) if found else None
    if not length:
        raise Invalid(
            f"{text[:50]!r} is not an interval.", remedy="Write 90s, 15m, 2h, 1h30m or 1d.", code="ERR_SCHEDULE"
        )
    if not SHORTEST <= length <= LONGEST:
        raise Invalid("An interval is between 10 seconds and 366 days.", code="ERR_SCHEDULE")
    return length


def end_of(length: str, begin: datetime, zone: str) -> datetime:
    """Return when something ends that lasts 8h, or until the next 07:00 in a zone. Raises Invalid."""
    if not _TIME_OF_DAY.fullmatch(length):
        return begin + interval_of(length)
    local = begin.astimezone(zone_of(zone))
    end = datetime.combine(local.date(), time.fromisoformat(length), local.tzinfo)
    following = datetime.combine(local.date() + timedelta(days=1), end.time(), local.tzinfo)
    return (end if end.astimezone(UTC) > begin else following).astimezone(UTC)


def zone_of(name: str) -> ZoneInfo:
    """Return the zone of that name. Raises Invalid."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise Invalid(
            f"There is no time zone {name[:64]!r}.",
            remedy="Zones are named like Europe/Berlin or UTC.",
            code="ERR_ZONE",
        ) from None


def _bad_cron(expression: str, why: str) -> Invalid:
    return Invalid(
        f"{expression[:100]!r} is not a cron expression: {why}.",
        remedy="Five fields: minute hour day month weekday; 30 7 * * 1-5 is 7:30 on working days.",
        code="ERR_SCHEDULE",
    )

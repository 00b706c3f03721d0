"""What a layout's fields hold, as we keep it, and what we know, as the layout's fields take it."""

import os
import re
from collections.abc import Mapping
from datetime import date, datetime, time

from daemons.clients.filemaker.answers import FileMakerRecord
from daemons.clients.filemaker.finding import reads_as
from daemons.folders.paths import disk_path, wire_path
from daemons.settings.filemaker import LayoutSettings
from daemons.values import JsonValue
from daemons.workflows.polling.keeper.remotes import Seen, Side

FILE = "file_path"
"""Our field with the file's path: only read there, never written."""
PATHS = frozenset({FILE, "library_path"})
LISTS = frozenset({"keywords"})
"""Our fields that are lists; FileMaker keeps them as lines."""
_GIVEN = re.compile(
    r"(?P<month>\d{1,2})/(?P<day>\d{1,2})/(?P<year>\d{4})(?: (?P<hour>\d{1,2}):(?P<minute>\d\d)(?::(?P<second>\d\d))?)?"
)
_DATE, _MOMENT = "%m/%d/%Y", "%m/%d/%Y %H:%M:%S"
_MAC = re.compile(r"^(?:file|image|movie)mac:/(?=[^/])")
_SCHEME = re.compile(r"^(?:file://(?:localhost)?(?=/)|(?:file|image|movie)(?:linux)?:(?=/))")


class FieldMap:
    """One layout: `kinds` says what each field on it holds, such as text or date; those not on it are left alone."""

    def __init__(self, settings: LayoutSettings, kinds: Mapping[str, str]) -> None:
        self.settings = settings
        self._kinds = kinds
        named = {**({FILE: settings.file} if settings.file else {}), **settings.fields}
        self._names = {ours: theirs for ours, theirs in named.items() if theirs in kinds}
        self.missing = tuple(name for name in settings.named() if name not in kinds)
        """Fields that the settings name and the layout does not have."""

    @property
    def console(self) -> str:
        """The field that is added to, empty where the layout has none."""
        return self.settings.console if self.settings.console in self._kinds else ""

    def side(self, record: FileMakerRecord) -> Side:
        """Return what a record of FileMaker is like, in FileMaker's spelling."""
        fields = {ours: _text(record.fields.get(theirs)) for ours, theirs in self._names.items()}
        return Side(record.text(self.settings.status), fields)

    def seen(self, record: FileMakerRecord) -> Seen:
        """Return a record of FileMaker as the keeper takes it."""
        side = self.side(record)
        return Seen(
            remote_id=record.record_id,
            revision=record.mod_id,
            side=side,
            values={name: self._ours(name, value) for name, value in side.fields.items()},
            source=f"filemaker:{self.settings.layout}/{record.record_id}",
            code=record.text(self.settings.code) if self.settings.code else "",
            parent_code=record.text(self.settings.parent) if self.settings.parent else "",
        )

    def spell(self, name: str, value: JsonValue) -> str:
        """Return a value of ours as FileMaker would give it back; empty for what it cannot hold."""
        if value in (None, "", []) or isinstance(value, dict):
            return ""
        if name in PATHS:
            return disk_path(str(value)).decode("utf-8", "replace")
        kind = self._kinds.get(self._names.get(name, ""), "text")
        if kind in ("date", "timestamp"):
            moment = _moment(str(value))
            return moment.strftime(_DATE if kind == "date" else _MOMENT) if moment is not None else ""
        return _text(reads_as(value))

    def respelled(self, name: str, text: str) -> str:
        """Return what a field holds there as we would spell it: 12.50 as 12.5."""
        return self.spell(name, self._ours(name, text))

    def writable(self, fields: Mapping[str, JsonValue]) -> dict[str, str]:
        """Return, by our names, everything that FileMaker should have, in its spelling."""
        return {name: self.spell(name, fields.get(name)) for name in self._names if name != FILE}

    def theirs(self, name: str) -> str:
        """Return what the layout calls a field of ours."""
        return self._names[name]

    def as_record(self, record_id: str, mod_id: str, side: Side) -> FileMakerRecord:
        """Return a record of FileMaker that is like `side`."""
        fields = {self._names[name]: value for name, value in side.fields.items() if name in self._names}
        return FileMakerRecord(record_id, mod_id, {**fields, self.settings.status: side.status})

    def _ours(self, name: str, text: str) -> JsonValue:
        if name in PATHS:
            return path_of(text)
        if name in LISTS:
            return [line.strip() for line in text.split("\n") if line.strip()]
        kind = self._kinds.get(self._names[name], "text")
        if kind in ("date", "timestamp") and text:
            return _read_moment(text)
        if kind == "number" and text:
            return _number(text)
        return text


def path_of(text: str) -> str:
    """Return a path as FileMaker spells them, alone or as a reference to a file, as we spell them; empty for none."""
    line = text.strip().partition("\n")[0]
    line = _MAC.sub("/Volumes/", line)
    line = _SCHEME.sub("", line)
    return wire_path(os.fsencode(line)) if line else ""


def _text(value: JsonValue) -> str:
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return str(value)


def _number(text: str) -> JsonValue:
    try:
        return int(text)
    except ValueError:
        pass
    try:
        value = float(text)
    except ValueError:
        return text
    return value if abs(value) < 1e300 else text


def _moment(value: str) -> datetime | None:
    try:
        return datetime.fromisoformat(value)
    except ValueError:
        return None


def _read_moment(text: str) -> str:
    """Return a date or a moment as ISO spells it; what is none stays as it is."""
    found = _GIVEN.fullmatch(text.strip())
    try:
        if found is None:
            return text
        day = date(int(found["year"]), int(found["month"]), int(found["day"])).isoformat()
        if found["hour"] is None:
            return day
        return f"{day}T{time(int(found['hour']), int(found['minute']), int(found['second'] or 0)).isoformat()}"
    except ValueError:
        return text

"""A daemon's options as a form: what is in effect and why, what would change, and what is wrong with it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from daemons.errors import DaemonError
from daemons.registry import Registry
from daemons.settings import Settings
from daemons.values import MASK, DaemonRow
from web.schema_forms import Field, Read, fields_of, input_names, read_fields
from web.words import N_, _

SOURCES = {"default": N_("default"), "file": N_("from the settings file"), "row": N_("set here")}


@dataclass(frozen=True, slots=True)
class Change:
    """One option that would change; secrets are not shown."""

    name: str
    old: Any
    new: Any
    needs_restart: bool


class OptionsForm:
    """The options of one daemon, between its row and a page."""

    def __init__(self, registry: Registry, row: DaemonRow, settings: Settings) -> None:
        """Raises UnknownDaemonType when the type of the daemon is gone."""
        self._registry = registry
        self._settings = settings
        self.row = row
        self.schema = registry.options_schema(row.type)
        self.locked = frozenset(settings.daemon_overrides(row.name)) & frozenset(self._described)
        self._base = {
            **{name: one.get("default") for name, one in self._described.items()},
            **settings.daemon_defaults(row.name),
        }
        self.errors: dict[str, str] = {}
        try:
            options, self._sources = registry.effective(row, settings)
            self.value: dict[str, Any] = options.model_dump(mode="json")
        except DaemonError as error:
            # A value that is not valid any more: the form shows it, to be corrected.
            self.errors = by_option(error, self._described)
            self._sources = dict.fromkeys(row.configuration, "row")
            self.value = {**self._base, **row.shown_configuration, **settings.daemon_overrides(row.name)}

    @property
    def _described(self) -> dict[str, Any]:
        described: dict[str, Any] = self.schema.get("properties") or {}
        return described

    @property
    def _open(self) -> dict[str, Any]:
        """The schema of what may be changed here: what the environment fixes is not posted."""
        free = {name: one for name, one in self._described.items() if name not in self.locked}
        return {**self.schema, "properties": free}

    def input_names(self) -> list[str]:
        """Return the names of the inputs that the form posts."""
        return input_names(self._open)

    def fields(self, posted: Mapping[str, str] | None = None, errors: Mapping[str, str] | None = None) -> list[Field]:
        """Return the inputs, each with where its value comes from; after a refusal as they were typed."""
        drawn = fields_of(self.schema, self.value, errors=errors or self.errors)
        typed = {} if posted is None else {one.name: one for one in fields_of(self._open, posted=posted, errors=errors)}
        return [replace(field, help=self._help(field)) for field in (typed.get(one.name, one) for one in drawn)]

    def secrets(self, names: list[str]) -> list[Field]:
        """Return empty inputs for secrets, to be typed once more: none comes back in a page."""
        chosen = {name: one for name, one in self._described.items() if name in names}
        return fields_of({**self.schema, "properties": chosen})

    def read(self, posted: Mapping[str, str]) -> Read:
        """Read what was typed, and say what is wrong with it by option."""
        read = read_fields(self._open, posted)
        if read.errors:
            return read
        try:
            self._registry.effective(replace(self.row, configuration=self.configuration(read.value)), self._settings)
        except DaemonError as error:
            return Read(read.value, by_option(error, self._described))
        return read

    def configuration(self, value: Mapping[str, Any]) -> dict[str, Any]:
        """Return what the row has to hold so that `value` is in effect: only what differs from file and default."""
        kept = {name: one for name, one in self.row.configuration.items() if name in self._described}
        for change in self.changes(value):
            if change.name not in self.row.secret_options and value[change.name] == self._base.get(change.name):
                kept.pop(change.name, None)
            else:
                kept[change.name] = value[change.name]
        return kept

    def changes(self, value: Mapping[str, Any]) -> list[Change]:
        """Return what `value` would change, in the order of the form."""
        found = []
        for name, one in self._described.items():
            if name not in value or name in self.locked or value[name] == self.value.get(name):
                continue
            old, new = self.value.get(name), value[name]
            if name in self.row.secret_options:
                old, new = MASK if old else None, MASK if new else None
            found.append(Change(name, old, new, bool(one.get("restart"))))
        return found

    def _help(self, field: Field) -> str:
        if field.name in self.locked:
            variable = f"DAEMONDECK_DAEMONS__{self.row.name.upper()}__{field.name.upper()}"
            return f"{field.help} {_('Fixed by %(variable)s in the environment.') % {'variable': variable}}"
        source = SOURCES.get(self._sources.get(field.name, "default"), SOURCES["default"])
        words = [field.help, _("Now: %(source)s.") % {"source": _(source)}]
        if field.kind == "secret":
            words[1] = _("Now: set.") if self.value.get(field.name) else _("Now: not set.")
        if self._described[field.name].get("restart"):
            words.append(_("A change needs a restart."))
        return " ".join(word for word in words if word)


def by_option(error: DaemonError, known: Mapping[str, Any]) -> dict[str, str]:
    """Return what is wrong by option; what belongs to none stands beside the first."""
    problems: Mapping[str, str] = getattr(error, "problems", {})
    found = {name: said for name, said in problems.items() if name in known}
    if not found and known:
        found[next(iter(known))] = error.message
    return found

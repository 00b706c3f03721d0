"""The deck's sections: what stands in the navigation, in this order, once its page exists."""

from collections.abc import Iterable
from dataclasses import dataclass

from starlette.routing import BaseRoute, Route

from daemons.access import Role
from web.words import N_


@dataclass(frozen=True, slots=True)
class Section:
    """One way in the navigation. A page belongs to it by `{% set section = "jobs" %}`."""

    name: str
    label: str
    key: str
    """Pressed after g, it leads there."""
    is_main: bool = False
    """Stands among the few tabs of a phone; the others are behind More."""
    needs: Role = Role.VIEWER

    @property
    def path(self) -> str:
        return f"/{self.name}"

    def is_for(self, role: str) -> bool:
        """Whether somebody of that role has any business there."""
        return Role(role).rank >= self.needs.rank


SECTIONS = (
    Section("daemons", N_("Daemons"), "d", is_main=True),
    Section("jobs", N_("Jobs"), "j", is_main=True),
    Section("inbox", N_("Inbox"), "i", is_main=True),
    Section("records", N_("Records"), "r"),
    Section("schedules", N_("Schedules"), "s"),
    Section("activity", N_("Activity"), "a"),
    Section("descriptions", N_("Descriptions"), "e"),
    Section("notifications", N_("Notifications"), "n"),
    Section("system", N_("System"), "y", is_main=True),
    Section("people", N_("People"), "p", needs=Role.ADMIN),
)


def sections_of(routes: Iterable[BaseRoute]) -> tuple[Section, ...]:
    """Return the sections whose page is among `routes`."""
    pages = {route.path for route in routes if isinstance(route, Route) and "GET" in (route.methods or ())}
    return tuple(section for section in SECTIONS if section.path in pages)

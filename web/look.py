"""How a viewer wants pages to look. The browser keeps it in a cookie: it is nobody else's business."""

from collections.abc import Mapping
from dataclasses import dataclass

COOKIE = "daemondeck_look"
THEMES = ("system", "light", "dark")


@dataclass(frozen=True, slots=True)
class Look:
    """A theme, whether single keys are shortcuts, and the page that is looked at."""

    theme: str = "system"
    keys: bool = True
    path: str = "/"

    @classmethod
    def read(cls, cookies: Mapping[str, str], path: str) -> "Look":
        """Return what the cookie says; what it does not say, or says wrongly, is as if nobody chose."""
        theme, _, keys = cookies.get(COOKIE, "").partition(".")
        return cls(theme if theme in THEMES else "system", keys != "no-keys", path)

    def cookie(self) -> str:
        """Return the cookie's value."""
        return f"{self.theme}.{'keys' if self.keys else 'no-keys'}"

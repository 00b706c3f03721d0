"""What a person should know of and mend, as the health page and the banner show it."""

from typing import Literal, NamedTuple


class Finding(NamedTuple):
    """One thing that is wrong although the service runs."""

    code: str
    severity: Literal["warning", "error"]
    message: str
    remedy: str | None = None

    def as_dict(self) -> dict[str, str | None]:
        """Return the finding of the HTTP API."""
        return self._asdict()

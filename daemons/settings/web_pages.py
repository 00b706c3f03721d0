"""The section `web_pages`: how pages of the web are read."""

from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_settings import NoDecode

from daemons.settings.lists import as_list
from daemons.settings.servers import Section

PORTS = (80, 443)


def _as_host(value: str) -> str:
    host = value.strip().rstrip(".").lower().strip("[]")
    if not host or not host.isascii() or any(c in host for c in "/@%*\\ "):
        raise ValueError("a host is a name or an address, such as archive.example.org or 10.0.0.7")
    return host


Host = Annotated[str, AfterValidator(_as_host)]
Port = Annotated[int, Field(ge=1, le=65535)]


class WebPagesSettings(Section):
    """What may be read, and how much of it how often."""

    allow_private: Annotated[list[Host], NoDecode, BeforeValidator(as_list)] = Field(
        default_factory=list,
        max_length=1000,
        description="Hosts that may be in the own network, such as archive.example.org; others are refused there.",
    )
    ports: Annotated[list[Port], NoDecode, BeforeValidator(as_list)] = Field(
        default_factory=lambda: list(PORTS), min_length=1, max_length=100, description="Ports that pages are read from."
    )
    megabytes: float = Field(4.0, gt=0, le=10, description="Megabytes of a page, unpacked; what is larger is refused.")
    seconds: float = Field(30.0, gt=0, le=240, description="Seconds for a page, from its name to its last byte.")
    interval: float = Field(1.0, ge=0, le=3600, description="Seconds between two requests to one host.")
    user_agent: str = Field(
        "Daemondeck",
        pattern=r"^[A-Za-z][A-Za-z_-]*(/[\w.-]+)?( [\x20-\x7e]*)?$",
        max_length=200,
        description="What sites are told that reads them; its first word is the one their robots.txt may name.",
    )
    robots: bool = Field(True, description="Whether a page is left alone when its site's robots.txt asks for that.")

"""The section `filemaker`: the FileMaker Server whose records climb, and what its layouts call their fields."""

import re
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, model_validator

from daemons.settings.servers import Section

_LIKE = "https://files.example.org"


def _as_server(value: str) -> str:
    """Return the address of the server, such as https://files.example.org, whatever page of it was given."""
    given = value.strip()
    if not given:
        return ""
    try:
        parts = urlsplit(given)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise ValueError(f"it must look like {_LIKE}") from None
    if parts.scheme not in ("http", "https") or not host or re.search(r"[\s\\]", given):
        raise ValueError(f"it must begin with https:// and name a host, such as {_LIKE}")
    if parts.username is not None or parts.password is not None:
        raise ValueError("it must not hold a name or password: use filemaker.user and filemaker.password")
    if parts.path.strip("/") and not parts.path.startswith("/fmi"):
        raise ValueError(f"it must end after the host, such as {_LIKE}")
    if parts.scheme == "http" and not _is_here(host):
        raise ValueError("it must begin with https://, because the password goes there")
    name = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{name}{f':{port}' if port is not None else ''}"


def _is_here(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _as_user(value: str) -> str:
    if ":" in value:
        raise ValueError("a name with a colon cannot sign in over HTTP")
    return value


FieldName = Annotated[str, Field(min_length=1, max_length=200)]


class LayoutSettings(BaseModel):
    """One layout, and what its fields are called; an empty name: there is no such field."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    layout: str = Field("", max_length=200, description="The layout's name; empty: such records are left alone.")
    status: str = Field("", max_length=200, description="The field with the status.")
    code: str = Field("", max_length=200, description="The field with the code, such as ST0001.")
    file: str = Field("", max_length=200, description="The field with the path of the file.")
    parent: str = Field("", max_length=200, description="The field with the code of the record above.")
    console: str = Field("", max_length=200, description="The field to which what happens is added, line by line.")
    sort: str = Field(
        "", max_length=200, description="The field to sort by, such as a serial number; empty: by creation."
    )
    fields: dict[FieldName, FieldName] = Field(
        default_factory=dict, description="What is known, by our name, and the field that holds it."
    )

    def named(self) -> Iterator[str]:
        """Yield every field that the layout has to have."""
        yield from self.places()

    def places(self) -> dict[str, str]:
        """Return every field that the layout has to have, and the setting that says so, such as `fields.caption`."""
        own = {name: getattr(self, name) for name in ("status", "code", "file", "parent", "console", "sort")}
        places: dict[str, str] = {}
        for setting, field in (own | {f"fields.{ours}": theirs for ours, theirs in self.fields.items()}).items():
            if field:
                places.setdefault(field, setting)
        return places


STILLS = LayoutSettings(
    layout="Stills",
    status="AutoLog_Status",
    code="INFO_STILLS_ID",
    file="SPECS_Filepath_Import",
    console="AI_DevConsole",
    fields={
        "library_path": "SPECS_Filepath_Server",
        "url": "SPECS_URL",
        "size": "SPECS_File_Size",
        "caption": "INFO_Description_Original",
        "copyright": "INFO_Copyright",
        "taken_at": "INFO_Date",
        "description": "INFO_Description",
    },
)
FOOTAGE = LayoutSettings(
    layout="FOOTAGE",
    status="AutoLog_Status",
    code="INFO_FTG_ID",
    file="SPECS_Filepath_Server",
    console="AI_DevConsole",
    fields={"url": "SPECS_URL", "taken_at": "INFO_Date", "description": "INFO_Description"},
)
# Without a layout until somebody names one: FRAMES, where frames are to be seen in FileMaker, too.
FRAMES = LayoutSettings(
    status="FRAMES_Status",
    code="FRAMES_ID",
    parent="FRAMES_ParentID",
    fields={"description": "FRAMES_Caption", "transcript": "FRAMES_Transcript"},
)


class FileMakerSettings(Section):
    """The server, the database on it, and who signs in."""

    url: Annotated[str, AfterValidator(_as_server)] = Field(
        "", max_length=2000, description=f"Address of the FileMaker Server, such as {_LIKE}; empty: none."
    )
    database: str = Field("", max_length=200, description="The hosted file's name, without .fmp12.")
    user: Annotated[str, AfterValidator(_as_user)] = Field(
        "", max_length=200, description="An account with the extended privilege fmrest."
    )
    password: SecretStr | None = Field(None, description="Its password.")
    version: Literal["v1", "v2", "vLatest"] = Field("vLatest", description="The version of the Data API.")
    verify_tls: bool = Field(True, description="Whether the server has to prove who it is; off only on a trusted wire.")
    certificate: Path | None = Field(
        None, description="A PEM file to trust besides the machine's own, for a server that signed for itself."
    )
    concurrency: int = Field(4, ge=1, le=100, description="Calls at a time; FileMaker's sessions are few.")
    requests_per_minute: int = Field(0, ge=0, description="Calls a minute; 0: any number.")
    page_size: int = Field(100, ge=1, le=5000, description="Records fetched by one call.")
    timeout: float = Field(60.0, ge=1, le=3600, description="Seconds that one call may take.")
    stills: LayoutSettings = Field(STILLS, description="The layout of stills.")
    footage: LayoutSettings = Field(FOOTAGE, description="The layout of clips.")
    frames: LayoutSettings = Field(FRAMES, description="The layout of frames.")

    @model_validator(mode="before")
    @classmethod
    def _add_usual_names(cls, values: Any) -> Any:
        """What is not said of a layout is as usual, so that one name can be set by itself."""
        usual = {"stills": STILLS, "footage": FOOTAGE, "frames": FRAMES}
        if not isinstance(values, dict):
            return values
        return {
            name: usual[name].model_dump() | given if name in usual and isinstance(given, dict) else given
            for name, given in values.items()
        }

    def unset(self) -> str | None:
        """Return the setting without which nothing can be asked, None where there is none."""
        needed = {"url": self.url, "database": self.database, "user": self.user, "password": self.password}
        return next((f"filemaker.{name}" for name, value in needed.items() if not value), None)

    def layouts(self) -> dict[str, LayoutSettings]:
        """Return what is known of each ladder's layout, those without a layout left out."""
        known = {"stills": self.stills, "footage": self.footage, "frames": self.frames}
        return {ladder: layout for ladder, layout in known.items() if layout.layout}

    def keys(self) -> list[str]:
        """Return the password, if there is one."""
        return [self.password.get_secret_value()] if self.password and self.password.get_secret_value() else []

    def shown(self, mask: str) -> dict[str, Any]:
        """Return all values as a person may see them, with `mask` for the password."""
        return super().shown(mask) | {"password": mask if self.password else None}

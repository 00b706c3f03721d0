"""What every section of an OpenAI-compatible server holds: where it is, its keys and what they allow."""

import re
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr
from pydantic_settings import NoDecode

from daemons.settings.lists import as_list

_VERSION = re.compile(r"v\d\w*")
_PATHS_OF_CALLS = ("/chat/completions", "/models", "/embeddings", "/audio/transcriptions")
_KEY = re.compile(r"[\x21-\x7e]{1,4096}")


def _as_server(value: str) -> str:
    """Return the address below which the calls are, such as http://127.0.0.1:11434/v1."""
    given = value.strip()
    if not given:
        return ""
    try:
        parts = urlsplit(given)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise ValueError("it must look like http://127.0.0.1:11434/v1") from None
    if parts.scheme not in ("http", "https") or not host or re.search(r"[\s\\]", given):
        raise ValueError("it must begin with http:// or https:// and name a host, such as http://127.0.0.1:11434/v1")
    if parts.username is not None or parts.password is not None:
        raise ValueError("it must not hold a name or password: use api_key")
    if parts.query or parts.fragment:
        raise ValueError("it must end before ? and #")
    path = parts.path.rstrip("/")
    for call in _PATHS_OF_CALLS:
        path = path.removesuffix(call)
    if not any(_VERSION.fullmatch(segment) for segment in path.split("/")):
        path += "/v1"
    name = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{name}{f':{port}' if port is not None else ''}{path}"


def _as_key(value: SecretStr) -> SecretStr:
    key = value.get_secret_value().strip()
    if not _KEY.fullmatch(key):
        raise ValueError("a key is one word of letters, digits and signs")
    return SecretStr(key)


Key = Annotated[SecretStr, AfterValidator(_as_key)]


class Section(BaseModel):
    """Settings that stand together under one name, of one other system."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True, allow_inf_nan=False)

    def keys(self) -> list[str]:
        """Return every secret once."""
        return []

    def shown(self, mask: str) -> dict[str, Any]:
        """Return all values as a person may see them, with `mask` for each secret."""
        return self.model_dump(mode="json")


class ServerSettings(Section):
    """A server that is asked over HTTP, and what it allows."""

    url: Annotated[str, AfterValidator(_as_server)] = Field(
        "", max_length=2000, description="Address of the server, such as http://127.0.0.1:11434/v1; empty: none."
    )
    model: str = Field("", max_length=300, description="The model to ask where a daemon names none.")
    api_key: Key | None = Field(None, description="The key, where the server wants one.")
    api_keys: Annotated[list[Key], NoDecode, BeforeValidator(as_list)] = Field(
        default_factory=list, max_length=20, description="Several keys, used in turn, each within its own limits."
    )
    concurrency: int = Field(2, ge=1, le=100, description="Requests the server is given at once, by all jobs together.")
    requests_per_minute: int = Field(0, ge=0, description="Requests a minute that each key allows; 0: any number.")
    tokens_per_minute: int = Field(0, ge=0, description="Tokens a minute that each key allows; 0: any number.")

    def keys(self) -> list[str]:
        """Return every key once, in the order of their use."""
        given = ([self.api_key] if self.api_key else []) + self.api_keys
        return list(dict.fromkeys(key.get_secret_value() for key in given))

    def shown(self, mask: str) -> dict[str, Any]:
        """Return all values as a person may see them, with `mask` for each key."""
        values = super().shown(mask)
        return values | {"api_key": mask if self.api_key else None, "api_keys": [mask for _ in self.api_keys]}

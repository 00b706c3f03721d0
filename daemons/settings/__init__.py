"""What the program can be told from outside, where each value came from, and why a value is refused.

flags  >  DAEMONDECK_… environment  >  TOML file  >  defaults
"""

import ipaddress
import json
import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

import platformdirs
from pydantic import AfterValidator, BeforeValidator, Field, PrivateAttr, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, EnvSettingsSource, InitSettingsSource, NoDecode, SettingsConfigDict
from pydantic_settings.exceptions import SettingsError

from daemons.errors import Fatal
from daemons.settings.embeddings import EmbeddingsSettings
from daemons.settings.filemaker import FileMakerSettings
from daemons.settings.lists import as_list
from daemons.settings.servers import Section
from daemons.settings.transcription import TranscriptionSettings
from daemons.settings.vision import VisionSettings
from daemons.settings.web_pages import WebPagesSettings
from daemons.text import own_words

PREFIX = "DAEMONDECK_"
MASK = "••••"
SECRET_NAME = re.compile(r"pass(word|wd|phrase)|token|secret|api[-_]?key|authorization|cookie", re.IGNORECASE)
"""What an option or a field is called whose value nobody may see."""
LANES: Mapping[str, int] = {"default": 30, "io": 8, "cpu": 1, "describe": 1, "describe_image": 4, "climb": 8}
"""Jobs that run at once in each lane, unless the settings say otherwise."""

_NOT_FIELDS = frozenset({"config", "server", "kill_at"})


class BadSettings(Fatal):
    """The settings cannot be used."""

    code = "ERR_SETTINGS"
    exit_code: ClassVar[int] = 78


def _as_base_path(value: str) -> str:
    path = "/" + value.strip("/") if value.strip("/") else ""
    if not re.fullmatch(r"[A-Za-z0-9._~/-]*", path) or "//" in path or "/.." in path:
        raise ValueError("it must look like /deck")
    return path


Words = Annotated[list[str], NoDecode, BeforeValidator(as_list)]
Header = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9-]{0,60}$")]
RoleName = Literal["viewer", "operator", "admin"]
Slots = Annotated[int, Field(ge=1, le=1000)]
Directory = Annotated[Path, AfterValidator(lambda path: path.expanduser().absolute())]


class Settings(BaseSettings):
    """Every setting with its default. Made directly, it reads flags and environment; `load_settings` adds the file."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_nested_delimiter="__", extra="forbid", frozen=True, validate_default=True
    )

    data_dir: Directory = Field(
        default_factory=lambda: platformdirs.user_data_path("daemondeck"),
        description="Where the database, the token and the backups are kept.",
    )
    database_url: str = Field(
        "", repr=False, description="sqlite:///FILE or postgresql://USER@HOST/NAME; empty is a file in data_dir."
    )
    host: str = Field("127.0.0.1", description="The address to listen on.")
    port: int = Field(8420, ge=0, le=65535, description="The port to listen on; 0 takes a free one.")
    base_path: Annotated[str, AfterValidator(_as_base_path)] = Field(
        "", description="The path under which a proxy shows the deck, such as /deck."
    )
    auth: Literal["token", "password", "proxy", "none"] = Field(
        "token",
        description="How people sign in: by the printed link, by password, at a proxy, or (only on this machine) not.",
    )
    password: SecretStr | None = Field(None, description="The password of the user owner, or its Argon2 hash.")
    token: SecretStr | None = Field(None, description="A fixed bearer token for programs.")
    allowed_hosts: Words = Field(
        default_factory=list, description="Host names by which the deck may be called, besides its own address."
    )
    trusted_proxies: Words = Field(
        default_factory=list, description="Addresses of proxies whose X-Forwarded headers are believed."
    )
    proxy_user_header: Header = Field(
        "Remote-User", description='With auth = "proxy": the header in which a trusted proxy names who signed in there.'
    )
    proxy_groups_header: Header = Field("Remote-Groups", description="The header in which it names their groups.")
    proxy_roles: dict[str, RoleName] = Field(
        default_factory=dict, description="The role of each group (viewer, operator, admin); the highest counts."
    )
    proxy_default_role: RoleName = Field("viewer", description="The role of who is seen for the first time.")
    language: str = Field("en", max_length=35, description="The language of pages, such as en.")
    plugins: Words = Field(default_factory=list, description="Modules that bring more daemons and jobs.")
    log_format: Literal["auto", "json", "console"] = Field(
        "auto", description="auto is console on a terminal, else JSON."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="The least that is logged.")
    retention_days: int = Field(30, ge=1, description="Days a finished job is kept.")
    log_lines_kept: int = Field(200_000, ge=1_000, description="Log lines kept in all; the oldest go first.")
    notify_after: float = Field(
        60.0,
        ge=0,
        description="Seconds something has to be wrong before people are notified, and over before that is told.",
    )
    keep_awake: bool = Field(True, description="Whether the machine is kept awake while jobs that say so run.")
    vision: VisionSettings = Field(
        default_factory=VisionSettings, description="The OpenAI-compatible server that describes pictures."
    )
    embeddings: EmbeddingsSettings = Field(
        default_factory=EmbeddingsSettings, description="The OpenAI-compatible server that makes vectors of texts."
    )
    transcription: TranscriptionSettings = Field(
        default_factory=TranscriptionSettings, description="The OpenAI-compatible server that writes down what is said."
    )
    web_pages: WebPagesSettings = Field(
        default_factory=WebPagesSettings, description="How pages of the web are read, and which are not."
    )
    filemaker: FileMakerSettings = Field(
        default_factory=FileMakerSettings, description="The FileMaker Server whose records climb."
    )
    thumbnails_megabytes: int = Field(
        2048, ge=1, description="Space for small copies of pictures; those not looked at for longest go first."
    )
    lanes: dict[str, Slots] = Field(default_factory=dict, description="Jobs that run at once in each lane.")
    daemons: dict[str, dict[str, Any]] = Field(
        default_factory=dict, repr=False, description="Options of daemons: a section each, named like the daemon."
    )

    _origins: dict[str, str] = PrivateAttr(default_factory=dict)
    _from_environment: dict[str, dict[str, Any]] = PrivateAttr(default_factory=dict)
    _from_file: dict[str, dict[str, Any]] = PrivateAttr(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _add_lanes(cls, values: dict[str, Any]) -> dict[str, Any]:
        lanes = values.get("lanes", {})
        return {**values, "lanes": {**LANES, **lanes}} if isinstance(lanes, dict) else values

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if not self.database_url:
            if "?" in str(self.data_dir):
                raise BadSettings("data_dir must not contain a question mark.", remedy="Choose another directory.")
            # The model is frozen for everybody but its own making.
            object.__setattr__(self, "database_url", f"sqlite:///{self.data_dir / 'daemondeck.db'}")
        if self.auth == "password" and not self.password:
            raise BadSettings('auth = "password" needs a password.', remedy=f"Set {PREFIX}PASSWORD.")
        if self.auth == "proxy":
            self._check_proxy()
        elif not is_loopback(self.host):
            self._check_open_bind()
        return self

    def _check_proxy(self) -> None:
        if not self.trusted_proxies:
            raise BadSettings(
                'auth = "proxy" needs trusted_proxies: anybody else could send the header too.',
                remedy="Set trusted_proxies to the addresses from which the proxy connects.",
            )
        if everybody := [given for given in self.trusted_proxies if given == "*" or given.endswith("/0")]:
            raise BadSettings(
                f'auth = "proxy" cannot trust {everybody[0]}: anybody could name themselves in the header.',
                remedy="Set trusted_proxies to the addresses from which the proxy connects.",
            )

    def _check_open_bind(self) -> None:
        if self.auth == "none":
            raise BadSettings(
                f'auth = "none" is only allowed on this machine, and {self.host} can be reached from others.',
                remedy='Set host to 127.0.0.1, or auth to "password".',
            )
        if not self.password:
            raise BadSettings(
                f"{self.host} can be reached from other machines, so a password is needed.",
                remedy=f"Set {PREFIX}PASSWORD, or host to 127.0.0.1.",
            )

    def model_post_init(self, context: object) -> None:
        """Remember what the environment said of daemons: it goes before their rows, a file's word after."""
        if not self._from_environment:
            self._from_environment = _read_environment().get("daemons", {})

    def daemon_overrides(self, name: str) -> dict[str, Any]:
        """Return the options that the environment fixes for the daemon `name`."""
        return {option: _decoded(value) for option, value in _section(self._from_environment, name).items()}

    def daemon_defaults(self, name: str) -> dict[str, Any]:
        """Return the options that the TOML file gives the daemon `name`."""
        return _section(self._from_file, name)

    def sources(self) -> dict[str, str]:
        """Return where each setting's value came from: a flag, an environment variable, a file, or "default"."""
        return {field: self._origins.get(field, "default") for field in type(self).model_fields}

    def source(self, section: str, option: str) -> str:
        """Return where the value of an option of a section, such as url of vision, came from."""
        return self._origins.get(f"{section}.{option}", "default")

    def sections(self) -> dict[str, Section]:
        """Return the settings of other systems, by the name of their section."""
        return {name: value for name, value in self if isinstance(value, Section)}

    def secrets(self) -> list[str]:
        """Return the values that no log, page or answer may show."""
        values = [secret.get_secret_value() for secret in (self.password, self.token) if secret]
        for section in self.sections().values():
            values += section.keys()
        found = _URL_PASSWORD.search(self.database_url)
        return [*values, found["password"]] if found else values

    def shown(self) -> dict[str, Any]:
        """Return all values as a person may see them, secrets masked."""
        values = self.model_dump(mode="json")
        for field in ("password", "token"):
            values[field] = MASK if values[field] else None
        values |= {name: section.shown(MASK) for name, section in self.sections().items()}
        values["database_url"] = _URL_PASSWORD.sub(rf"\g<before>{MASK}@", self.database_url)
        values["daemons"] = {name: {k: _masked(k, v) for k, v in given.items()} for name, given in self.daemons.items()}
        return values

    def make_data_dir(self) -> Path:
        """Return the data directory, made for this user alone. Raises BadSettings when it cannot be written."""
        try:
            self.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
            writable = os.access(self.data_dir, os.W_OK | os.X_OK)
        except OSError as error:
            raise _no_data_dir(self.data_dir, error.strerror or "it is not a directory") from error
        if not writable:
            raise _no_data_dir(self.data_dir, "it is read-only for this user")
        return self.data_dir


def load_settings(flags: Mapping[str, object] | None = None, *, config: Path | None = None) -> Settings:
    """Read flags, environment and the TOML file. Raises BadSettings naming the place and the remedy.

    Flags that are None were not given.
    """
    given = {name: value for name, value in (flags or {}).items() if value is not None}
    file = find_config(config)
    written = _read_file(file) if file else {}
    environment = _read_environment()
    try:
        sources = tuple(InitSettingsSource(Settings, values) for values in (given, environment, written))
        settings = Settings(_build_sources=(sources, {}))
    except ValidationError as error:
        raise _refused(error, given, environment, file) from error
    settings._from_environment = environment.get("daemons", {})
    settings._from_file = written.get("daemons", {})
    settings._origins = (
        {field: str(file) for field in _places(written)}
        | {field: PREFIX + field.replace(".", "__").upper() for field in _places(environment)}
        | {field: f"--{field.replace('_', '-')}" for field in given}
    )
    return settings


def find_config(config: Path | None = None) -> Path | None:
    """Return the TOML file to read: the one asked for, which must exist, or the first of the usual places."""
    asked = config or (Path(os.environ[f"{PREFIX}CONFIG"]) if os.environ.get(f"{PREFIX}CONFIG") else None)
    if asked is not None:
        file = asked.expanduser().absolute()
        if not file.is_file():
            raise BadSettings(f"There is no settings file {file}.", remedy="Check --config and DAEMONDECK_CONFIG.")
        return file
    usual = (Path("daemondeck.toml").absolute(), platformdirs.user_config_path("daemondeck") / "daemondeck.toml")
    return next((file for file in usual if file.is_file()), None)


def unknown_variables() -> list[str]:
    """Return the DAEMONDECK_… environment variables that set nothing: most likely misspelt."""
    known = set(Settings.model_fields) | _NOT_FIELDS
    names = (name for name in os.environ if name.upper().startswith(PREFIX))
    return sorted(name for name in names if name[len(PREFIX) :].lower().split("__")[0] not in known)


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach `host`."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


_URL_PASSWORD = re.compile(r"(?P<before>://[^/@:]*:)(?P<password>[^/@]+)@")


def _places(values: Mapping[str, Any]) -> Iterator[str]:
    """Yield the name of each field that is given, and of each option in a section."""
    for field, value in values.items():
        yield field
        if isinstance(value, dict):
            yield from (f"{field}.{option}" for option in value)


def _masked(option: str, value: object) -> object:
    return MASK if value and SECRET_NAME.search(option) else value


def _section(sections: Mapping[str, dict[str, Any]], name: str) -> dict[str, Any]:
    """Environment variables cannot spell a hyphen, so names match with `-` as `_`, in any case."""
    wanted = name.replace("-", "_").lower()
    merged: dict[str, Any] = {}
    for given, options in sections.items():
        if given.replace("-", "_").lower() == wanted:
            merged |= options
    return merged


def _decoded(value: object) -> object:
    if isinstance(value, str) and value[:1] in ("[", "{"):
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value


def _read_environment() -> dict[str, Any]:
    try:
        return EnvSettingsSource(Settings)()
    except SettingsError as error:
        field = re.search(r'field "(\w+)"', str(error))
        name = f"{PREFIX}{field[1].upper()}" if field else "The environment"
        raise BadSettings(f"{name} is not valid JSON.", remedy="Correct or unset the variable.") from error


def _read_file(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text("utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise BadSettings(f"{file} is not TOML: {error}.", remedy="Correct that line.") from error
    except UnicodeDecodeError as error:
        raise BadSettings(f"{file} is not UTF-8 text.", remedy="Save it as UTF-8.") from error
    except OSError as error:
        raise BadSettings(
            f"{file} cannot be read: {error.strerror}.", remedy="Make it readable for this user."
        ) from error


def _refused(
    error: ValidationError, flags: Mapping[str, object], environment: Mapping[str, object], file: Path | None
) -> BadSettings:
    """Say in one line what is wrong with which value of which source. Never shows the value: it may be a secret."""

    def sentences() -> Iterator[str]:
        for problem in error.errors(include_url=False, include_input=False, include_context=False):
            path = [str(part) for part in problem["loc"]] or ["settings"]
            if path[0] in flags:
                place = f"--{path[0].replace('_', '-')}"
            elif path[0] in environment and (len(path) < 2 or ".".join(path[:2]) in set(_places(environment))):
                place = PREFIX + "__".join(path).upper()
            else:
                place = f"{file}: {'.'.join(path)}" if file else ".".join(path)
            unknown = problem["type"] == "extra_forbidden"
            yield f"{place}: {'there is no such setting' if unknown else own_words(problem['msg'])}"

    unknown = [problem["loc"] for problem in error.errors() if problem["type"] == "extra_forbidden"]
    section = _section_model(str(unknown[0][0])) if unknown else None
    known = ", ".join((section or Settings).model_fields)
    remedy = f"The settings are: {known}." if unknown else "Correct the value; `daemondeck config show` lists all."
    return BadSettings("; ".join(sentences()) + ".", remedy=remedy)


def _section_model(name: str) -> type[Section] | None:
    field = Settings.model_fields.get(name)
    kind = field.annotation if field is not None else None
    return kind if isinstance(kind, type) and issubclass(kind, Section) else None


def _no_data_dir(directory: Path, reason: str) -> BadSettings:
    return BadSettings(
        f"The data directory {directory} cannot be used: {reason}.",
        remedy="Make it writable for this user, or set data_dir to another one.",
        code="ERR_DATA_DIR",
    )

"""What the program can be told from outside."""

import re
import stat
from pathlib import Path

import pytest
from pydantic import ValidationError

from daemons.settings import LANES, BadSettings, Settings, find_config, load_settings, unknown_variables
from daemons.settings.vision import VisionSettings


@pytest.fixture(autouse=True)
def nothing_from_outside(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)


def written(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "my settings.toml"
    file.write_text(text, "utf-8")
    return file


def refusal(file: Path | None = None, **flags: object) -> BadSettings:
    with pytest.raises(BadSettings) as refused:
        load_settings(flags, config=file)
    assert refused.value.exit_code == 78
    assert refused.value.remedy
    return refused.value


def test_defaults_need_nothing(tmp_path: Path) -> None:
    settings = load_settings()

    assert (settings.host, settings.port, settings.auth) == ("127.0.0.1", 8420, "token")
    assert settings.database_url == f"sqlite:///{settings.data_dir}/daemondeck.db"
    assert set(settings.sources().values()) == {"default"}


def test_a_flag_beats_the_environment_which_beats_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = written(tmp_path, 'port = 1\nhost = "127.0.0.2"\nbase_path = "/file"\n')
    monkeypatch.setenv("DAEMONDECK_PORT", "2")
    monkeypatch.setenv("DAEMONDECK_HOST", "127.0.0.3")

    settings = load_settings({"port": 3, "base_path": None}, config=file)

    assert (settings.port, settings.host, settings.base_path) == (3, "127.0.0.3", "/file")
    sources = settings.sources()
    assert (sources["port"], sources["host"], sources["base_path"], sources["auth"]) == (
        "--port",
        "DAEMONDECK_HOST",
        str(file),
        "default",
    )


def test_the_file_is_found_by_variable_then_here_then_in_the_configuration_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    usual = tmp_path / "config" / "daemondeck" / "daemondeck.toml"
    usual.parent.mkdir(parents=True)
    usual.touch()
    assert find_config() == usual

    here = tmp_path / "daemondeck.toml"
    here.touch()
    assert find_config() == here

    named = tmp_path / "named.toml"
    named.touch()
    monkeypatch.setenv("DAEMONDECK_CONFIG", str(named))
    assert find_config() == named


def test_a_file_that_was_asked_for_has_to_exist(tmp_path: Path) -> None:
    assert "no settings file" in refusal(tmp_path / "nowhere.toml").message


def test_a_file_that_is_not_toml_is_refused_with_its_line(tmp_path: Path) -> None:
    file = written(tmp_path, "port = 1\nhost = \n")

    message = refusal(file).message

    assert str(file) in message
    assert "line 2" in message


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ('port = "many"', "port"),
        ("[lanes]\nio = 0", "lanes.io"),
        ("plugins = 3", "plugins"),
        ("retention_days = -1", "retention_days"),
        ('auth = "maybe"', "auth"),
        ('base_path = "a b"', "base_path"),
        ("[daemons]\nnight_watch = 3", "daemons.night_watch"),
    ],
)
def test_a_wrong_value_is_refused_with_file_and_key_path(tmp_path: Path, text: str, place: str) -> None:
    file = written(tmp_path, text)

    assert f"{file}: {place}: " in refusal(file).message


def test_an_unknown_key_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    error = refusal(written(tmp_path, "prot = 8000"))

    assert "prot: there is no such setting" in error.message
    assert "port" in (error.remedy or "")


def test_a_wrong_variable_is_refused_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAEMONDECK_PORT", "many")
    assert "DAEMONDECK_PORT: " in refusal().message

    monkeypatch.setenv("DAEMONDECK_PORT", "1")
    monkeypatch.setenv("DAEMONDECK_LANES", "{")
    assert "DAEMONDECK_LANES is not valid JSON" in refusal().message


def test_a_wrong_flag_is_refused_by_its_name() -> None:
    assert "--port: " in refusal(port=99999).message


def test_a_refusal_never_shows_the_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAEMONDECK_PORT", "canary-1234")

    error = refusal()

    assert "canary" not in f"{error.message} {error.remedy}"


def test_a_misspelt_variable_is_pointed_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAEMONDECK_PROT", "1")
    monkeypatch.setenv("DAEMONDECK_CONFIG", "x")
    monkeypatch.setenv("DAEMONDECK_DAEMONS__DEMO__PACE", "1")

    assert unknown_variables() == ["DAEMONDECK_PROT"]


def test_lists_in_variables_are_json_or_words_between_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAEMONDECK_PLUGINS", '["one", "two"]')
    monkeypatch.setenv("DAEMONDECK_ALLOWED_HOSTS", "deck.home, deck")

    settings = load_settings()

    assert settings.plugins == ["one", "two"]
    assert settings.allowed_hosts == ["deck.home", "deck"]


def test_lanes_that_are_not_named_keep_their_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = written(tmp_path, "[lanes]\ncpu = 2\n")
    monkeypatch.setenv("DAEMONDECK_LANES__IO", "3")

    assert load_settings(config=file).lanes == {**LANES, "io": 3, "cpu": 2}


def test_options_of_a_daemon_are_kept_apart_by_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = written(tmp_path, '[daemons."night-watch"]\ninterval = 60\ncolour = "red"\n')
    monkeypatch.setenv("DAEMONDECK_DAEMONS__NIGHT_WATCH__INTERVAL", "5")
    monkeypatch.setenv("DAEMONDECK_DAEMONS__NIGHT_WATCH__FOLDERS", '["a", "b"]')

    settings = load_settings(config=file)

    for name in ("night_watch", "night-watch"):
        assert settings.daemon_overrides(name) == {"interval": "5", "folders": ["a", "b"]}
        assert settings.daemon_defaults(name) == {"interval": 60, "colour": "red"}
    assert settings.daemon_overrides("day_watch") == {}


def test_settings_made_directly_know_the_options_of_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAEMONDECK_DAEMONS__DEMO__PACE", "5")

    assert Settings(data_dir=tmp_path).daemon_overrides("demo") == {"pace": "5"}


def test_an_address_others_can_reach_needs_a_password() -> None:
    assert "password is needed" in refusal(host="0.0.0.0").message
    assert "only allowed on this machine" in refusal(host="::", auth="none").message
    assert load_settings({"host": "0.0.0.0", "password": "correct horse"}).port == 8420


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost"])
def test_on_this_machine_nobody_has_to_sign_in_if_so_set(host: str) -> None:
    assert load_settings({"host": host, "auth": "none"}).auth == "none"


def test_signing_in_by_password_needs_one() -> None:
    assert "needs a password" in refusal(auth="password").message


REFUSED = {
    ("token", "open", "no password"),
    ("password", "own", "no password"),
    ("password", "open", "no password"),
    ("none", "open", "no password"),
    ("none", "open", "password"),
}
"""Ways in that would let strangers in. At a proxy it is the proxies that count, see below."""


@pytest.mark.parametrize("password", ["password", "no password"])
@pytest.mark.parametrize(
    ("reach", "host"), [("own", "127.0.0.1"), ("own", "::1"), ("open", "0.0.0.0"), ("open", "192.0.2.1")]
)
@pytest.mark.parametrize("auth", ["token", "password", "none"])
def test_every_way_in_is_safe_or_refused(auth: str, reach: str, host: str, password: str) -> None:
    flags = {"auth": auth, "host": host, "password": "correct horse" if password == "password" else None}

    if (auth, reach, password) in REFUSED:
        assert "password" in refusal(**flags).message + str(refusal(**flags).remedy)
    else:
        assert load_settings(flags).auth == auth


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
@pytest.mark.parametrize(
    ("proxies", "is_safe"), [("", False), ("*", False), ("0.0.0.0/0", False), ("::/0", False), ("10.0.0.2, ::1", True)]
)
def test_a_proxy_is_believed_only_where_it_is_named(host: str, proxies: str, is_safe: bool) -> None:
    flags = {"auth": "proxy", "host": host, "trusted_proxies": proxies}

    if is_safe:
        assert load_settings(flags).trusted_proxies == ["10.0.0.2", "::1"]
    else:
        assert "trusted_proxies" in str(refusal(**flags).remedy)


def test_the_words_about_proxies_are_checked() -> None:
    for wrong in (
        {"proxy_user_header": "Remote User:"},
        {"proxy_default_role": "king"},
        {"proxy_roles": {"a": "king"}},
    ):
        refusal(auth="proxy", trusted_proxies=["10.0.0.2"], **wrong)


def test_secrets_are_masked_wherever_settings_are_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAEMONDECK_PASSWORD", "canary-password")
    monkeypatch.setenv("DAEMONDECK_TOKEN", "canary-token")
    monkeypatch.setenv("DAEMONDECK_DATABASE_URL", "postgresql://deck:canary-database@localhost/deck")
    file = written(tmp_path, '[daemons.fetch]\napi_key = "canary-key"\n')

    settings = load_settings(config=file)

    assert "canary" not in f"{settings!r} {settings!s} {settings.shown()}"
    assert settings.secrets() == ["canary-password", "canary-token", "canary-database"]


def test_the_data_directory_is_made_for_this_user_alone(tmp_path: Path) -> None:
    directory = Settings(data_dir=tmp_path / "with space" / "data").make_data_dir()

    assert stat.S_IMODE(directory.stat().st_mode) == 0o700


def test_a_data_directory_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    for directory in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(BadSettings, match="cannot be used") as refused:
            Settings(data_dir=directory).make_data_dir()
        assert refused.value.error_code == "ERR_DATA_DIR"


def test_a_tilde_is_the_home_directory(tmp_path: Path) -> None:
    assert load_settings({"data_dir": "~/my deck"}).data_dir == tmp_path / "home" / "my deck"


def test_settings_do_not_change(tmp_path: Path) -> None:
    with pytest.raises(ValidationError):
        Settings(data_dir=tmp_path).port = 1  # type: ignore[misc]


def test_every_setting_says_what_it_is() -> None:
    assert all(field.description for field in Settings.model_fields.values())


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        ("http://127.0.0.1:11434", "http://127.0.0.1:11434/v1"),
        (" http://127.0.0.1:11434/v1/ ", "http://127.0.0.1:11434/v1"),
        ("https://api.example.org/v1/chat/completions", "https://api.example.org/v1"),
        ("http://[::1]:8080/llm", "http://[::1]:8080/llm/v1"),
        ("https://example.org/v1beta/openai/", "https://example.org/v1beta/openai"),
        ("", ""),
    ],
)
def test_the_address_of_a_vision_server_may_be_written_in_several_ways(given: str, taken: str) -> None:
    assert load_settings({"vision": {"url": given}}).vision.url == taken


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("url", "ftp://127.0.0.1"),
        ("url", "http://"),
        ("url", "127.0.0.1:11434"),
        ("url", "http://me:canary@127.0.0.1"),
        ("url", "http://127.0.0.1:99999"),
        ("url", "http://a b/"),
        ("url", "http://127.0.0.1/v1?key=canary"),
        ("api_key", "canary\r\nX-Evil: 1"),
        ("api_keys", "good,canary with spaces"),
        ("concurrency", "0"),
        ("warm_up", "inf"),
        ("colour", "blue"),
    ],
)
def test_what_makes_no_sense_of_a_vision_server_is_refused_by_its_variable(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, option: str, value: str
) -> None:
    monkeypatch.setenv(f"DAEMONDECK_VISION__{option.upper()}", value)

    refused = refusal(written(tmp_path, '[vision]\nmodel = "tiny"\n'))

    assert f"DAEMONDECK_VISION__{option.upper()}" in refused.message
    assert "canary" not in f"{refused} {refused.remedy}"
    assert option != "colour" or "warm_up" in str(refused.remedy)


def test_the_section_in_the_manual_is_one_that_is_taken(tmp_path: Path) -> None:
    manual = (Path(__file__).parents[1] / "docs" / "describe.md").read_text("utf-8")
    section = manual.partition("```toml\n")[2].partition("```")[0].replace("# requests", "requests")

    vision = load_settings(config=written(tmp_path, section)).vision

    assert (vision.url, vision.requests_per_minute) == ("http://127.0.0.1:11434/v1", 60)
    assert set(VisionSettings.model_fields) == set(re.findall(r"\b(\w+) = ", section))


def test_a_section_is_put_together_from_file_and_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAEMONDECK_VISION__API_KEYS", "canary-1, canary-2")
    file = written(tmp_path, '[vision]\nurl = "http://127.0.0.1:1"\napi_key = "canary-3"\n')

    settings = load_settings(config=file)

    assert settings.vision.keys() == ["canary-3", "canary-1", "canary-2"]
    assert {"canary-1", "canary-2", "canary-3"} <= set(settings.secrets())
    assert "canary" not in f"{settings!r} {settings.shown()}" and len(settings.shown()["vision"]["api_keys"]) == 2
    places = [settings.source("vision", option) for option in ("url", "api_keys", "model")]
    assert places == [str(file), "DAEMONDECK_VISION__API_KEYS", "default"]


def test_the_sections_for_pages_and_embeddings_in_the_manual_are_taken(tmp_path: Path) -> None:
    manual = (Path(__file__).parents[1] / "docs" / "web_pages.md").read_text("utf-8")
    sections = re.findall(r"```toml\n(.*?)```", manual, re.DOTALL)
    given = "\n".join(section.replace("# ", "") for section in sections)
    written_out = re.sub(r'^(\w+ = (?:"[^"]*"|\[[^]]*\]|\S+)).*$', r"\1", given, flags=re.MULTILINE)

    settings = load_settings(config=written(tmp_path, written_out.replace('api_key = "…"', 'api_key = "x"')))

    usual = load_settings()
    assert settings.web_pages == usual.web_pages.model_copy(update={"allow_private": ["archive.example.org"]})
    names = {name for section in sections for name in re.findall(r"^(?:# )?(\w+) = ", section, re.MULTILINE)}
    fields = {*type(usual.web_pages).model_fields, *type(usual.embeddings).model_fields}
    assert fields - names == {"api_keys"} and names <= fields

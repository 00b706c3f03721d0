"""The section `filemaker`: what is taken, what is refused, and what nobody sees."""

import re
from pathlib import Path

import pytest

from daemons.clients.filemaker import errors
from daemons.errors import DaemonError
from daemons.settings import BadSettings, load_settings
from daemons.settings.filemaker import FileMakerSettings


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        ("https://fm.example.org", "https://fm.example.org"),
        (" https://fm.example.org/fmi/data/vLatest/databases/A ", "https://fm.example.org"),
        ("https://[::1]:8443/", "https://[::1]:8443"),
        ("http://127.0.0.1:3000", "http://127.0.0.1:3000"),
        ("", ""),
    ],
)
def test_the_address_of_a_server_may_be_written_in_several_ways(given: str, taken: str) -> None:
    assert load_settings({"filemaker": {"url": given}}).filemaker.url == taken


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("url", "http://fm.example.org"),
        ("url", "ftp://fm.example.org"),
        ("url", "https://"),
        ("url", "https://me:canary@fm.example.org"),
        ("url", "https://fm.example.org:99999"),
        ("url", "https://fm.example.org/shop"),
        ("user", "me:canary"),
        ("version", "v9"),
        ("page_size", "0"),
        ("timeout", "inf"),
        ("colour", "blue"),
        ("stills", '{"colour": "blue"}'),
    ],
)
def test_what_makes_no_sense_is_refused_by_its_variable(
    monkeypatch: pytest.MonkeyPatch, option: str, value: str
) -> None:
    monkeypatch.setenv(f"DAEMONDECK_FILEMAKER__{option.upper()}", value)

    with pytest.raises(BadSettings, match=f"DAEMONDECK_FILEMAKER__{option.upper()}") as refused:
        load_settings()

    assert "canary" not in f"{refused.value} {refused.value.remedy}"


def test_a_layout_is_named_in_a_file_and_the_password_in_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAEMONDECK_FILEMAKER__PASSWORD", "canary")
    file = tmp_path / "deck.toml"
    file.write_text(
        '[filemaker]\nurl = "https://fm.example.org"\n[filemaker.footage]\nlayout = ""\n'
        '[filemaker.stills]\nlayout = "Photos"\nconsole = ""\nfields = { caption = "Words" }\n'
    )

    settings = load_settings(config=file)

    filemaker = settings.filemaker
    assert [*filemaker.layouts()] == ["stills"]
    # What is not said is as usual.
    assert [*filemaker.stills.named()] == ["AutoLog_Status", "INFO_STILLS_ID", "SPECS_Filepath_Import", "Words"]
    assert "canary" in settings.secrets() and "canary" not in f"{settings!r} {settings.shown()}"


def test_the_sections_in_the_manual_are_as_they_are_taken(tmp_path: Path) -> None:
    manual = (Path(__file__).parents[3] / "docs" / "filemaker.md").read_text("utf-8")
    file = tmp_path / "deck.toml"
    file.write_text(manual.partition("```toml\n")[2].partition("```")[0])

    filemaker = load_settings(config=file).filemaker

    usual = FileMakerSettings()
    assert (filemaker.footage, filemaker.frames) == (usual.footage, usual.frames)
    assert filemaker.stills.model_dump(exclude={"fields"}) == usual.stills.model_dump(exclude={"fields"})
    assert filemaker.stills.fields.items() <= usual.stills.fields.items()
    assert filemaker.model_fields_set == set(FileMakerSettings.model_fields)


def test_the_codes_in_the_manual_are_those_that_are_raised() -> None:
    manual = (Path(__file__).parents[3] / "docs" / "filemaker.md").read_text("utf-8")

    told = set(re.findall(r"`(ERR_FILEMAKER_\w+)`", manual))

    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, DaemonError)]
    assert told <= {kind.code for kind in kinds}

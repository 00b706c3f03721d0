"""The FileMaker Server whose records climb, as calls and on the System page: what is set, tested by a button."""

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest

from daemons.clock import SystemClock
from daemons.settings import Settings
from daemons.settings.filemaker import STILLS
from tests.fakes.filemaker import DATABASE, PASSWORD, USER, FileMakerServer, serving
from web.api import filemaker

HOSTILE = "<b>"


@pytest.fixture
async def server() -> AsyncIterator[FileMakerServer]:
    async with serving(SystemClock()) as server:
        server.table("Stills", *(name for name in STILLS.named() if name != "SPECS_URL"), f"SPECS_URL{HOSTILE}")
        yield server


@pytest.fixture
def settings(tmp_path: Path, migrated: Path, server: FileMakerServer) -> Settings:
    shutil.copyfile(migrated, tmp_path / migrated.name)
    section = {"url": server.url, "database": DATABASE, "user": USER, "password": PASSWORD, "footage": {"layout": ""}}
    return Settings(data_dir=tmp_path, filemaker=section)  # type: ignore[arg-type]


async def test_the_button_tells_what_the_call_tells(browser: httpx2.AsyncClient) -> None:
    before = await browser.get("/system")
    assert "Test FileMaker" in before.text and "filemaker" not in before.text.split("Test FileMaker")[1]

    pressed = await browser.post("/system/filemaker/test", headers={"Origin": str(browser.base_url)})
    page = (await browser.get("/system")).text
    told = (await browser.get("/api/filemaker")).json()

    assert (pressed.status_code, pressed.headers["location"]) == (303, "/system#filemaker")
    assert "It works" in page and "21.0.1.51" in page and "The layout Stills has 11 fields" in page
    assert "filemaker.stills.fields.url" in page and "SPECS_URL&lt;b&gt;" in page and "SPECS_URL<b>" not in page
    filemaker.FileMakerShape.model_validate(told)
    assert told["last_test"]["works"] and told["layouts"] == {"stills": "Stills"}
    assert PASSWORD not in page + str(told)


async def test_what_is_wrong_is_told_with_what_to_do_and_in_health(
    program: httpx2.AsyncClient, server: FileMakerServer
) -> None:
    server.layouts.clear()
    report = (await program.post("/api/filemaker/test")).json()
    health = (await program.get("/api/health")).json()
    page = (await program.get("/system")).text

    filemaker.FileMakerReportShape.model_validate(report)
    assert (report["works"], report["problem"]["code"]) == (False, "ERR_FILEMAKER_LAYOUT_MISSING")
    assert "It does not work" in page and "Correct filemaker.stills.layout" in page
    [found] = [one for one in health["items"] if one["code"] == "ERR_FILEMAKER_LAYOUT_MISSING"]
    assert found["link"] == "/system#filemaker" and "filemaker.stills.layout" in found["remedy"]

    server.table("Stills", *STILLS.named())
    assert (await program.post("/api/filemaker/test")).json()["works"]
    assert "FILEMAKER" not in (await program.get("/api/health")).text


async def test_onlookers_see_it_and_press_nothing(onlooker: httpx2.AsyncClient, server: FileMakerServer) -> None:
    assert "Test FileMaker" in (await onlooker.get("/system")).text
    assert (await onlooker.post("/system/filemaker/test")).status_code == 403
    assert server.requests == []


class TestWithoutOne:
    """A deck for which no server is set, or only a part of it."""

    @pytest.fixture(params=["", "https://files.example.org"])
    def settings(self, tmp_path: Path, migrated: Path, request: pytest.FixtureRequest) -> Settings:
        shutil.copyfile(migrated, tmp_path / migrated.name)
        return Settings(data_dir=tmp_path, filemaker={"url": request.param})  # type: ignore[arg-type]

    async def test_it_says_what_to_set(self, program: httpx2.AsyncClient) -> None:
        page = (await program.get("/system")).text
        told = (await program.get("/api/filemaker")).json()
        refused = await program.post("/api/filemaker/test")

        missing = "filemaker.database" if told["url"] else "filemaker.url"
        assert f"Not configured: set <code>{missing}</code>" in page
        assert (told["unset"], told["last_test"]) == (missing, None)
        assert refused.status_code == 409
        assert refused.json()["error"]["message"] == f"Not configured: set {missing}."

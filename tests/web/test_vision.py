"""The server that describes pictures, as calls and on the System page: what is set, tested by a button."""

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest

from daemons.service import Service
from daemons.settings import Settings
from tests.fakes.openai_server import MODEL, OpenAIServer, chat, error, serving
from web.api import vision

KEYS = ["canary-key-0001", "canary-key-0002"]
HOSTILE = "<script>alert(1)</script>\u202e 🦊"


@pytest.fixture
async def server() -> AsyncIterator[OpenAIServer]:
    async with serving() as server:
        server.keys = set(KEYS)
        yield server


@pytest.fixture
def settings(tmp_path: Path, migrated: Path, server: OpenAIServer) -> Settings:
    shutil.copyfile(migrated, tmp_path / migrated.name)
    section = {"url": server.url, "model": MODEL, "api_keys": KEYS}
    return Settings(data_dir=tmp_path, vision=section)  # type: ignore[arg-type]


async def test_the_button_tells_what_the_call_tells(browser: httpx2.AsyncClient, server: OpenAIServer) -> None:
    before = await browser.get("/system")
    assert "Test the vision server" in before.text and "Last test" not in before.text
    server.chat = lambda question: chat(f"Blue. {HOSTILE}")

    pressed = await browser.post("/system/vision/test", headers={"Origin": str(browser.base_url)})
    page = (await browser.get("/system")).text
    told = (await browser.get("/api/vision")).json()

    assert (pressed.status_code, pressed.headers["location"]) == (303, "/system#vision")
    assert "It works" in page and "Blue. &lt;script&gt;" in page and "<script>alert" not in page and MODEL in page
    vision.VisionShape.model_validate(told)
    assert told["last_test"]["works"] and told["keys"] == 2 and "canary" not in page + str(told)


async def test_a_refused_key_is_told_with_what_to_do_and_in_health(
    program: httpx2.AsyncClient, server: OpenAIServer, service: Service
) -> None:
    server.keys = {KEYS[0]}
    report = (await program.post("/api/vision/test", json={})).json()
    service.health.look()
    health = (await program.get("/api/health")).json()

    vision.ReportShape.model_validate(report)
    assert report["works"] and [bool(key["problem"]) for key in report["keys"]] == [False, True]
    assert [one["message"][:5] for one in health["items"] if one["code"] == "ERR_KEY_REFUSED"] == ["Key 2"]
    assert "canary" not in f"{report} {health}"

    server.keys = set(KEYS)
    server.chat = lambda question: error(404, f"no model {HOSTILE}")
    report = (await program.post("/api/vision/test", json={"model": "nope"})).json()
    page = (await program.get("/system")).text
    assert not report["works"] and report["problem"]["code"] == "ERR_MODEL_UNKNOWN"
    assert "It does not work" in page and "<script>alert" not in page and f"It lists: {MODEL}." in page


async def test_onlookers_see_it_and_press_nothing(onlooker: httpx2.AsyncClient, server: OpenAIServer) -> None:
    assert "Vision server" in (await onlooker.get("/system")).text
    assert (await onlooker.post("/system/vision/test")).status_code == 403
    assert server.questions == []


class TestWithoutOne:
    """A deck for which no server is set."""

    @pytest.fixture
    def settings(self, tmp_path: Path, migrated: Path) -> Settings:
        shutil.copyfile(migrated, tmp_path / migrated.name)
        return Settings(data_dir=tmp_path)

    async def test_it_says_what_to_set(self, program: httpx2.AsyncClient) -> None:
        page = (await program.get("/system")).text
        told = (await program.get("/api/vision")).json()
        refused = await program.post("/api/vision/test", json={})

        assert "Not configured: set <code>vision.url</code>" in page and told["url"] == "" and not told["last_test"]
        assert refused.status_code == 409
        assert refused.json()["error"]["message"] == "Not configured: set vision.url."
        assert "DAEMONDECK_VISION__URL" in refused.json()["error"]["remedy"]

from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.testclient import TestClient

from web.assets import TEMPLATES, Assets


@pytest.fixture
def assets(tmp_path: Path) -> Assets:
    (tmp_path / "vendor").mkdir()
    (tmp_path / "app.css").write_text("body {}")
    (tmp_path / "vendor" / "lib.min.js").write_text("1")
    return Assets(tmp_path)


@pytest.fixture
def client(assets: Assets) -> TestClient:
    return TestClient(Starlette(routes=[Mount("/static", assets)]))


def test_a_file_is_served_under_its_hashed_name_and_kept_for_ever(assets: Assets, client: TestClient) -> None:
    answer = client.get(f"/static/{assets.name('vendor/lib.min.js')}")

    assert answer.text == "1"
    assert "immutable" in answer.headers["cache-control"]
    assert assets.name("vendor/lib.min.js").startswith("vendor/lib.min.")


def test_other_content_has_another_name(assets: Assets, tmp_path: Path) -> None:
    (tmp_path / "app.css").write_text("body { color: red }")

    assert Assets(tmp_path).name("app.css") != assets.name("app.css")


@pytest.mark.parametrize("path", ["app.css", "vendor/", "../conftest.py", "%2e%2e/conftest.py", "/etc/passwd", "a%00b"])
def test_nothing_else_is_served(client: TestClient, path: str) -> None:
    assert client.get(f"/static/{path}").status_code == 404


def test_a_file_that_is_missing_says_how_to_get_it(assets: Assets) -> None:
    with pytest.raises(FileNotFoundError, match="make install"):
        assets.name("vendor/htmx.min.js")


def test_the_templates_are_found() -> None:
    assert (TEMPLATES / "base.html").is_file()

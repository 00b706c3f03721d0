import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CATALOGUE = "web/locale/xx/LC_MESSAGES/daemondeck.mo"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """Build one from a copy of the sources that also has a catalogue of translations."""
    folder, sources = tmp_path_factory.mktemp("wheel"), tmp_path_factory.mktemp("sources") / "daemondeck"
    left_out = shutil.ignore_patterns(".*_cache", ".git", ".venv", ".ci", "__pycache__", "node_modules", "tests")
    shutil.copytree(ROOT, sources, ignore=left_out)
    catalogue = sources / CATALOGUE
    catalogue.parent.mkdir(parents=True)
    catalogue.touch()
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(build, cwd=sources, check=True, capture_output=True, timeout=50)
    (built,) = folder.glob("*.whl")
    return zipfile.ZipFile(built)


@pytest.mark.parametrize(
    "file",
    [
        "web/templates/base.html",
        "web/static/app.css",
        "web/static/vendor/htmx.min.js",
        "web/static/vendor/hx-ws.min.js",
        "web/static/vendor/htmx.LICENSE",
        "daemons/migrations/env.py",
        CATALOGUE,
    ],
)
def test_the_wheel_carries_what_the_page_and_the_database_need(wheel: zipfile.ZipFile, file: str) -> None:
    assert file in wheel.namelist()


def test_the_wheel_installs_nothing_beside_its_two_packages(wheel: zipfile.ZipFile) -> None:
    folders = {name.split("/")[0] for name in wheel.namelist()}

    assert {folder for folder in folders if not folder.endswith(".dist-info")} == {"daemons", "web"}


def test_the_pinned_libraries_name_no_registry_and_have_hashes() -> None:
    lock = (ROOT / "package-lock.json").read_text()

    assert "http" not in lock
    assert lock.count('"integrity": "sha512-') == 2

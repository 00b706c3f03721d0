"""A data directory of the test's own, with its tables made already: a start need not do it again."""

import shutil
from pathlib import Path

import pytest

DATABASE = "daemondeck.db"


@pytest.fixture
def data_dir(tmp_path: Path, sqlite_template: Path) -> Path:
    """Return a data directory whose deck has never been started."""
    data = tmp_path / "data"
    data.mkdir(mode=0o700)
    shutil.copyfile(sqlite_template, data / DATABASE)
    return data

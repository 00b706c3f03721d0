"""A data directory of the test's own, with its tables made already: a start need not do it again."""

from pathlib import Path

import pytest

from tests.forked import seed


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """Return a data directory whose deck has never been started."""
    data = tmp_path / "data"
    data.mkdir(mode=0o700)
    seed(data)
    return data

"""Tests that load a model: they run where the extra `vlm` is installed, and say so elsewhere."""

from pathlib import Path

import pytest

from tests.vlm.tiny_model import make_silent_model, make_tiny_model


@pytest.fixture(scope="session", autouse=True)
def libraries() -> None:
    """Skip these tests where there is nothing to load a model with."""
    pytest.importorskip("torch", reason="needs the extra `vlm`: pip install 'daemondeck[vlm]'")


@pytest.fixture(scope="session")
def tiny_model(libraries: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a model that answers with noise."""
    return make_tiny_model(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="session")
def silent_model(libraries: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a model that answers with nothing."""
    return make_silent_model(tmp_path_factory.mktemp("silent"))

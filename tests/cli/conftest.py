"""A deck of its own for each module of tests, and for each test that asks."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.deck_runner import DeckRunner, Serving


@pytest.fixture(scope="module")
def deck(tmp_path_factory: pytest.TempPathFactory) -> DeckRunner:
    """Return the runner of the module's deck."""
    return DeckRunner(tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="module")
def serving(deck: DeckRunner) -> Iterator[Serving]:
    """Serve the module's deck."""
    with deck.serving() as serving:
        yield serving


@pytest.fixture
def own_deck(tmp_path: Path) -> DeckRunner:
    """Return a runner for this test alone."""
    return DeckRunner(tmp_path)

"""What the tests of dispatchers share."""

from collections.abc import Callable

import pytest

from daemons.bus import Bus
from daemons.database import Database
from daemons.dispatch import Dispatcher
from tests.dispatch.job_deck import JobDeck
from tests.fake_clock import FakeClock


@pytest.fixture
def deck(database: Database, clock: FakeClock, bus: Bus, make_dispatcher: Callable[[], Dispatcher]) -> JobDeck:
    """Return a deck on the test's database, with the dispatcher under test."""
    return JobDeck(database, clock, bus, make_dispatcher)

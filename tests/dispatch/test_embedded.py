"""The embedded dispatcher keeps the promises of the seam."""

from collections.abc import Callable

import pytest

from daemons.bus import Bus
from daemons.dispatch.embedded import EmbeddedDispatcher
from tests.dispatch.conformance import (
    EndsConformance,
    FencingConformance,
    OrderConformance,
    StoppingConformance,
    StormConformance,
)


@pytest.fixture
def make_dispatcher(bus: Bus) -> Callable[[], EmbeddedDispatcher]:
    return lambda: EmbeddedDispatcher(bus)


class TestEnds(EndsConformance):
    """How jobs end."""


class TestStopping(StoppingConformance):
    """How jobs are ended."""


class TestOrder(OrderConformance):
    """Which job runs when."""


class TestFencing(FencingConformance):
    """Who may write to a job."""


class TestStorms(StormConformance):
    """What a job may throw at the deck."""

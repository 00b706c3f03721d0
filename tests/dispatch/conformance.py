"""What every dispatcher must keep, written against the seam: the same handlers, whoever carries the jobs.

A dispatcher's test module defines the fixture `make_dispatcher` and derives a test class from each of these.
"""

from tests.dispatch.conformance_ends import EndsConformance
from tests.dispatch.conformance_fencing import FencingConformance
from tests.dispatch.conformance_ordering import OrderConformance
from tests.dispatch.conformance_stopping import StoppingConformance
from tests.dispatch.conformance_storms import StormConformance

__all__ = ["EndsConformance", "FencingConformance", "OrderConformance", "StoppingConformance", "StormConformance"]

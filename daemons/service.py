"""The whole engine, opened in order and closed in reverse.

    database ─▶ journal, readings ─▶ roster, board ─▶ leases ─▶ registry ─▶ jobs, orders ─▶ executor ─▶ supervisor
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from importlib.metadata import PackageNotFoundError, version
from typing import Any
from uuid import uuid4

from daemons.access import Access
from daemons.bus import Bus
from daemons.clock import Clock, SystemClock
from daemons.database import Database
from daemons.dispatch.embedded import EmbeddedDispatcher
from daemons.errors import Unavailable
from daemons.executor import Executor
from daemons.jobs import Jobs
from daemons.journal import Journal
from daemons.leases import Leases
from daemons.orders import Orders
from daemons.readings import Readings
from daemons.registry import Registry
from daemons.roster import Roster
from daemons.settings import Settings
from daemons.status import StatusBoard
from daemons.supervisor import Supervisor
from daemons.values import DaemonRow

GRACE = 6.0
"""Seconds daemons and jobs get to end when the process stops."""
HOUSEKEEPING = 3600.0
"""Seconds between two rounds of deleting what is too old."""


class Service:
    """Everything that runs, by name. Made by `open_service`."""

    settings: Settings
    clock: Clock
    bus: Bus
    database: Database
    journal: Journal
    readings: Readings
    roster: Roster
    board: StatusBoard
    leases: Leases
    registry: Registry
    jobs: Jobs
    orders: Orders
    executor: Executor
    supervisor: Supervisor
    access: Access
    boot: str
    version: str

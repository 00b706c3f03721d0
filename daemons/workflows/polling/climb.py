"""The job that has records climb, for a daemon that watches or for a person who asks for one run."""

import asyncio
from typing import Any

from pydantic import BaseModel, Field

from daemons.errors import UnknownName
from daemons.handlers import JobContext, job
from daemons.workflows.polling.climber import Climber
from daemons.workflows.polling.keeper import RecordKeeper
from daemons.workflows.polling.options import CHAIN_LIMIT, CONCURRENCY, POLL_INTERVAL

LANE = "climb"
TIDY_UP = 30.0
"""Seconds for the steps in hand when the climb is to end."""


class ClimbArgs(BaseModel):
    """Which ladders, and for how long."""

    ladders: list[str] = Field(min_length=1, max_length=20)
    options: dict[str, Any] = Field(default_factory=dict, description="Of the ladder, as its daemon has them.")
    duration: float | None = Field(None, ge=0, le=604_800, description="Seconds; empty: until nothing is left to do.")
    linger: float | None = Field(
        0, ge=0, description="Seconds without anything due after which it ends; empty: it stays for the whole duration."
    )
    until_settled: bool = Field(
        False,
        description="Wait also for what is to be tried again later, and end once every record is complete, parked or "
        "awaits input.",
    )
    concurrency: int = Field(CONCURRENCY, ge=1, le=1000)
    chain_limit: int = Field(CHAIN_LIMIT, ge=1, le=100)
    interval: float = Field(POLL_INTERVAL, gt=0, le=86_400)


class ClimbResult(BaseModel):
    """What was done: tries of steps, and records that came to where the words say."""

    steps: int
    chained: int
    failed: int
    complete: int
    awaiting: int
    parked: int
    refused: int


@job("climb", max_attempts=10, lane=LANE, tidy_up=TIDY_UP, keeps_awake=True)
async def climb(ctx: JobContext, args: ClimbArgs) -> ClimbResult:
    """Takes every record of its ladders as far as it can go."""
    keeper = ctx.keeper(RecordKeeper)
    ladders = [keeper.ladder(name) for name in args.ladders]
    kind = ladders[0].options
    if kind is None and args.options:
        raise UnknownName(f"{ladders[0].name} has no options.")
    climber = Climber(
        ctx,
        keeper,
        ladders,
        kind.model_validate(args.options) if kind is not None else None,
        keeper.clock,
        concurrency=args.concurrency,
        chain_limit=args.chain_limit,
        interval=args.interval,
    )
    until = keeper.clock.monotonic() + args.duration if args.duration is not None else None
    climbing = asyncio.ensure_future(climber.run(linger=args.linger, until=until, until_settled=args.until_settled))
    try:
        await asyncio.shield(climbing)
    except asyncio.CancelledError:
        # The steps that run may come to their end; what does not is given back.
        climber.drain()
        if await keeper.clock.settle({climbing}, TIDY_UP / 3):
            climbing.cancel()
            await keeper.clock.settle({climbing}, TIDY_UP / 3)
        raise
    return ClimbResult(**vars(climber.tally))

"""The job that writes many sidecars; what one image refuses costs itself."""

from collections import Counter

from pydantic import BaseModel, Field

from daemons.errors import DaemonError
from daemons.handlers import JobContext, job
from daemons.workflows.describe.keeper import SIDECARS_OF_A_JOB, DescriptionKeeper

REFUSALS_TOLD = 20
"""Of one job, in its log; the result counts all of them."""


class SidecarArgs(BaseModel):
    """Which descriptions to write beside their images."""

    ids: list[str] = Field(max_length=SIDECARS_OF_A_JOB)
    merge: bool = Field(False, description="Whether to add to sidecars of other programs too.")


class SidecarResult(BaseModel):
    """How many were written, and of the others how many for which reason."""

    written: int
    refused: dict[str, int]


@job("write_sidecars", max_attempts=3, lane="io")
async def write_sidecars(ctx: JobContext, args: SidecarArgs) -> SidecarResult:
    """Writes descriptions into XMP files beside their images."""
    keeper = ctx.keeper(DescriptionKeeper)
    refused: Counter[str] = Counter()
    for number, description_id in enumerate(args.ids, 1):
        try:
            path = await keeper.write_sidecar(description_id, merge=args.merge)
        except DaemonError as error:
            refused[error.error_code] += 1
            if refused.total() <= REFUSALS_TOLD:
                await ctx.log("warning", f"{description_id}: {error.error_code}: {error.message}")
            path = description_id
        await ctx.progress(number, len(args.ids), path)
    return SidecarResult(written=len(args.ids) - refused.total(), refused=dict(refused))

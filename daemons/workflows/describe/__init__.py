"""Describes the images of a folder: a daemon that finds them, jobs of one batch, worker processes that look at them.

`workflow` is made when it is asked for, so that a worker process imports none of it.
"""

from typing import TYPE_CHECKING

from daemons.workflow import Workflow

if TYPE_CHECKING:
    workflow: Workflow


def __getattr__(name: str) -> Workflow:
    if name != "workflow":
        raise AttributeError(name)
    from daemons.workflows.describe.describe_batch import describe_batch
    from daemons.workflows.describe.describe_image import describe_image
    from daemons.workflows.describe.describe_images import DescribeImages
    from daemons.workflows.describe.keeper import DescriptionKeeper
    from daemons.workflows.describe.tables import DescriptionTable, DescriptionVersionTable
    from daemons.workflows.describe.write_sidecars import write_sidecars

    return Workflow(
        "describe",
        daemons=[DescribeImages],
        jobs=[describe_batch, describe_image, write_sidecars],
        tables=[DescriptionTable, DescriptionVersionTable],
        keeper=DescriptionKeeper,
    )

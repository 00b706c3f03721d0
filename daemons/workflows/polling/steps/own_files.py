"""Where steps keep files of the deck's own."""

from pathlib import Path

from daemons.workflows.polling.ladder import StepContext


def own_folder(ctx: StepContext) -> Path:
    """Return the folder of records below the deck's data; it may not be there yet."""
    # Here, because the keeper knows every ladder, and they know this.
    from daemons.workflows.polling.keeper import RecordKeeper

    return ctx.keeper(RecordKeeper).folder

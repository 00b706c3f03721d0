"""Decides whether enough is known of a record for it to be described, or whether a person is asked."""

from daemons.values import JsonValue
from daemons.workflows.polling.evaluation import FULL, evaluate
from daemons.workflows.polling.ladder import Outcome, StepContext
from daemons.workflows.polling.records import Reason, Record

AWAITING = "Awaiting User Input"


async def evaluate_metadata(ctx: StepContext, record: Record) -> Outcome:
    """Rate what is known; below the threshold of the ladder's options the record awaits a person, with reasons."""
    found = evaluate(record)
    threshold: float = ctx.options.threshold
    fields: dict[str, JsonValue] = {
        "quality": found.quality,
        "quality_parts": dict(found.parts),
        "quality_grade": found.grade,
    }
    if found.quality >= threshold:
        return Outcome(fields, note=found.explanation)
    sentence = (
        f"{found.points:g} of {FULL:g} points are known of it, grade {found.grade}; {threshold * FULL:g} are needed."
    )
    reasons = [Reason("quality_too_low", sentence), *found.reasons]
    if isinstance(problem := record.fields.get("url_problem"), str):
        reasons.append(Reason("url_unreadable", f"Its URL told nothing: {problem}", "url"))
    return Outcome(fields, to=AWAITING, note=found.explanation, reasons=reasons)

"""The ladder of stills, with the statuses that the scripts before it had, letter for letter."""

from dataclasses import replace
from typing import Annotated

from pydantic import AfterValidator, BaseModel, Field

from daemons.text import clean
from daemons.workflows.polling.ladder import PATIENT_ATTEMPTS, Ladder, Outcome, Step, StepContext
from daemons.workflows.polling.metadata.dates import iso_date
from daemons.workflows.polling.options import StillsOptions
from daemons.workflows.polling.records import Record
from daemons.workflows.polling.steps.copying import copy
from daemons.workflows.polling.steps.describing import describe
from daemons.workflows.polling.steps.embedding import embed
from daemons.workflows.polling.steps.file_info import file_info
from daemons.workflows.polling.steps.files import PENDING
from daemons.workflows.polling.steps.metadata import metadata
from daemons.workflows.polling.steps.quality import AWAITING, evaluate_metadata
from daemons.workflows.polling.steps.scraping import scrape, url_of

INFO = "1 - File Info Complete"
COPIED = "2 - Server Copy Complete"
PARSED = "3 - Metadata Parsed"
SCRAPED = "4 - Scraping URL"
DESCRIBING = "5 - Generating Description"
EMBEDDING = "6 - Generating Embeddings"
FORCED = "Force Resume"
STATUSES = (PENDING, INFO, COPIED, PARSED, SCRAPED, DESCRIBING, EMBEDDING, AWAITING, FORCED)

LARGE_FILE_SECONDS = 6 * 3600.0
"""What 40 GB take to be read, over a slow network."""
DESCRIBING_SECONDS = 3600.0
"""A model may have to be loaded first, and others may stand in line for it."""
_LONGEST = 100_000


def _line(text: str) -> str:
    return clean(" ".join(text.split()), _LONGEST)


def _lines(text: str) -> str:
    return clean(text.strip(), _LONGEST, keep_newlines=True)


def _date(text: str) -> str:
    # What is no date is kept as it was written: “about 1931” is what is known.
    return iso_date(text) or _line(text)


def _words(words: list[str]) -> list[str]:
    return [*dict.fromkeys(line for word in words if (line := _line(word)))]


Line = Annotated[str, AfterValidator(_line), Field(json_schema_extra={"lines": 1})]
Lines = Annotated[str, AfterValidator(_lines)]


class StillForm(BaseModel):
    """What a person knows of a still. What is left empty stays unknown."""

    title: Line = Field("", max_length=255, description="What it is called.")
    caption: Lines = Field("", max_length=8_000, description="What is seen, who, and on what occasion.")
    keywords: Annotated[list[Annotated[str, Field(max_length=100)]], AfterValidator(_words)] = Field(
        [], max_length=100, description="Words by which it is to be found."
    )
    url: Line = Field("", max_length=2_000, description="The page on the web that tells of it; it is read at once.")
    creator: Line = Field("", max_length=255, description="Who made it.")
    place: Line = Field("", max_length=255, description="Where it was taken.")
    taken_at: Annotated[str, AfterValidator(_date)] = Field(
        "", max_length=64, description="When it was taken: a day, a month, a year, or about when."
    )
    notes: Lines = Field("", max_length=8_000, description="Anything else, such as where the original is kept.")


async def scrape_if_wanted(ctx: StepContext, record: Record) -> Outcome:
    """Read the page of the record's URL, unless that is switched off."""
    if not ctx.options.scrape:
        return Outcome(note="URLs are not read: `scrape` is off.")
    return await scrape(ctx, record)


async def embed_all(ctx: StepContext, record: Record) -> Outcome:
    """Make the vector that the record is compared by; one without words has none, and is done all the same."""
    outcome = await embed(ctx, record)
    if outcome.fields.get("embedding") is None:
        return replace(outcome, fields={**outcome.fields, "embedding_dimensions": 0})
    return outcome


def has_no_embedding(record: Record) -> bool:
    """Whether the vector is still to be made; describing the image anew takes it back."""
    return record.fields.get("embedding_dimensions") is None


async def resume(_ctx: StepContext, _record: Record) -> Outcome:
    """Go on with what is known, be it little."""
    return Outcome(note="A person had it go on with what is known.")


def has_url_to_read(record: Record) -> bool:
    """Whether there is a URL; while a person is waited for, only one that was written since the last was read."""
    if not url_of(record):
        return False
    return record.status != AWAITING or written_at(record, "url") > max(
        written_at(record, "url_scraped_at"), written_at(record, "url_problem")
    )


def written_at(record: Record, field: str) -> str:
    """Return when a field was written, as ISO text; empty where it is unknown."""
    at = record.provenance.get(field, {}).get("at", "")
    return at if isinstance(at, str) else ""


STILLS = Ladder(
    "stills",
    "Stills",
    "ST",
    (
        Step("file_info", file_info, (PENDING,), INFO, timeout=LARGE_FILE_SECONDS, title="Read the file's facts"),
        Step("copy", copy, (INFO,), COPIED, timeout=LARGE_FILE_SECONDS, title="Copy to the library"),
        Step("metadata", metadata, (COPIED,), PARSED, title="Read the metadata"),
        Step("scrape", scrape_if_wanted, (PARSED, AWAITING), SCRAPED, when=has_url_to_read, title="Read the URL"),
        Step("evaluate", evaluate_metadata, (PARSED, SCRAPED, AWAITING), DESCRIBING, title="Rate what is known"),
        Step("resume", resume, (FORCED,), DESCRIBING, title="Go on as it is"),
        Step(
            "describe",
            describe,
            (DESCRIBING,),
            EMBEDDING,
            timeout=DESCRIBING_SECONDS,
            max_attempts=PATIENT_ATTEMPTS,
            lane="model",
            title="Describe the image",
        ),
        Step(
            "embed",
            embed_all,
            (EMBEDDING,),
            EMBEDDING,
            when=has_no_embedding,
            timeout=DESCRIBING_SECONDS,
            max_attempts=PATIENT_ATTEMPTS,
            lane="model",
            title="Make it comparable",
            makes_vector=True,
        ),
    ),
    statuses=STATUSES,
    final=frozenset({EMBEDDING}),
    awaiting=AWAITING,
    form=StillForm,
    options=StillsOptions,
    forced=FORCED,
)

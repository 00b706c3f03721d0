"""The ladder of footage: clips, which go on once every one of their frames has come to the end of its own ladder."""

from daemons.workflows.polling.ladder import PATIENT_ATTEMPTS, Ladder, Step
from daemons.workflows.polling.ladders.stills import (
    DESCRIBING_SECONDS,
    LARGE_FILE_SECONDS,
    StillForm,
    has_url_to_read,
    resume,
    scrape_if_wanted,
)
from daemons.workflows.polling.options import FootageOptions
from daemons.workflows.polling.steps.files import PENDING
from daemons.workflows.polling.steps.footage import probe as probing
from daemons.workflows.polling.steps.footage import summarising
from daemons.workflows.polling.steps.footage.framing import framing
from daemons.workflows.polling.steps.footage.probe import FALSE_START, probe
from daemons.workflows.polling.steps.footage.summarising import avid_description, summarise
from daemons.workflows.polling.steps.footage.thumbnails import thumbnails
from daemons.workflows.polling.steps.quality import AWAITING, evaluate_metadata

FILE_INFO = "1 - File Info Complete"
THUMBNAILS = "2 - Thumbnails Complete"
FRAMES_MADE = "3 - Creating Frames"
SCRAPED = "4 - Scraping URL"
PROCESSING = "5 - Processing Frame Info"
DESCRIBED = "6 - Generating Description"
AVID = "7 - Avid Description"
FORCED = "Force Resume"

FOOTAGE = Ladder(
    name="footage",
    title="Footage",
    prefix="FT",
    steps=(
        Step(
            probing.STEP,
            probe,
            (PENDING,),
            FILE_INFO,
            timeout=LARGE_FILE_SECONDS,
            lane="cpu",
            title="Read the clip's facts",
        ),
        Step(
            "thumbnails",
            thumbnails,
            (FILE_INFO,),
            THUMBNAILS,
            timeout=LARGE_FILE_SECONDS,
            lane="cpu",
            title="Copy it, make a picture",
        ),
        Step("frames", framing, (THUMBNAILS,), FRAMES_MADE, timeout=1800.0, lane="cpu", title="Take frames out of it"),
        Step(
            "scrape",
            scrape_if_wanted,
            (FRAMES_MADE, AWAITING),
            SCRAPED,
            when=has_url_to_read,
            title="Read the URL",
        ),
        Step("evaluate", evaluate_metadata, (FRAMES_MADE, SCRAPED, AWAITING), PROCESSING, title="Rate what is known"),
        Step("resume", resume, (FORCED,), PROCESSING, title="Go on as it is"),
        Step(
            summarising.STEP,
            summarise,
            (PROCESSING,),
            DESCRIBED,
            timeout=DESCRIBING_SECONDS,
            lane="model",
            max_attempts=PATIENT_ATTEMPTS,
            title="Describe the clip by its frames and its speech",
            needs_children=True,
        ),
        Step("avid", avid_description, (DESCRIBED,), AVID, title="Put the description into a line for Avid"),
    ),
    statuses=(
        PENDING,
        FILE_INFO,
        THUMBNAILS,
        FRAMES_MADE,
        SCRAPED,
        PROCESSING,
        DESCRIBED,
        AVID,
        FALSE_START,
        AWAITING,
        FORCED,
    ),
    final=frozenset({AVID, FALSE_START}),
    awaiting=AWAITING,
    form=StillForm,
    options=FootageOptions,
    forced=FORCED,
)

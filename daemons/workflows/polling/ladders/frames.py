"""The ladder of frames: single pictures out of a clip, each with what is said around it."""

from daemons.workflows.polling.ladder import PATIENT_ATTEMPTS, Ladder, Step
from daemons.workflows.polling.ladders.stills import DESCRIBING_SECONDS
from daemons.workflows.polling.options import FootageOptions
from daemons.workflows.polling.steps import describing
from daemons.workflows.polling.steps.describing import describe
from daemons.workflows.polling.steps.file_info import file_info
from daemons.workflows.polling.steps.files import PENDING
from daemons.workflows.polling.steps.footage.extracting import extracting
from daemons.workflows.polling.steps.footage.transcribing import transcribing

EXTRACTED = "1 - Frame Extracted"
THUMBNAIL = "2 - Thumbnail Complete"
CAPTION = "3 - Caption Generated"
TRANSCRIBED = "4 - Audio Transcribed"

FRAMES = Ladder(
    name="frames",
    title="Frames",
    prefix="FR",
    steps=(
        Step("extract", extracting, (PENDING,), EXTRACTED, lane="cpu", title="See that the frame is there"),
        Step("thumbnail", file_info, (EXTRACTED,), THUMBNAIL, title="Make a small copy"),
        Step(
            describing.STEP,
            describe,
            (THUMBNAIL,),
            CAPTION,
            timeout=DESCRIBING_SECONDS,
            lane="model",
            max_attempts=PATIENT_ATTEMPTS,
            title="Describe what is seen",
        ),
        Step(
            "transcribe",
            transcribing,
            (CAPTION,),
            TRANSCRIBED,
            timeout=900.0,
            lane="model",
            max_attempts=PATIENT_ATTEMPTS,
            title="Write down what is said around it",
        ),
    ),
    statuses=(PENDING, EXTRACTED, THUMBNAIL, CAPTION, TRANSCRIBED),
    final=frozenset({TRANSCRIBED}),
    options=FootageOptions,
)

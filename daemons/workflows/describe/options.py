"""What a daemon that describes images can be told."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from daemons.folders.wanted import Wanted, checked_patterns
from daemons.options import NEEDS_FOLDER, DaemonOptions
from daemons.values import JsonValue
from daemons.workflows.describe.machine import Pacing, pacing_here

Describer = Literal["basic", "vision", "local"]
PROMPT = "Describe this image in one or two sentences, for somebody who wants to find it again."

Patterns = Annotated[list[str], AfterValidator(checked_patterns)]


class DescribeOptions(DaemonOptions):
    """Which images, by what, and how fast."""

    directory: Path | None = Field(None, description="The folder of images.", json_schema_extra=NEEDS_FOLDER)
    recursive: bool = Field(True, description="Whether to go into the folders below.")
    include: Patterns = Field([], max_length=100, description="Only files that one of these patterns fits, as *.jpg.")
    exclude: Patterns = Field(
        [], max_length=100, description="No files or folders that one of these patterns fits, as raw/ or *-edited.*."
    )
    limit: int | None = Field(None, ge=1, description="At most so many images, as 500 for a test run; empty: all.")
    batch_size: int | None = Field(
        None, ge=1, le=1000, description="Images in one job; empty: 50, 100 or 200 by the machine's memory."
    )
    cooldown: float | None = Field(
        None,
        ge=0,
        le=3600,
        description="Seconds of rest between two batches, skipped when not needed; empty: 60, 30 or 15 by the memory.",
    )
    max_memory_percent: float = Field(
        85, gt=0, le=100, description="No batch begins while more of the machine's memory is in use."
    )
    describer: Describer = Field(
        "basic",
        description="basic: from the image itself, without a model. vision: a server of models. local: a model here.",
    )
    model: str = Field("", max_length=255, description="The model's name, or a folder; empty: the usual one.")
    prompt: str = Field(PROMPT, min_length=1, max_length=4000, description="What the model is asked.")
    max_tokens: int = Field(256, ge=1, le=4096, description="Where the model's answer is cut off.")
    temperature: float = Field(0.0, ge=0, le=2, description="0: the same answer every time.")
    image_timeout: float = Field(180, gt=0, le=3600, description="Seconds a model may take for one image.")
    interval: float = Field(60, gt=0, description="Seconds between two looks once everything is described.")
    watch: bool = Field(True, description="Whether to see new files at once, between two looks.")

    def ask(self) -> dict[str, JsonValue]:
        """Return what a model is asked, as arguments of a batch."""
        if self.describer == "basic":
            return {}
        return {
            "prompt": self.prompt,
            "max_tokens": self.max_tokens,
            "temperature": self.temperature,
            "image_timeout": self.image_timeout,
        }

    def pacing(self) -> Pacing:
        """Return how large batches are and how long to rest, as told or as suits this machine."""
        usual = pacing_here()
        return Pacing(
            usual.batch_size if self.batch_size is None else self.batch_size,
            usual.cooldown if self.cooldown is None else self.cooldown,
        )

    def wanted(self) -> Wanted:
        """Return which files are described."""
        return Wanted(self.include, self.exclude)

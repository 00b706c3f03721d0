"""What the daemons that have records climb can be told."""

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from daemons.options import NEEDS_FOLDER, DaemonOptions

PROMPT = (
    "Describe this image in two or three sentences for an archive: who and what is seen, where, and when if it shows."
)
CONCURRENCY, CHAIN_LIMIT, POLL_INTERVAL = 30, 5, 10.0


class LadderOptions(DaemonOptions):
    """How records climb, whatever they are."""

    drop_folder: Path | None = Field(
        None, description="The folder whose files become records; empty: none.", json_schema_extra=NEEDS_FOLDER
    )
    library: Path | None = Field(
        None,
        description="The folder that files are copied to, all side by side: folders of the drop folder are not kept, "
        "and a second harbour.jpg becomes harbour-2.jpg. Empty: they stay where they are.",
        json_schema_extra=NEEDS_FOLDER,
    )
    interval: float = Field(
        POLL_INTERVAL, gt=0, le=86_400, description="Seconds between two looks for what no event told of."
    )
    concurrency: int = Field(CONCURRENCY, ge=1, le=1000, description="Steps at a time.")
    chain_limit: int = Field(
        CHAIN_LIMIT, ge=1, le=100, description="Steps of one record in a row before it stands in line again."
    )

    @model_validator(mode="after")
    def _keep_apart(self) -> Self:
        if self.drop_folder and self.library and self.library.is_relative_to(self.drop_folder):
            raise ValueError("library lies within drop_folder: its copies would become records too")
        return self


class FootageOptions(LadderOptions):
    """Which clips, how many of their frames are looked at, and how they are described."""

    false_start: float = Field(5.0, ge=0, le=3600, description="Seconds; a shorter clip is a false start, left alone.")
    frame_seconds: float = Field(10.0, gt=0, le=3600, description="Seconds of a clip for which one frame is looked at.")
    frames_least: int = Field(3, ge=1, le=200, description="Frames of a clip, however short it is.")
    frames_most: int = Field(30, ge=1, le=200, description="Frames of a clip, however long it is.")
    transcribe: bool = Field(
        True, description="Whether what is said is written down, if a server for that is set (transcription.url)."
    )
    threshold: float = Field(
        0.0,
        ge=0,
        le=1,
        description="Of the quality of what is known, what a clip needs to go on; below, a person is asked. 0: nobody.",
    )
    describer: Literal["basic", "vision", "local"] = Field(
        "basic",
        description="Of frames. basic: from the image itself, without a model. vision: a server of models, which then "
        "sums up the clip too. local: a model here.",
    )
    model: str = Field("", max_length=255, description="The model's name, or a folder; empty: the usual one.")
    prompt: str = Field(PROMPT, min_length=1, max_length=4000, description="What the model is asked about a frame.")
    scrape: bool = Field(
        True, description="Whether a record's URL is read; off: only what the file itself says counts."
    )


class StillsOptions(LadderOptions):
    """Which stills, and how they are described."""

    threshold: float = Field(
        0.2,
        ge=0,
        le=1,
        description="Of the quality of what is known, what a description needs; below, a person is asked.",
    )
    describer: Literal["basic", "vision", "local"] = Field(
        "basic",
        description="basic: from the image itself, without a model. vision: a server of models. local: a model here.",
    )
    model: str = Field("", max_length=255, description="The model's name, or a folder; empty: the usual one.")
    prompt: str = Field(PROMPT, min_length=1, max_length=4000, description="What the model is asked.")
    embedder: Literal["hashing", "server", "local"] = Field(
        "hashing",
        description="What records are compared by. hashing: their words, without a model. server: embeddings of a "
        "server of models. local: a model here (extra `embeddings`).",
    )
    embedding_model: str = Field(
        "",
        max_length=200,
        description="The model of the embedder local: a name on the hub, or a folder; empty: the usual one.",
    )
    scrape: bool = Field(
        True, description="Whether a record's URL is read; off: only what the file itself says counts."
    )

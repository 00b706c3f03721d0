"""The section `transcription`: the OpenAI-compatible server that writes down what is said."""

from pydantic import Field

from daemons.settings.servers import ServerSettings


class TranscriptionSettings(ServerSettings):
    """The server that is given sound, and what it allows."""

    model: str = Field("whisper-1", min_length=1, max_length=300, description="The model to ask.")
    language: str = Field(
        "", pattern="^([a-z]{2,3})?$", description="What is spoken, such as en; empty: the server finds out."
    )
    timeout: float = Field(
        300.0, gt=0, le=3600, description="Seconds an answer may take, with the time for loading the model."
    )

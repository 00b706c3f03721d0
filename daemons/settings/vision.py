"""The section `vision`: the OpenAI-compatible server that describes pictures."""

from pydantic import Field

from daemons.settings.servers import ServerSettings


class VisionSettings(ServerSettings):
    """The server that is asked for descriptions, and what it allows."""

    concurrency: int = Field(2, ge=1, le=100, description="Pictures the server is given at once, by all jobs together.")
    warm_up: float = Field(
        600.0,
        ge=0,
        le=86_400,
        description="Seconds the first answer may take, while the server loads the model; for others a daemon says.",
    )

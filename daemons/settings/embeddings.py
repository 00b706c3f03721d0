"""The section `embeddings`: the OpenAI-compatible server that makes vectors of texts."""

from typing import Literal

from pydantic import Field

from daemons.settings.servers import ServerSettings


class EmbeddingsSettings(ServerSettings):
    """The server that is asked for vectors, and what it allows."""

    model: str = Field("", max_length=200, description="The model to ask, such as nomic-embed-text.")
    concurrency: int = Field(4, ge=1, le=100, description="Texts the server is given at once, by all jobs together.")
    dimensions: int = Field(
        0, ge=0, le=16_384, description="Numbers a vector has to have; 0: as many as the model's first answer."
    )
    encoding: Literal["float", "base64"] = Field(
        "float", description="How vectors are asked for. float: every server knows it. base64: a third of the bytes."
    )
    timeout: float = Field(60.0, gt=0, le=3600, description="Seconds an answer may take.")
    warm_up: float = Field(
        240.0, ge=0, le=86_400, description="Seconds the first answer may take, while the server loads the model."
    )

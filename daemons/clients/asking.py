"""What a model is asked about one picture, and what it answers, whoever runs it."""

from dataclasses import dataclass
from typing import Literal

Finish = Literal["stop", "length"]
"""Whether the model came to an end, or was cut off at `max_tokens`."""


@dataclass(frozen=True, slots=True)
class Ask:
    """A question about one picture; `timeout` in seconds is for the answer alone, not for loading the model."""

    prompt: str
    max_tokens: int = 256
    temperature: float = 0.0
    timeout: float = 120.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model said, in `seconds`; `model` as whoever runs it calls it. Tokens are None where nobody counted."""

    text: str
    model: str
    finish: Finish
    prompt_tokens: int | None
    output_tokens: int | None
    seconds: float

"""The describer that needs no model and no network: facts, and one honest sentence made of them."""

from dataclasses import dataclass

from daemons.pictures.content import Content
from daemons.pictures.facts import Facts
from daemons.pictures.picture import Picture, look_at
from daemons.workflows.describe.sentence import describe


@dataclass(frozen=True, slots=True)
class Described:
    """A picture in facts and words, and which bytes these were."""

    content: Content
    facts: Facts
    description: str


def describe_file(path: bytes) -> Described:
    """Describe the picture at `path`, or raise an ImageError that says what is wrong with it."""
    return describe_picture(look_at(path))


def describe_picture(picture: Picture) -> Described:
    """Describe what was looked at already."""
    return Described(picture.content, picture.facts, describe(picture.facts))

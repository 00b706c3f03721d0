"""What is known about a picture without guessing."""

from dataclasses import asdict, dataclass
from typing import Any, Literal

Orientation = Literal["landscape", "portrait", "square", "panorama"]


@dataclass(frozen=True, slots=True)
class Coordinates:
    """A place on earth, in degrees; south and west are negative."""

    latitude: float
    longitude: float


@dataclass(frozen=True, slots=True)
class Shot:
    """What the camera said; `taken_at` has an offset only if the camera knew it."""

    taken_at: str | None = None
    camera: str | None = None
    lens: str | None = None
    exposure_seconds: float | None = None
    aperture: float | None = None
    iso: int | None = None
    focal_length: float | None = None
    coordinates: Coordinates | None = None
    altitude: float | None = None

    @property
    def is_photograph(self) -> bool:
        """Whether a camera took the picture."""
        return bool(self.camera or self.taken_at or self.exposure_seconds)


@dataclass(frozen=True, slots=True)
class Colour:
    """One colour by name, its mean value and the share of the visible picture it covers."""

    name: str
    hex: str
    share: float


@dataclass(frozen=True, slots=True)
class Looks:
    """What measuring the pixels says. Brightness, contrast and sharpness go from 0 to 1."""

    palette: tuple[Colour, ...]
    is_monochrome: bool
    transparent_share: float
    brightness: float | None
    contrast: float | None
    sharpness: float | None
    perceptual_hash: str


@dataclass(frozen=True, slots=True)
class Facts:
    """All of it; width, height and orientation are as the picture is meant to be seen."""

    format: str
    mode: str
    width: int
    height: int
    orientation: Orientation
    frames: int | None
    is_animated: bool
    looks: Looks
    shot: Shot

    def as_dict(self) -> dict[str, Any]:
        """Return JSON values on one level, unknown ones left out."""
        flat = asdict(self)
        flat |= flat.pop("looks") | flat.pop("shot")
        return {name: value for name, value in flat.items() if value is not None}

"""Why a model on this machine does not describe: all of a request at once, or a single picture.

ModelNotLoaded      the whole request fails, each with the line to type
    ExtraMissing · LibraryMissing (TorchvisionMissing) · WeightsMissing · ModelUnfit · ModelTooLarge · DeviceMissing
ImageFailed         one picture; those of `clients.errors`, and
    ModelTooSlow · ModelOutOfMemory
"""

from collections.abc import Iterator

from daemons.clients.errors import ImageFailed
from daemons.errors import Permanent


class ModelNotLoaded(Permanent):
    """The model cannot be loaded."""

    code = "ERR_MODEL_NOT_LOADED"
    remedy = "Look at the details; another model, or device `cpu`, may work."


def hinders_loading(code: str) -> bool:
    """Return whether `code` is that of a ModelNotLoaded: no other try mends it, a person does."""
    return code == ModelNotLoaded.code or any(code == kind.code for kind in _all_kinds(ModelNotLoaded))


def _all_kinds(kind: type[ModelNotLoaded]) -> Iterator[type[ModelNotLoaded]]:
    for below in kind.__subclasses__():
        yield below
        yield from _all_kinds(below)


class ExtraMissing(ModelNotLoaded):
    """Describing with a model on this machine needs libraries that are not installed."""

    code = "ERR_VLM_NOT_INSTALLED"
    remedy = "pip install 'daemondeck[vlm]'"


class LibraryMissing(ModelNotLoaded):
    """The model needs a library that is not installed."""

    code = "ERR_LIBRARY_MISSING"


class TorchvisionMissing(LibraryMissing):
    """The model needs torchvision."""

    code = "ERR_TORCHVISION_MISSING"
    remedy = "pip install torchvision"


class WeightsMissing(ModelNotLoaded):
    """The weights of the model are not on this machine."""

    code = "ERR_WEIGHTS_MISSING"


class ModelUnfit(ModelNotLoaded):
    """This is not a model that describes images, or not one that can be run here."""

    code = "ERR_MODEL_UNFIT"
    remedy = "Choose smolvlm, smolvlm2 or another image-text-to-text model; code that comes with a model is never run."


class ModelTooLarge(ModelNotLoaded):
    """The model needs more memory than this machine has."""

    code = "ERR_MODEL_TOO_LARGE"
    remedy = "Choose a smaller model, such as smolvlm-500m or smolvlm-256m."


class DeviceMissing(ModelNotLoaded):
    """This machine has no such device."""

    code = "ERR_DEVICE_MISSING"
    remedy = "Choose auto, cuda, mps or cpu."


class ModelTooSlow(ImageFailed):
    """The model took longer than it may for one image."""

    code = "ERR_MODEL_TOO_SLOW"
    remedy = "Raise the timeout, lower max_tokens or choose a smaller model."


class ModelOutOfMemory(ImageFailed):
    """The device has not enough memory for this image."""

    code = "ERR_MODEL_OUT_OF_MEMORY"
    remedy = "Close what else uses the device, choose a smaller model or device `cpu`."

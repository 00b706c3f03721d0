"""Loads a vision model by its name on the hub or from a folder, and says what to type when that cannot be."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psutil

from daemons.workflows.describe.local_errors import (
    DeviceMissing,
    ExtraMissing,
    LibraryMissing,
    ModelNotLoaded,
    ModelTooLarge,
    ModelUnfit,
    TorchvisionMissing,
    WeightsMissing,
)

NAMED = {
    "smolvlm": "HuggingFaceTB/SmolVLM-Instruct",
    "smolvlm-500m": "HuggingFaceTB/SmolVLM-500M-Instruct",
    "smolvlm-256m": "HuggingFaceTB/SmolVLM-256M-Instruct",
    "smolvlm2": "HuggingFaceTB/SmolVLM2-2.2B-Instruct",
}
"""Short names. Those without a size have 2.2 thousand million parameters: 5 GB on a GPU, 9 GB on a CPU."""

_OFFLINE = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
_NO = {"", "0", "false", "no", "off"}
_FOLDER = ("/", "~", "./", "../")
_TO_INSTALL = re.compile(r"pip install (?:-U |--upgrade )?([A-Za-z0-9_.\[\]-]+[A-Za-z0-9_\]])")


@dataclass(frozen=True, slots=True)
class Loaded:
    """A model ready to be asked, and what turns pictures and words into its numbers and back."""

    name: str
    model: Any
    processor: Any
    device: str
    dtype: Any


def load(name: str, device: str) -> Loaded:
    """Return the model `name` on `device`. Raises ModelNotLoaded."""
    name = resolved(name)
    with _errors_named(name):
        torch, transformers = _libraries()
        device, dtype = _place(torch, device or "auto")
        # No code of somebody else: what a model brings along is never run.
        processor = transformers.AutoProcessor.from_pretrained(name, trust_remote_code=False)
        if not hasattr(processor, "image_processor") or not getattr(processor, "chat_template", None):
            raise ModelUnfit(f"{name} does not take a picture and a prompt.")
        if not device.startswith("cuda"):
            _refuse_giants(torch, transformers, name, dtype)
        model = transformers.AutoModelForImageTextToText.from_pretrained(name, dtype=dtype, trust_remote_code=False)
        return Loaded(name, model.to(device).eval(), processor, device, dtype)


def resolved(name: str) -> str:
    """Return the name on the hub, or the folder, that `name` stands for. Raises WeightsMissing where no folder is."""
    name = NAMED.get(name or "smolvlm", name)
    if not name.startswith(_FOLDER):
        return name
    folder = Path(name).expanduser()
    if not folder.is_absolute() or not (folder / "config.json").is_file():
        raise WeightsMissing(
            f"There is no model in the folder {name}.",
            remedy="Give the absolute path of a folder that holds config.json and the weights, or a name on the hub.",
        )
    return str(folder)


def _libraries() -> tuple[Any, Any]:
    try:
        import torch
        import transformers
    except ModuleNotFoundError as error:
        raise ExtraMissing(f"Describing with a model on this machine needs {error.name}.") from error
    except (ImportError, OSError) as error:
        raise ExtraMissing(
            f"torch or transformers cannot be used: {_first_line(error)}",
            remedy="pip install --force-reinstall 'daemondeck[vlm]'",
        ) from error
    return torch, transformers


def _place(torch: Any, asked: str) -> tuple[str, Any]:
    """Return the device and the type of numbers it is good at."""
    has_cuda, has_mps = torch.cuda.is_available(), torch.backends.mps.is_available()
    if asked == "auto":
        asked = "cuda" if has_cuda else "mps" if has_mps else "cpu"
    kind, _, number = asked.partition(":")
    there = {"cuda": has_cuda, "mps": has_mps, "cpu": True}
    if not there.get(kind, False) or (number and not number.isdecimal()):
        raise DeviceMissing(f"This machine has no device {asked!r} that torch can use.")
    if kind == "cuda":
        return asked, torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
    return asked, torch.float16 if kind == "mps" else torch.float32


def _refuse_giants(torch: Any, transformers: Any, name: str, dtype: Any) -> None:
    """Raise ModelTooLarge where the weights alone are more than the machine's memory: the kernel would say nothing."""
    config = transformers.AutoConfig.from_pretrained(name, trust_remote_code=False)
    if getattr(config, "quantization_config", None):
        return  # smaller than its numbers say
    with torch.device("meta"):  # the shapes of a model, without anything in them
        shapes = transformers.AutoModelForImageTextToText.from_config(config, trust_remote_code=False)
    needed, there = shapes.num_parameters() * dtype.itemsize, psutil.virtual_memory().total
    if needed > there:
        raise ModelTooLarge(f"{name} needs {needed / 1e9:.1f} GB of memory, and this machine has {there / 1e9:.1f} GB.")


@contextmanager
def _errors_named(name: str) -> Iterator[None]:
    try:
        yield
    except (ModelNotLoaded, MemoryError):
        raise
    except Exception as error:
        raise _why(error, name) from error


def _why(error: Exception, name: str) -> ModelNotLoaded:
    # What was missing may be told only by the error behind the error behind it.
    text = "\n".join(str(one) for one in _chain(error))
    if "torchvision" in text.lower():
        if find_spec("torchvision") is None:
            return TorchvisionMissing(f"{name} needs torchvision, which is not installed.")
        return TorchvisionMissing(
            "The installed torchvision does not fit the installed torch.",
            remedy="pip install --upgrade torch torchvision",
        )
    if isinstance(error, ImportError):
        found = _TO_INSTALL.search(text)
        package = found[1] if found else getattr(error, "name", None)
        remedy = f"pip install {package}" if package else "pip install --upgrade 'daemondeck[vlm]'"
        return LibraryMissing(f"{name} needs a library that is not installed: {_first_line(error)}", remedy=remedy)
    if isinstance(error, OSError):
        return _no_weights(error, name)
    if isinstance(error, ValueError | KeyError | TypeError | AttributeError):
        return ModelUnfit(f"{name} cannot describe images here: {_first_line(error)}")
    return ModelNotLoaded(f"{name} cannot be loaded: {_first_line(error)}")


def _no_weights(error: OSError, name: str) -> WeightsMissing:
    offline = next((variable for variable in _OFFLINE if os.environ.get(variable, "").lower() not in _NO), None)
    if name.startswith("/"):
        return WeightsMissing(
            f"The folder {name} holds no whole model: {_first_line(error)}", remedy="Copy the model there again."
        )
    if offline:
        return WeightsMissing(
            f"The weights of {name} are not on this machine, and {offline} forbids to download them.",
            remedy=f"hf download {name}  (where there is a network, or without {offline})",
        )
    return WeightsMissing(
        f"The weights of {name} are not on this machine and cannot be downloaded: {_first_line(error)}",
        remedy=f"Check the name and the network, then: hf download {name}  (first `hf auth login` if it is gated)",
    )


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:300] if lines else type(error).__name__

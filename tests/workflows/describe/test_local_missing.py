"""A model that cannot be loaded is one named error with the line to type, for the whole request and not each image.

Real worker processes; what is not installed is played by modules of that name on PYTHONPATH that raise what the real
ones raise.
"""

from pathlib import Path
from typing import Any

import pytest

from daemons.clients.asking import Ask
from daemons.clock import SystemClock
from daemons.folders.paths import wire_path
from daemons.subprocess_work import Worker
from daemons.subprocess_work.errors import WorkerTaskFailed
from daemons.worker_process import memory_in_use
from daemons.workflows.describe.local import GROWTH, LocalDescriber
from daemons.workflows.describe.local_loading import Loaded
from daemons.workflows.describe.worker_specs import worker_of
from tests.pictures.samples import landscape, saved

ASK = {"prompt": "Describe this picture.", "max_tokens": 20, "temperature": 0.0, "timeout": 10.0}

TORCH = """
class _Yes:
    def is_available(): return False
class backends: mps = _Yes
cuda, float32 = _Yes, "float32"
"""
TORCHVISION = """
SmolVLMVideoProcessor requires the Torchvision library but it was not found in your environment. Check out the
installation page: https://pytorch.org/get-started/locally/ and follow the ones that match your environment.
"""
NUM2WORDS = "Package `num2words` is required to run SmolVLM processor. Install it with `pip install num2words`."
NO_NETWORK = "We couldn't connect to 'https://huggingface.co' to load the files, and couldn't find them in the cache."
OWN_CODE = "The repository contains custom code which must be executed to correctly load the model."


def install(folder: Path, monkeypatch: pytest.MonkeyPatch, **modules: str) -> None:
    for name, source in modules.items():
        (folder / f"{name}.py").write_text(source)
    monkeypatch.setenv("PYTHONPATH", str(folder))


def transformers(error: str, text: str) -> str:
    return (
        "class AutoProcessor:\n"
        f"    def from_pretrained(name, trust_remote_code): raise {error}({text!r})\n"
        "AutoModelForImageTextToText = AutoProcessor\n"
    )


async def failure(picture: bytes, model: str = "smolvlm", device: str = "auto") -> WorkerTaskFailed:
    """Ask for two pictures; return why none was described, after seeing that the worker itself is well."""
    paths = [wire_path(picture)] * 2
    request = {"describer": "local", "ask": ASK, "model": model, "device": device, "paths": paths}
    async with Worker(worker_of("local"), SystemClock()) as worker:
        results: list[Any] = []
        with pytest.raises(WorkerTaskFailed) as caught:
            results += [result async for result in worker.run(request)]
        assert results == []
        assert worker.in_hand is None
        basic = [result async for result in worker.run({"describer": "basic", "paths": paths})]
        assert [result.get("error") for result in basic] == [None, None]
    return caught.value


async def test_without_the_extra_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, monkeypatch, torch="raise ModuleNotFoundError(\"No module named 'torch'\", name='torch')")

    error = await failure(saved(landscape(), tmp_path / "a.jpg"))

    assert (error.error_code, error.remedy) == ("ERR_VLM_NOT_INSTALLED", "pip install 'daemondeck[vlm]'")
    assert error.message == "Describing with a model on this machine needs torch."


@pytest.mark.parametrize(
    ("error", "text", "code", "remedy"),
    [
        ("ImportError", TORCHVISION, "ERR_TORCHVISION_MISSING", "pip install torchvision"),
        ("RuntimeError", "operator torchvision::nms does not exist", "ERR_TORCHVISION_MISSING", "torchvision"),
        ("ImportError", NUM2WORDS, "ERR_LIBRARY_MISSING", "pip install num2words"),
        ("OSError", NO_NETWORK, "ERR_WEIGHTS_MISSING", "hf download HuggingFaceTB/SmolVLM-Instruct"),
        ("ValueError", OWN_CODE, "ERR_MODEL_UNFIT", "never run"),
        ("RuntimeError", "out of memory", "ERR_MODEL_NOT_LOADED", "cpu"),
    ],
)
async def test_each_reason_has_its_name_and_its_remedy(
    error: str, text: str, code: str, remedy: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path, monkeypatch, torch=TORCH, transformers=transformers(error, text))

    failed = await failure(saved(landscape(), tmp_path / "a.jpg"))

    assert failed.error_code == code
    assert remedy in (failed.remedy or "")
    assert "HuggingFaceTB/SmolVLM-Instruct" in failed.message or "does not fit" in failed.message


async def test_offline_it_says_which_variable_forbids_the_download(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    install(tmp_path, monkeypatch, torch=TORCH, transformers=transformers("OSError", NO_NETWORK))

    error = await failure(saved(landscape(), tmp_path / "a.jpg"), model="smolvlm2")

    assert error.error_code == "ERR_WEIGHTS_MISSING"
    assert "HF_HUB_OFFLINE" in error.message
    assert "hf download HuggingFaceTB/SmolVLM2-2.2B-Instruct" in (error.remedy or "")


@pytest.mark.parametrize(
    ("model", "device", "code"),
    [
        ("/no/such/folder", "auto", "ERR_WEIGHTS_MISSING"),
        ("./here", "", "ERR_WEIGHTS_MISSING"),
        ("smolvlm", "cuda:0", "ERR_DEVICE_MISSING"),
    ],
)
async def test_what_is_not_there_is_named(
    model: str, device: str, code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path, monkeypatch, torch=TORCH, transformers=transformers("OSError", NO_NETWORK))

    error = await failure(saved(landscape(), tmp_path / "a.jpg"), model, device)

    assert error.error_code == code
    assert (device or model) in error.message or model in error.message


def test_a_worker_of_models_sees_where_they_are_and_no_token(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HF_HOME", "HF_TOKEN", "CUDA_VISIBLE_DEVICES", "DAEMONDECK_TOKEN"):
        monkeypatch.setenv(name, f"value of {name}")

    seen = worker_of("local").child_environment()
    basic = worker_of("basic").child_environment()

    assert (seen["HF_HOME"], seen["CUDA_VISIBLE_DEVICES"]) == ("value of HF_HOME", "value of CUDA_VISIBLE_DEVICES")
    assert not {"HF_TOKEN", "DAEMONDECK_TOKEN"} & seen.keys()
    assert "HF_HOME" not in basic


def test_a_worker_whose_memory_grew_asks_to_be_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    describer = LocalDescriber(Loaded("tiny", None, None, "cpu", None), Ask("Describe this picture."))
    assert not describer.is_worn_out

    monkeypatch.setattr(LocalDescriber, "_first_memory", memory_in_use() - GROWTH - 1)

    assert describer.is_worn_out

"""How the worker of each describer is started, what it may use and when it is replaced."""

import os
from dataclasses import replace

from daemons.subprocess_work.spec import MEBIBYTE, WorkerSpec

_MODULE = "daemons.workflows.describe.worker"

# Where the weights are, whether they may be downloaded, which GPU. Not HF_TOKEN: no secret enters a worker; what
# `hf auth login` stored is found below HOME or HF_HOME.
_PASSED_ON = (
    "CUDA_VISIBLE_DEVICES",
    "HF_ENDPOINT",
    "HF_HOME",
    "HF_HUB_CACHE",
    "HF_HUB_OFFLINE",
    "OMP_NUM_THREADS",
    "OMP_WAIT_POLICY",
    "TRANSFORMERS_OFFLINE",
    "XDG_CACHE_HOME",
)
_USUAL = {
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    # Else torch's threads spin while they wait for each other: on a CPU that others use too, ten times slower.
    "OMP_WAIT_POLICY": "PASSIVE",
    "PYTORCH_ENABLE_MPS_FALLBACK": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "TRANSFORMERS_VERBOSITY": "error",
}

BASIC_WORKER = WorkerSpec.module(_MODULE, memory=1536 * MEBIBYTE, silence=120.0, recycle_memory=400 * MEBIBYTE)

# A request is a single image here, and a new process takes longer to start than to describe a few.
SINGLE_WORKER = replace(BASIC_WORKER, recycle_requests=500)


def worker_of(describer: str) -> WorkerSpec:
    """Return how to start the worker that `describer` runs in."""
    if describer != "local":
        return BASIC_WORKER
    passed_on = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    return WorkerSpec.module(
        _MODULE,
        # No hard limit: how much a model needs is known only once it is loaded, and a GPU's driver reserves address
        # space that it never fills. The worker watches its own growth; where the machine itself runs out, the kernel
        # takes the worker first, and the picture in hand is what it costs.
        memory=None,
        silence=120.0,
        environment=tuple(sorted((_USUAL | passed_on).items())),
        # A model takes a minute or two to load: a few times a day, and not for the usual rest between two batches. Idle
        # for longer it gives its gigabytes back, which a batch that waits for memory may be waiting for.
        recycle_requests=1000,
        recycle_seconds=6 * 3600.0,
        recycle_memory=1024 * 1024 * MEBIBYTE,
        idle_seconds=150.0,
    )

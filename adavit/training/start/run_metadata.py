"""What a run was trained on, and with: for its `data.json` and `environment.json`."""

import platform
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any

import torch

from adavit.augment.devices import is_accelerator
from adavit.training.start.workload import Workload

_PACKAGES = ("adavit", "torch", "torchvision", "kornia", "torch-fidelity", "numpy", "safetensors")


def describe_environment(device: torch.device) -> dict[str, Any]:
    """Versions and machine, for `environment.json`."""
    packages = [*_PACKAGES, *(["timm"] if find_spec("timm") is not None else [])]
    module = torch.get_device_module(device) if is_accelerator(device) else None
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processor": platform.processor() or platform.machine(),
        "threads": torch.get_num_threads(),
        "device": str(device),
        "accelerator": None if module is None else module.get_device_name(device),
        "packages": {name: version(name) for name in packages},
    }


def describe_data(workload: Workload) -> dict[str, Any]:
    """What was trained on, for `data.json`."""
    images = workload.image_set
    return {
        "source": images.source,
        "name": images.name,
        "fingerprint": images.fingerprint,
        "images": len(images.images),
        "training_images": len(workload.split.train),
        "heldout_images": len(workload.split.heldout),
        "resolution": images.resolution.plain,
        "stretch": images.stretch,
        "channels": images.channels,
        "classes": list(images.classes),
        "skipped": [{"name": item.name, "reason": item.reason} for item in images.skipped],
    }

"""Files of weights of small networks: of a convolutional one as torchvision's own are stored, and of a generator."""

from pathlib import Path
from typing import Any

import torch
from torchvision.models import mobilenet_v3_small

from adavit.runs.generator_file import save_generator
from tests.networks import GENERATOR, make_generator

SMALL: dict[str, Any] = {
    **GENERATOR,
    "resolution": 8,
    "latent_dim": 6,
    "style_dim": 7,
    "channel_base": 256,
    "channel_max": 4,
}


def write_mobilenet(path: Path) -> str:
    """Writes random weights, the same each time; returns how settings name them."""
    torch.manual_seed(0)
    torch.save(mobilenet_v3_small(weights=None).state_dict(), path)
    return f"torchvision:mobilenet_v3_small:{path}"


def write_small_generator(path: Path, *, config: dict[str, Any], **changes: Any) -> None:
    """Writes a generator file with random weights, noise and average among them; the same each time.

    Args:
        path: Of the file.
        config: Settings of the run that it says it is of.
        changes: Of its sizes.
    """
    arguments = {**SMALL, **changes}
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(0)
        generator = make_generator(**arguments).eval()
        generator.w_average.normal_()
        for name, parameter in generator.named_parameters():
            if name.endswith(("bias", "strength")):
                parameter.normal_(std=0.3)
    count = arguments["num_classes"]
    save_generator(
        path,
        generator,
        arguments=arguments,
        config=config,
        data_fingerprint="ab" * 32,
        images=1234,
        metric=None,
        classes=tuple("abc"[:count]),
        label_counts=[2] * count or None,
    )

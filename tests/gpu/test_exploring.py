"""Loops, sheets and directions on the device, against the CPU's."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tests.gpu.commands import named, succeed
from tests.stored_generators import store_generator

pytestmark = pytest.mark.gpu

COMMANDS = (
    "directions g.safetensors --count 2 --seeds 1,2 --out {0}/found",
    "mix g.safetensors --rows 1-2 --columns 3-4 --layers 0-2 --truncation 0.8 --out {0}/mix.png",
    "interpolate g.safetensors --seeds 1-4 --grid 2x1 --seconds 1 --fps 4 --out {0}/w",
    "interpolate g.safetensors --seeds 1-2 --space z --class 0 --seconds 1 --fps 4 --out {0}/z",
    "generate g.safetensors --seeds 0-3 --truncation 0.5 --truncation-centres 3 --out {0}/drawn"
    " --direction {0}/found/directions.safetensors:1=1.5",
)


def test_a_generator_is_explored_as_on_the_cpu(
    device: torch.device, record_property: Callable[..., None]
) -> None:
    store_generator(Path("g.safetensors"), num_classes=3, image_channels=4)
    for where in ("cpu", named(device)):
        for command in COMMANDS:
            succeed(*command.format(f"on-{where}").split(), "--device", where)
    pictures = sorted(Path("on-cpu").rglob("*.png"))
    assert len(pictures) == 2 + 4 + 4 + 4
    apart = []
    for path in pictures:
        other = Path(f"on-{named(device)}") / path.relative_to("on-cpu")
        apart.append(np.abs(np.array(Image.open(path)).astype(int) - Image.open(other)).mean())
    record_property("apart", f"{max(apart):.3f} of 255")
    assert max(apart) < 1

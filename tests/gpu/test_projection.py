"""Images searched in a generator on the device, against the CPU's."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests.gpu.commands import named, succeed
from tests.stored_generators import store_generator

pytestmark = pytest.mark.gpu


def test_images_are_searched_as_on_the_cpu(
    device: torch.device, record_property: Callable[..., None]
) -> None:
    store_generator(Path("g.safetensors"), num_classes=3, image_channels=4)
    succeed("generate", "g.safetensors", "--seeds", "1-3", "--out", "targets")
    for where in ("cpu", named(device)):
        command = f"project g.safetensors --target targets --steps 10 --space w+ --tune 2 --out {where}-on"
        succeed(*command.split(), "--device", where)
    apart = []
    for path in sorted(Path("cpu-on").rglob("*.safetensors")):
        other = load_file(Path(f"{named(device)}-on") / path.relative_to("cpu-on"))
        apart += [
            float((value - other[name]).abs().max() / value.abs().max().clamp_min(1e-3))
            for name, value in load_file(path).items()
        ]
    assert len(apart) > 3
    record_property("apart", f"{max(apart):.1e} of the largest")
    assert max(apart) < 0.02

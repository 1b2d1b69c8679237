"""Loops, sheets, directions and the studio on the device, against the CPU's."""

from collections.abc import Callable
from http import HTTPStatus
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from adavit.serving.server import StudioServer
from adavit.serving.site import Site
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


def difference(one: Path | BytesIO, other: Path | BytesIO) -> float:
    """Of two pictures' values from 0 to 255, on average."""
    pixels = [np.array(Image.open(picture)).astype(int) for picture in (one, other)]
    return float(np.abs(pixels[0] - pixels[1]).mean())


def test_a_generator_is_explored_as_on_the_cpu(
    device: torch.device, record_property: Callable[..., None]
) -> None:
    store_generator(Path("g.safetensors"), num_classes=3, image_channels=4)
    for where in ("cpu", named(device)):
        for command in COMMANDS:
            succeed(*command.format(f"on-{where}").split(), "--device", where)
    pictures = sorted(Path("on-cpu").rglob("*.png"))
    assert len(pictures) == 2 + 4 + 4 + 4
    others = [Path(f"on-{named(device)}") / path.relative_to("on-cpu") for path in pictures]
    apart = max(map(difference, pictures, others))
    record_property("apart", f"{apart:.3f} of 255")
    assert apart < 1


def test_the_page_of_the_studio_shows_what_it_shows_on_the_cpu(
    device: torch.device, monkeypatch: pytest.MonkeyPatch, record_property: Callable[..., None]
) -> None:
    store_generator(Path("g.safetensors"), num_classes=3, image_channels=4)
    shown = []

    def serve(_server: StudioServer, site: Site, _stop: Callable[[], bool]) -> None:
        reply = site.reply(f"/{site._token}/picture?seed=4&truncation=0.5&other=7&layers=0")
        assert (reply.status, reply.kind) == (HTTPStatus.OK, "image/png"), reply.content
        shown.append(BytesIO(reply.content))

    monkeypatch.setattr(StudioServer, "serve", serve)
    for where in ("cpu", named(device)):
        succeed("studio", "g.safetensors", "--device", where)
    apart = difference(*shown)
    record_property("apart", f"{apart:.3f} of 255")
    assert apart < 1

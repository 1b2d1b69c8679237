"""Augmentation on the device: images and both derivatives as on the CPU, given the same parameters."""

import pytest
import torch
from torch import Tensor

from adavit.augment import PRESETS, Pipe
from adavit.augment.pipe import PipeParameters
from adavit.augment.settings import OPERATIONS
from benchmarks.work import WorkCount
from tests.augment.helpers import EVERYTHING, pipe_of, random_images, smooth_images

pytestmark = [pytest.mark.gpu, pytest.mark.usefixtures("float32")]

CPU = torch.device("cpu")
SHAPES = [(4, 3, 32, 32), (2, 1, 19, 23), (2, 4, 70, 66)]
"""Square; small and uneven; so long that filters are convolutions."""


def results(
    pipe: Pipe, parameters: PipeParameters, images: Tensor, device: torch.device
) -> list[Tensor]:
    """Images, the gradient of a function of them, and the gradient of its squared norm."""
    pipe = pipe.to(device)
    moved = {
        group: {name: value.to(device) for name, value in values.items()}
        for group, values in parameters.items()
    }
    images = images.to(device).requires_grad_()
    weights = torch.linspace(-1, 1, images.numel()).view(images.shape).to(device)
    augmented = pipe.transform(images, moved)
    value = torch.tanh(augmented * weights).square().sum()
    (slope,) = torch.autograd.grad(value, images, create_graph=True)
    (second,) = torch.autograd.grad(slope.square().sum(), images)
    return [each.detach().cpu() for each in (augmented, slope, second)]


@pytest.mark.parametrize("name", [*OPERATIONS, *PRESETS, EVERYTHING, "diffaug"])
def test_images_and_derivatives_are_those_of_the_cpu(device: torch.device, name: str) -> None:
    for shape in SHAPES:
        pipe = pipe_of(name)
        images = smooth_images(*shape, dtype=torch.float32)
        images = images + 0.1 * random_images(*shape, dtype=torch.float32)
        parameters = pipe.sample(shape, torch.Generator().manual_seed(3))
        found = results(pipe, parameters, images, device)
        expected = results(pipe, parameters, images, CPU)
        for ours, theirs in zip(found, expected, strict=True):
            scale = float(theirs.abs().max())
            torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-4 * scale, msg=f"{shape}")


def test_colours_are_mapped_without_a_matrix_product(device: torch.device) -> None:
    pipe, images = pipe_of("hue").to(device), random_images(2, 3, 8, 8).to(device)
    with WorkCount() as work:
        pipe(images, quantile=0.5)
    asked = work.parts["everything else"].operations
    assert (asked["addcmul"], asked["baddbmm"]) == ((0, 1) if device == CPU else (3, 0))


@pytest.mark.parametrize("name", [EVERYTHING, "diffaug"])
def test_a_generator_of_the_cpu_draws_the_same_for_the_device(
    device: torch.device, name: str
) -> None:
    images = smooth_images(*SHAPES[0], dtype=torch.float32)
    found, expected = (
        pipe_of(name).to(where)(images.to(where), generator=torch.Generator().manual_seed(5))
        for where in (device, CPU)
    )
    assert found.device.type == device.type
    torch.testing.assert_close(found.cpu(), expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize("quantile", [0.2, 0.7])
def test_the_deterministic_mode_is_that_of_the_cpu(device: torch.device, quantile: float) -> None:
    images = smooth_images(*SHAPES[0], dtype=torch.float32)
    found, expected = (
        pipe_of("bgcf").to(where)(images.to(where), quantile=quantile) for where in (device, CPU)
    )
    torch.testing.assert_close(found.cpu(), expected, rtol=0, atol=1e-4)


def test_the_devices_own_generator_draws_at_p(device: torch.device) -> None:
    pipe = pipe_of("brightness").to(device)
    images = torch.zeros(4000, 1, 1, 1, device=device)
    pipe.p.fill_(0.3)

    def drawn() -> Tensor:
        return pipe(images, generator=torch.Generator(device).manual_seed(2))

    share = float((drawn() != 0).float().mean())
    assert abs(share - 0.3) < 0.04
    assert torch.equal(drawn(), drawn())


def test_bfloat16_images_stay_bfloat16_and_near_those_of_float32(device: torch.device) -> None:
    pipe = pipe_of("bgc").to(device)
    images = smooth_images(*SHAPES[0], dtype=torch.float32).to(device)
    parameters = pipe.sample(images.shape, torch.Generator().manual_seed(3), device)
    found = pipe.transform(images.bfloat16(), parameters)
    assert found.dtype == torch.bfloat16
    torch.testing.assert_close(
        found.float(), pipe.transform(images, parameters), rtol=0.02, atol=0.05
    )

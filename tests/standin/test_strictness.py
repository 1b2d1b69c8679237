"""The stand-in itself: it refuses what CUDA refuses, and calculates what the CPU calculates."""

import io
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.standin.device import Waits

pytestmark = pytest.mark.gpu

SHAPE = (3, 4, 5, 7)


@pytest.fixture
def images(device: torch.device) -> Tensor:
    return torch.randn(SHAPE, generator=torch.Generator().manual_seed(0)).to(device)


REFUSED: dict[str, tuple[Callable[[Tensor], object], str]] = {
    "tensors of two devices": (lambda images: images + images.cpu(), "two devices, standin:0 and"),
    "in a list": (lambda images: torch.cat([images, images.cpu()]), "same device"),
    "weights of the host": (lambda images: F.conv2d(images, torch.ones(2, 4, 3, 3)), "same device"),
    "written to the host": (lambda images: images.cpu().add_(images), "same device"),
    "a generator of the host": (
        lambda images: torch.randn(3, device=images.device, generator=torch.Generator()),
        "generator of device standin:0 but found one of cpu",
    ),
    "numpy": (lambda images: images.numpy(), "to host memory first"),
}


@pytest.mark.parametrize(("work", "message"), REFUSED.values(), ids=REFUSED)
def test_refused(images: Tensor, work: Callable[[Tensor], object], message: str) -> None:
    with pytest.raises((RuntimeError, TypeError), match=message):
        work(images)


WAITS: dict[str, tuple[Callable[[Tensor], object], set[str]]] = {
    "a number": (lambda images: images.sum().item(), {"one number to the host"}),
    "a condition": (lambda images: bool((images > 0).any()), {"one number to the host"}),
    "to the host": (lambda images: images.cpu(), {"copy to the host"}),
    "to the device": (lambda images: torch.ones(2).to(images.device), {"copy to the device"}),
    "a list": (lambda images: images.new_tensor([1.0, 2.0]), {"copy to the device"}),
    "not waited for": (lambda images: torch.ones(2).to(images.device, non_blocking=True), set()),
    "nonzero": (lambda images: images.nonzero(), {"aten::nonzero"}),
    "a mask": (lambda images: images[images > 0], {"aten::nonzero"}),
    "written by a mask": (
        lambda images: images.index_put_((images > 0,), images.new_zeros(())),
        {"aten::_index_put_impl_ by a mask"},
    ),
    "indices of the host": (lambda images: images[torch.tensor([1])], {"copy to the device"}),
    "indices": (lambda images: images[images.new_ones(2).long()], set()),
    "arithmetic": (lambda images: (images * 2 + torch.tensor(1.5)).square().sum(), set()),
}


@pytest.mark.parametrize(("work", "expected"), WAITS.values(), ids=WAITS)
def test_waits_are_told(
    images: Tensor, work: Callable[[Tensor], object], expected: set[str]
) -> None:
    with Waits() as waits:
        work(images)
    assert {wait.what for wait in waits.places} == expected
    work(images)
    assert {wait.what for wait in waits.places} == expected  # and no more outside


def test_second_derivatives_are_those_of_the_cpu(device: torch.device) -> None:
    def derivatives(where: torch.device) -> list[Tensor]:
        drawn = torch.Generator().manual_seed(1)
        network = nn.Sequential(nn.Conv2d(4, 8, 3), nn.GroupNorm(2, 8), nn.SiLU())
        for parameter in network.parameters():
            parameter.data = torch.randn(parameter.shape, generator=drawn)
        network.to(where, memory_format=torch.channels_last)
        images = torch.randn(SHAPE, generator=drawn).to(where).requires_grad_()
        (slope,) = torch.autograd.grad(network(images).square().sum(), images, create_graph=True)
        slope.square().sum().backward()
        return [images.grad.cpu(), *(p.grad.cpu() for p in network.parameters())]

    for found, expected in zip(derivatives(device), derivatives(torch.device("cpu")), strict=True):
        # In another layout sums come in another order.
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-4)


def test_autocast_follows_the_lists_of_cuda(images: Tensor) -> None:
    rough = images.bfloat16()
    with torch.autocast(images.device.type, dtype=torch.bfloat16):
        assert F.conv2d(images, images[:2, :, :3, :3]).dtype == torch.bfloat16
        assert F.softmax(rough, dim=1).dtype == torch.float32  # bfloat16 on a CPU
        assert F.layer_norm(rough, [7]).dtype == torch.float32
        assert torch.cat([images, rough]).dtype == torch.float32


def test_random_numbers_go_on_from_a_state(device: torch.device) -> None:
    stream = torch.Generator(device).manual_seed(3)
    assert stream.device.type == device.type
    state = stream.get_state()
    drawn = torch.randn(9, generator=stream, device=device)
    again = torch.Generator(device)
    again.set_state(state)
    assert torch.equal(torch.randn(9, generator=again, device=device), drawn)
    torch.manual_seed(0)
    drawn = torch.rand(3, device=device)
    with torch.random.fork_rng([device], device_type=device.type):
        torch.manual_seed(0)
        assert torch.equal(torch.rand(3, device=device), drawn)


def test_memory_is_counted_and_given_back(device: torch.device) -> None:
    memory = torch.get_device_module(device)
    before = memory.memory_reserved()
    memory.reset_peak_memory_stats()
    taken = torch.ones(1000, device=device)
    assert memory.memory_reserved() - before == 4000
    total = taken.exp().sum()
    assert memory.max_memory_allocated() - before == 8004
    del taken, total
    assert memory.memory_reserved() == before


def test_what_is_stored_comes_back_on_its_device(images: Tensor) -> None:
    stored = io.BytesIO()
    torch.save({"images": images}, stored)
    for where in ("cpu", None):
        stored.seek(0)
        found = torch.load(stored, weights_only=True, map_location=where)["images"]
        assert found.device.type == (where or images.device.type)
        assert torch.equal(found.cpu(), images.cpu())

"""Tensors without content, and none left behind."""

import subprocess
import sys

import pytest
import torch
from torch import nn

from adavit.augment import make_pipe
from adavit.models.resampling import downsample, smooth
from adavit.training.start.without_content import emptied, tensors_of, without_content


def test_a_network_keeps_its_shapes_layouts_and_ties() -> None:
    with torch.device("meta"):
        convolution = nn.Conv2d(3, 4, 3)
        network = nn.ModuleDict(
            {"one": convolution, "same": convolution, "norm": nn.BatchNorm2d(4)}
        )
        network.to(memory_format=torch.channels_last)
    before = {name: (t.shape, t.stride(), t.dtype) for name, t in network.state_dict().items()}
    with without_content():
        emptied(network)
        found = network["norm"](network["one"](torch.empty(2, 3, 6, 5)))
        assert found.shape == (2, 4, 4, 3)
    assert {n: (t.shape, t.stride(), t.dtype) for n, t in network.state_dict().items()} == before
    assert network["one"].weight is network["same"].weight
    assert {tensor.device.type for tensor in tensors_of([network])} == {"cpu"}


def test_what_asks_for_a_number_raises() -> None:
    with without_content(), pytest.raises(Exception, match="_local_scalar_dense"):
        torch.zeros(()).item()


def test_kept_filters_have_content_afterwards() -> None:
    images = torch.rand(2, 3, 16, 16)
    pipe = make_pipe("bgc")
    expected = pipe(images, generator=torch.Generator().manual_seed(1))
    smoothed = smooth(images, padding=1)
    with without_content():
        pipe(torch.empty(2, 3, 16, 16), generator=torch.Generator())
        smooth(torch.empty(2, 3, 16, 16), padding=1)
    assert torch.equal(pipe(images, generator=torch.Generator().manual_seed(1)), expected)
    assert torch.equal(smooth(images, padding=1), smoothed)


def test_an_exception_leaves_nothing_behind() -> None:
    images = torch.rand(1, 3, 8, 8)
    expected = downsample(images)
    with pytest.raises(Exception, match="_local_scalar_dense"), without_content():
        downsample(torch.empty(1, 3, 8, 8)).sum().item()
    assert torch.equal(downsample(images), expected)


def test_tensors_from_outside_take_part_only_where_they_are_allowed_to() -> None:
    outside = torch.ones(2)
    with without_content():
        assert (torch.ones(2) + outside).shape == (2,)
    with (
        without_content(allow_real=False),
        pytest.raises(AssertionError, match="convert all Tensors"),
    ):
        torch.ones(2) + outside


def test_processes_can_be_forked_afterwards() -> None:
    """Autograd refuses to work in a fork once it has started threads for devices."""
    found = subprocess.run([sys.executable, "-c", FORKED], capture_output=True, text=True)
    assert (found.returncode, found.stdout) == (0, "[1.0, 1.0, 1.0]\n"), found.stderr


FORKED = """
import os, torch
from adavit.training.start.without_content import without_content

def gradient():
    leaf = torch.ones(3, requires_grad=True)
    leaf.sum().backward()
    return leaf.grad

with without_content():
    gradient()
if os.fork() == 0:
    print(gradient().tolist(), flush=True)
    os._exit(0)
raise SystemExit(os.waitstatus_to_exitcode(os.wait()[1]))
"""

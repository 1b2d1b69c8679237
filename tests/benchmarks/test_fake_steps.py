"""Steps without content, and nothing of them left behind."""

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import torch

from adavit.models.resampling import downsample
from adavit.training.start.without_content import without_content
from benchmarks.fake_steps import fake_step
from benchmarks.gpu.bench import TOY, Bench, Stepper, workload_of

CPU = torch.device("cpu")


@pytest.mark.parametrize("fails", [False, True], ids=["as asked", "with an error"])
def test_ordinary_images_are_resampled_afterwards(fails: bool) -> None:
    channels = TOY["resnet"]["channel_max"]
    config = Bench(CPU, toy=True, out=Path(), ends=0).config("resnet", 16)
    workload = workload_of(config, CPU)
    expected: Any = pytest.raises(ValueError, match="midway") if fails else nullcontext()
    with expected, without_content(allow_real=False):
        Stepper(fake_step(workload), config, CPU).plain()
        if fails:
            raise ValueError("midway")
    # With a filter that the networks have used; a constant keeps its value away from the border.
    found = downsample(torch.ones(1, channels, 8, 8))
    assert torch.equal(found[..., 1:-1, 1:-1], torch.ones(1, channels, 2, 2))

"""`--deterministic`: training steps end with the same bits each time, and dispatch nothing that cannot."""

from collections.abc import Iterator

import pytest
import torch

from adavit.runtime.determinism import in_fixed_order
from benchmarks.work import WorkCount
from tests.gpu.steps import RESNET, Layer, trained
from tests.gpu.test_networks import CRITICS

pytestmark = pytest.mark.gpu

UNORDERED = {
    *("grid_sampler_2d_backward", "upsample_bilinear2d_backward", "upsample_bicubic2d_backward"),
    *("_upsample_bilinear2d_aa_backward", "_upsample_bicubic2d_aa_backward"),
    *("reflection_pad1d_backward", "reflection_pad2d_backward", "replication_pad2d_backward"),
    *("_adaptive_avg_pool2d_backward", "adaptive_max_pool2d_backward", "max_unpool2d"),
    *("nll_loss2d_forward", "put_", "histc", "bincount", "median"),
}
"""What adds in no fixed order on CUDA whatever is asked of torch: the documentation of
`torch.use_deterministic_algorithms`, of what images and their networks use."""

STEPS: dict[str, Layer] = {
    "vit, all groups": {"augment": {"preset": "bgcfnc"}},
    "resnet, diffaug": {"discriminator": RESNET, "augment": {"preset": "diffaug", "p": 1.0}},
    "consistency": {"training": {"bcr_real": 1, "bcr_generated": 1, "masked_patch_weight": 0.3}},
    "features": CRITICS["beside"][0],
}


def dispatched(work: WorkCount) -> set[str]:
    """Names of operators, those within our own too."""
    return {name for part in work.parts.values() for name in part.operations}


@pytest.fixture
def ordered() -> Iterator[None]:
    """Within a run that was asked for it."""
    with in_fixed_order(True):
        yield


@pytest.fixture(params=STEPS.values(), ids=STEPS)
def layer(request: pytest.FixtureRequest, convolutional: str) -> Layer:
    given: Layer = request.param
    if "features" not in given:
        return given
    return {**given, "features": {**given["features"], "network": convolutional, "side": 64}}


@pytest.mark.usefixtures("ordered")
def test_the_same_steps_end_with_the_same_bits(device: torch.device, layer: Layer) -> None:
    traces = [trained(device, layer, steps=2) for _ in range(2)]
    torch.testing.assert_close(traces[0].weights, traces[1].weights, rtol=0, atol=0)


@pytest.mark.usefixtures("ordered")
def test_nothing_is_dispatched_that_has_no_order(device: torch.device, layer: Layer) -> None:
    with WorkCount() as work:
        trained(device, layer, steps=1)
    names = dispatched(work)
    assert {"index_add_", "convolution_backward"} <= names or "diffaug" in str(layer)
    if (
        device.type != "cpu"
    ):  # where torch enlarges images otherwise (`torch.nn.functional.interpolate`)
        assert not names & UNORDERED
    else:
        assert names & UNORDERED <= {"upsample_bilinear2d_backward"}


def test_it_would_be_noticed(device: torch.device) -> None:
    with WorkCount() as work:
        trained(device, STEPS["vit, all groups"], steps=1)
    assert "grid_sampler_2d_backward" in dispatched(work)

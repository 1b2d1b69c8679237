"""A step on tensors without content, held to real ones."""

from collections.abc import Callable
from dataclasses import astuple
from pathlib import Path
from typing import Any

import pytest
import torch

from adavit.config.run import RunConfig
from adavit.runtime.console import SilentConsole
from adavit.runtime.imagined_world import ImaginedWorld
from adavit.training.foresight import operations_of
from adavit.training.passes.streams import StepStreams
from adavit.training.start.build import build_step
from adavit.training.start.imagined_step import IMAGES, ImaginedStep, Work
from adavit.training.start.workload import prepare
from adavit.training.step.reduction import OF_ONE_PROCESS, Fast, InOrder, Reduction
from tests.small_weights import write_mobilenet

Tiny = Callable[..., RunConfig]


def test_operations_are_those_that_torch_counts_in_a_real_step(tiny: Tiny) -> None:
    workload = prepare(tiny({"training": {"r1_gamma": 1, "r1_interval": 4}}), SilentConsole())
    imagined, step = ImaginedStep(workload.config), build_step(workload)
    step.set_p(0.5)
    counts = []
    for number in (0, 1):
        with Work([]) as work:
            real = torch.zeros(8, 3, 16, 16)
            step(real, None, images=8 * number, streams=StepStreams.at(0, 0))
        counts.append(work.operations / 8)
        assert imagined.of(number).operations == pytest.approx(counts[-1], rel=0.02)
    assert counts[0] > 1.2 * counts[1]
    assert operations_of(imagined) == pytest.approx((counts[0] + 3 * counts[1]) / 4, rel=0.02)


def test_what_is_due_at_times_is_so_in_the_same_steps_of_several_processes(tiny: Tiny) -> None:
    settings = {"r1_gamma": 1, "r1_interval": 16, "batch": 8, "microbatch": 4}
    config = prepare(tiny({"training": settings}), SilentConsole()).config
    one, shared = ImaginedStep(config), ImaginedStep(config, reduction=InOrder(ImaginedWorld(2)))
    assert shared.of(1).operations < shared.of(0).operations
    assert operations_of(shared) == pytest.approx(operations_of(one))


@pytest.mark.parametrize(
    ("reduction", "sums"),
    [
        (OF_ONE_PROCESS, [0, 1, 2]),
        (InOrder(ImaginedWorld(2)), [0, 1, 2]),
        (Fast(ImaginedWorld(2)), [0, 1, 1]),
    ],
)
def test_sums_and_images_are_those_of_the_slices_of_one_process(
    tiny: Tiny, reduction: Reduction, sums: list[int]
) -> None:
    def of(slices: int) -> ImaginedStep:
        settings = {"batch": 4 * slices * reduction.world.size, "microbatch": 4}
        config = prepare(tiny({"training": settings}), SilentConsole()).config
        return ImaginedStep(config, reduction=reduction)

    steps = [of(slices) for slices in (1, 2, 4)]
    networks = (steps[0].generator, steps[0].judges)
    weights = sum(p.nbytes for network in networks for p in network.parameters())
    peaks = [step.of(0).peak for step in steps]
    images = [0, 4 * 3 * 16 * 16 * 4, 12 * 3 * 16 * 16 * 4]
    assert [peak - peaks[0] - more for peak, more in zip(peaks, images, strict=True)] == [
        count * weights for count in sums
    ]


@pytest.mark.parametrize("san", [False, True], ids=["plain", "san"])
@pytest.mark.parametrize(
    ("kind", "critic"),
    [("resnet", False), ("resnet", True), ("vit", False), ("vit", True), ("projected", True)],
)
def test_its_networks_are_those_of_the_run(
    tiny: Tiny, tmp_path: Path, kind: str, critic: bool, san: bool
) -> None:
    patch = {"patch": 4} if kind == "vit" else {}
    discriminator = {"kind": kind, **patch}
    layers: list[dict[str, Any]] = [{"discriminator": discriminator, "training": {"san": san}}]
    if critic:
        network = write_mobilenet(tmp_path / "mobile.pth")
        layers.append({"features": {"network": network, "side": 32}, "data": {"cond": True}})
    workload = prepare(tiny(*layers), SilentConsole())
    classes = {"num_classes": workload.num_classes}
    imagined, step = ImaginedStep(workload.config, **classes), build_step(workload)
    for found, expected in (
        (imagined.generator, step.generator),
        (imagined.judges, step.judges),
    ):
        shapes = [
            {name: tensor.shape for name, tensor in network.named_parameters()}
            for network in (found, expected)
        ]
        assert shapes[0] == shapes[1]


def test_large_slices_are_gone_through_in_part(tiny: Tiny) -> None:
    def of(batch: int) -> tuple[int, float]:
        config = prepare(tiny({"training": {"batch": batch}}), SilentConsole()).config
        found = ImaginedStep(config).of(0)
        return found.peak - found.held, found.operations

    (small, each), (large, of_large) = of(IMAGES), of(4 * IMAGES)
    assert large == pytest.approx(4 * small, rel=0.05)
    assert of_large == each


def test_operations_of_kornia_are_left_out(tiny: Tiny) -> None:
    """They ask tensors for numbers."""
    extra = [{"operation": "RandomSharpness", "p": 1}]
    plain, more = (
        prepare(tiny({"augment": {"extra": given}}), SilentConsole()).config
        for given in ([], extra)
    )
    assert ImaginedStep(more).of(0).peak == ImaginedStep(plain).of(0).peak


@pytest.mark.parametrize("when", [{"vanishes_at": 0.5}, {"vanishes_at": 0.2}, {"start_kimg": 0.04}])
def test_a_critic_that_the_generator_does_not_follow_throughout_counts_in_full(
    tiny: Tiny, tmp_path: Path, when: dict[str, float]
) -> None:
    network = write_mobilenet(tmp_path / "mobile.pth")

    def needs(**features: Any) -> tuple[float, ...]:
        section = {"network": network, "side": 32, **features}
        config = prepare(tiny({"features": section}), SilentConsole()).config
        return astuple(ImaginedStep(config).of(0))

    assert needs(**when) == pytest.approx(needs(), rel=1e-3)  # its weight is a number more


def test_a_critic_in_some_steps_counts_its_share(tiny: Tiny, tmp_path: Path) -> None:
    section = {"network": write_mobilenet(tmp_path / "mobile.pth"), "side": 32, "interval": 3}
    layers: list[dict[str, Any]] = [{"training": {"r1_gamma": 1, "r1_interval": 2}}]
    imagined = ImaginedStep(prepare(tiny(*layers, {"features": section}), SilentConsole()).config)
    each = [imagined.of(number).operations for number in range(6)]
    assert each[0] > max(each[2], each[3]) > min(each[2], each[3]) > each[1] == each[5]
    assert operations_of(imagined) == pytest.approx(sum(each) / 6)

"""One way to put a step together: what is foreseen of a run is the step that trains."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

from adavit.config.run import RunConfig
from adavit.runtime.console import SilentConsole
from adavit.training.objectives.gradient_penalties import ApproximatePenalty
from adavit.training.start.build import build_step
from adavit.training.start.imagined_step import ImaginedStep
from adavit.training.start.workload import prepare
from adavit.training.step.adversarial_step import AdversarialStep

CPU, CUDA = torch.device("cpu"), torch.device("cuda")
APPROXIMATE = {"r1_gamma": 1, "penalty": "approximate"}


def settings(step: AdversarialStep) -> list[Any]:
    """What a step does with its networks, in so far as it can be compared."""
    points = (0, 50_000, 10**9)
    rates = [rate(images) for rate in (*step.rates, step.beta2) for images in points]
    terms = [(term.name, term.interval, term.factor(0)) for term in step.regularizers]
    return [*rates, step.beta1, step.warmup_images, *terms, step.reports, step.top_k is None]


def test_the_imagined_step_is_the_one_that_trains(tiny: Callable[..., RunConfig]) -> None:
    training = {
        **{"r1_gamma": 1, "r1_interval": 4, "final_gamma_factor": 0.1, "schedule_kimg": 50},
        **{"final_lr_factor": 0.5, "final_beta2": 0.9, "warmup_kimg": 3, "lecam": 0.3, "top_k": 0.5},
        **{"generator_lr": 0.003, "discriminator_lr": 0.001, "path_length": 2},
    }  # fmt: skip
    workload = prepare(tiny({"training": training}), SilentConsole())
    trains, imagined = build_step(workload), ImaginedStep(workload.config).step
    assert settings(imagined) == settings(trains)
    assert [term.name for term in trains.regularizers] == ["r1", "path_length_penalty", "lecam"]


@pytest.mark.parametrize(
    ("precision", "device", "central"),
    [("float32", CPU, False), ("float32", CUDA, True), ("bf16", CPU, True)],
    ids=["exact", "TF32", "bf16"],
)
def test_a_difference_of_coarse_logits_is_central(
    tiny: Callable[..., RunConfig], precision: str, device: torch.device, central: bool
) -> None:
    layers = {"training": {**APPROXIMATE, "precision": precision}}
    config = prepare(tiny(layers), SilentConsole()).config
    (penalty,) = ImaginedStep(config, device=device).step.regularizers
    assert isinstance(penalty, ApproximatePenalty)
    assert penalty.central is central

"""Training steps with every term of the losses: the device learns what the CPU learns."""

from collections.abc import Callable
from typing import Any, get_args

import pytest
import torch

from adavit.config.training import TrainingConfig
from adavit.pretraining.progress import PretrainingProgress
from tests.gpu.steps import RESNET, Layer
from tests.gpu.test_networks import check

pytestmark = [pytest.mark.gpu, pytest.mark.usefixtures("float32", "same_draws")]

LOSSES = get_args(TrainingConfig.model_fields["loss"].annotation)
TERMS: dict[str, dict[str, Any]] = {
    "san": {"san": True, "loss": "hinge"},
    "approximate r1 and r2": {"penalty": "approximate", "r2_gamma": 0.1},
    "r2": {"r2_gamma": 0.1},
    "gradient penalty": {"loss": "wasserstein", "gradient_penalty": 1, "drift": 0.01},
    "style mixing": {"style_mixing": 0.9},
    "bcr": {"bcr_real": 1, "bcr_generated": 1},
    "zcr": {"zcr_discriminator": 0.2, "zcr_generator": 0.02},
    "lecam": {"lecam": 0.3},
    "apa": {"apa_p_max": 0.8, "apa_speed_kimg": 0.04, "apa_target": -1},
    "top k": {"top_k": 0.5},
    "masked patches": {"masked_patch_weight": 0.3},
    "frozen layers": {"freeze_d": 1},
    "schedules": {
        "schedule_kimg": 0.7,
        "final_lr_factor": 0.25,
        "final_gamma_factor": 0.1,
        "final_beta2": 0.9,
    },
    "microbatches": {"microbatch": 4, "lecam": 0.3, "bcr_real": 1},
}
CHAIN: Layer = {
    "training": {
        "chain_p0": 0.3,
        "chain_target": -1,
        "chain_start_kimg": 0.008,
        "chain_speed_kimg": 0.1,
    },
    "discriminator": {**RESNET, "normalization": "chain"},
}


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("kind", ["vit", "resnet"])
def test_a_loss(
    device: torch.device, record_property: Callable[..., None], loss: str, kind: str
) -> None:
    network = RESNET if kind == "resnet" else {}
    check(device, record_property, {"training": {"loss": loss}, "discriminator": network})


@pytest.mark.parametrize("training", TERMS.values(), ids=TERMS)
def test_a_term(
    device: torch.device, record_property: Callable[..., None], training: dict[str, Any]
) -> None:
    check(device, record_property, {"training": training})


def test_chain(device: torch.device, record_property: Callable[..., None]) -> None:
    check(device, record_property, CHAIN)


@pytest.mark.parametrize("preset", ["bgcfnc", "diffusion", "diffaug"])
def test_an_augmentation(
    device: torch.device, record_property: Callable[..., None], preset: str
) -> None:
    always = {"p": 1.0} if preset == "diffaug" else {}
    check(device, record_property, {"augment": {"preset": preset, **always}})


def test_the_losses_of_a_pretraining_are_averaged_across_a_resume(device: torch.device) -> None:
    before, after = PretrainingProgress(), PretrainingProgress()
    before.stepped(8, torch.tensor(0.25, device=device))
    after.load_state_dict(before.state_dict())
    after.stepped(8, torch.tensor(0.75, device=device))
    assert after.state_dict()["losses"].tolist() == [0.25, 0.75]
    after.measured({})
    assert after.figures["training_loss"] == 0.5

"""The regularizer called directly, with a microbatch made by hand."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from adavit.features.published_vit import PublishedTeacher, PublishedTrunk
from adavit.models import ViTDiscriminator
from adavit.models.distillation import PREDICTORS, add_predictors
from adavit.training.objectives.distillation import Distillation
from tests.adavit.training.small_step import judged_microbatch
from tests.networks import make_vit
from tests.published_vit import published_state

COUNT = 3


@pytest.fixture(scope="module")
def teacher() -> PublishedTeacher:
    trunk = PublishedTrunk(published_state(), "torchvision:vit_b_16 0", Path("weights.pth"))
    return PublishedTeacher(trunk, resolution=8, image_channels=3, patch=4)


def discriminator(**changes: Any) -> ViTDiscriminator:
    torch.manual_seed(0)
    sizes = {"resolution": 8, "patch": 4, "width": 16, "depth": 1, "heads": 2}
    network = make_vit(**{**sizes, **changes})
    add_predictors(network, hidden=12, target=768)
    return network


def test_it_compares_tokens_of_the_same_augmented_real_images(teacher: PublishedTeacher) -> None:
    network = discriminator()
    batch = judged_microbatch(network, COUNT)
    regularizer = Distillation(0.3, teacher)
    found = regularizer(batch)
    assert tuple(found) == regularizer.reports == ("distillation",)
    seen = batch.real.view.images.detach()
    assert not torch.equal(seen, batch.real.images)
    predictors: Any = network.get_submodule(PREDICTORS)
    encoder = network.encoder
    tokens = encoder.norm(encoder(seen, twice_differentiable=True))
    wanted = teacher.encoder.norm(teacher.encoder(seen, twice_differentiable=True))
    classes = F.cosine_similarity(predictors.of_class(tokens[:, 0]), wanted[:, 0])
    patches = F.cosine_similarity(predictors.of_patches(tokens[:, 1:]), wanted[:, 1:], dim=2)
    expected = (1 - classes).mean() + (1 - patches).mean()
    torch.testing.assert_close(found["distillation"], expected, rtol=1e-4, atol=1e-5)
    assert regularizer.factor(0) == 0.3


def test_images_of_apa_are_left_out(teacher: PublishedTeacher) -> None:
    network = discriminator()
    batch = judged_microbatch(network, COUNT)
    is_real = torch.tensor([True, False, True])
    found = Distillation(1, teacher)(replace(batch, is_real=is_real))["distillation"]
    view = batch.real.view
    seen = replace(view, images=view.images[is_real])
    alone = replace(batch, real=replace(batch.real, view=seen))
    expected = Distillation(1, teacher)(alone)["distillation"]
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    assert abs(found - Distillation(1, teacher)(batch)["distillation"]) > 1e-3
    none = replace(batch, is_real=torch.zeros(COUNT, dtype=torch.bool))
    assert Distillation(1, teacher)(none)["distillation"] == 0


def test_it_trains_trunk_and_predictors_but_neither_judge_nor_generator_nor_teacher(
    teacher: PublishedTeacher,
) -> None:
    network = discriminator()
    batch = judged_microbatch(network, COUNT)
    Distillation(1, teacher)(batch)["distillation"].backward()
    for name, weight in network.named_parameters():
        if name.startswith("head."):
            assert weight.grad is None, name
        else:
            assert weight.grad is not None, name
            assert weight.grad.abs().sum() > 0, name
    others = [*batch.generator.parameters(), *teacher.parameters(), batch.real.images]
    assert all(weight.grad is None for weight in others)


def test_all_patches_count_where_the_judge_leaves_some_out(teacher: PublishedTeacher) -> None:
    network = discriminator(patch_drop=0.5)
    assert torch.isfinite(
        Distillation(1, teacher)(judged_microbatch(network, COUNT))["distillation"]
    )


def test_it_runs_in_the_precision_of_the_run(teacher: PublishedTeacher) -> None:
    network = discriminator()
    exact = Distillation(1, teacher)(judged_microbatch(network, COUNT))["distillation"]
    coarse = Distillation(1, teacher)(judged_microbatch(network, COUNT, torch.bfloat16))[
        "distillation"
    ]
    assert coarse.dtype == torch.float32
    assert coarse != exact
    torch.testing.assert_close(coarse.detach(), exact.detach(), rtol=0, atol=0.02)


def test_a_step_on_it_brings_the_tokens_closer(teacher: PublishedTeacher) -> None:
    network, regularizer = discriminator(), Distillation(1, teacher)
    batch = judged_microbatch(network, COUNT)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
    values = []
    for _ in range(8):
        optimizer.zero_grad()
        value = regularizer(batch)["distillation"]
        value.backward()
        optimizer.step()
        values.append(value.item())
    assert values[-1] < values[0] - 0.1

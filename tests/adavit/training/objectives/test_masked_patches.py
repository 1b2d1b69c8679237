"""The regularizer called directly, with a microbatch made by hand."""

from dataclasses import replace
from typing import Any

import torch

from adavit.models import ViTDiscriminator
from adavit.models.masked_patches.corruption import draw_corruption
from adavit.models.masked_patches.prediction import (
    HEAD,
    Prediction,
    add_head,
    masked_patch_accuracy,
    masked_patch_loss,
    predict_corrupted,
)
from adavit.training.objectives.masked_patches import MaskedPatches
from adavit.training.passes.streams import StepStreams
from tests.adavit.training.small_step import COUNT, judged_microbatch
from tests.networks import make_vit


def discriminator(**changes: Any) -> ViTDiscriminator:
    torch.manual_seed(0)
    sizes = {"resolution": 8, "patch": 2, "width": 16, "depth": 1, "heads": 2}
    network = make_vit(**{**sizes, **changes})
    add_head(network)
    return network


def test_it_is_the_loss_of_pretraining_at_augmented_real_images() -> None:
    network = discriminator()
    batch = judged_microbatch(network)
    regularizer = MaskedPatches(0.3)
    found = regularizer(batch)
    assert tuple(found) == regularizer.reports
    stream = StepStreams.at(0, 0).of("masked_patches")
    corruption = draw_corruption(COUNT, 16, stream)
    head: Any = network.get_submodule(HEAD)
    seen = batch.real.view.images.detach()
    assert not torch.equal(seen, batch.real.images)
    expected = predict_corrupted(network.encoder, head, seen, corruption)
    torch.testing.assert_close(found["masked_patches"], masked_patch_loss(expected))
    torch.testing.assert_close(found["masked_patch_accuracy"], masked_patch_accuracy(expected))
    assert regularizer.factor(0) == 0.3


def test_images_of_apa_are_left_out() -> None:
    network = discriminator()
    batch = judged_microbatch(network)
    is_real = torch.tensor([True, False, True, True, False, False])
    found = MaskedPatches(1)(replace(batch, is_real=is_real, streams=StepStreams.at(0, 0)))
    corruption = draw_corruption(COUNT, 16, StepStreams.at(0, 0).of("masked_patches"))
    head: Any = network.get_submodule(HEAD)
    whole = predict_corrupted(network.encoder, head, batch.real.view.images.detach(), corruption)
    of_real = is_real.repeat_interleave(8)  # half of the 16 patches of each image
    expected = Prediction(whole.logits[of_real], whole.classes[of_real])
    torch.testing.assert_close(found["masked_patches"], masked_patch_loss(expected))
    torch.testing.assert_close(found["masked_patch_accuracy"], masked_patch_accuracy(expected))
    assert abs(found["masked_patches"] - masked_patch_loss(whole)) > 1e-3
    none = replace(batch, is_real=torch.zeros(COUNT, dtype=torch.bool))
    assert MaskedPatches(1)(none)["masked_patches"] == 0


def test_it_trains_trunk_and_head_but_not_the_judge_nor_the_generator() -> None:
    network = discriminator()
    batch = judged_microbatch(network)
    MaskedPatches(1)(batch)["masked_patches"].backward()
    for name, weight in network.named_parameters():
        if name.startswith("head."):
            assert weight.grad is None, name
        else:
            assert weight.grad is not None, name
            assert weight.grad.abs().sum() > 0, name
    assert all(weight.grad is None for weight in batch.generator.parameters())
    assert batch.real.images.grad is None


def test_the_logits_are_those_without_the_head() -> None:
    network = discriminator()
    torch.manual_seed(0)
    plain = make_vit(resolution=8, patch=2, width=16, depth=1, heads=2)
    images = torch.rand(3, 3, 8, 8)
    torch.testing.assert_close(network(images), plain(images), rtol=0, atol=0)


def test_all_patches_count_where_the_judge_leaves_some_out() -> None:
    network = discriminator(patch_drop=0.5)
    assert torch.isfinite(MaskedPatches(1)(judged_microbatch(network))["masked_patches"])


def test_another_step_corrupts_others() -> None:
    network = discriminator()
    batch = judged_microbatch(network)
    first, second = (MaskedPatches(1)(batch)["masked_patches"] for _ in range(2))
    assert first != second


def test_it_runs_in_the_precision_of_the_run() -> None:
    network = discriminator()
    exact = MaskedPatches(1)(judged_microbatch(network))["masked_patches"]
    torch.manual_seed(1)
    coarse = MaskedPatches(1)(judged_microbatch(network, autocast=torch.bfloat16))["masked_patches"]
    assert coarse.dtype == torch.float32
    assert coarse != exact
    torch.testing.assert_close(coarse.detach(), exact.detach(), rtol=0, atol=0.02)

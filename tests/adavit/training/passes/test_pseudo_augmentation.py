"""APA: generated images in the place of real ones."""

import pytest
import torch

from adavit.augment import AdaptiveProbability
from adavit.training.passes.pseudo_augmentation import PseudoAugmentation
from adavit.training.passes.step_result import StepResult
from adavit.training.passes.streams import StepStreams
from tests.adavit.training.small_step import COUNT, make_step, reals, run
from tests.networks import make_generator


def pseudo(p: float) -> PseudoAugmentation:
    return PseudoAugmentation(AdaptiveProbability(initial=p, p_max=1.0, speed_kimg=0.1))


def test_pseudo_augmentation_replaces_the_part_that_p_says() -> None:
    generator = make_generator(
        resolution=8, latent_dim=6, style_dim=6, channel_base=64, channel_max=8
    )
    real = reals().repeat(100, 1, 1, 1)
    mixed, is_real = pseudo(0.3)(real, None, generator, StepStreams.at(0, 0), 0.3)
    assert not mixed.requires_grad
    assert torch.equal(mixed[is_real], real[is_real])
    assert (mixed[~is_real] != real[~is_real]).flatten(1).any(dim=1).all()
    assert abs(is_real.float().mean() - 0.7) < 0.08  # 4 standard deviations of 600 draws
    none = pseudo(0.0)
    untouched, is_real = none(real, None, generator, StepStreams.at(0, 0), none.in_step())
    assert untouched is real
    assert is_real.all()


def test_pseudo_images_are_judged_as_real_but_do_not_count_as_training_images() -> None:
    step = make_step(pseudo=pseudo(1.0))
    result = run(step)
    assert not result.is_training.any()
    assert result.finite
    step = make_step(pseudo=pseudo(0.5))
    assert 0 < run(step).is_training.sum() < COUNT


def test_pseudo_images_in_bfloat16_leave_the_gradients_whole() -> None:
    # What autocast has cast without gradients must not be taken for weights later in the step.
    step = make_step(pseudo=pseudo(0.5), autocast=torch.bfloat16)
    run(step)
    used = [p for name, p in step.generator.named_parameters() if "weight" in name]
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in used)


def test_the_part_of_pseudo_images_follows_the_rule_of_ada() -> None:
    apa = pseudo(0.0)
    for _ in range(4):  # one interval of four batches of 5 images: 20 / 100
        apa.update(StepResult(torch.tensor(True), torch.ones(5), torch.zeros(5), {}), 5)
    assert apa.probability.p == pytest.approx(0.2)


def test_the_part_of_pseudo_images_follows_training_images_of_steps_that_were_made() -> None:
    apa, logits = pseudo(0.5), torch.tensor([1.0, 1, 1, -1, -1])
    is_training = torch.tensor([True, True, True, False, False])
    for finite in (True, False, True, True):
        judged = logits if finite else logits * torch.nan
        apa.update(StepResult(torch.tensor(finite), judged, logits, {}, is_training), 5)
    assert apa.probability.r == 1
    assert apa.probability.p == pytest.approx(0.7)


def test_p_can_be_set_up_to_its_cap() -> None:
    rule = PseudoAugmentation(AdaptiveProbability(initial=0.1, p_max=0.6, speed_kimg=0.1))
    rule.p = 0.5
    assert rule.p == rule.in_step() == rule.probability.p == 0.5
    rule.p = 0.9
    assert rule.p == 0.6

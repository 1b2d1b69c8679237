"""The passes of one slice; what they compute is held by the tests of the step and of each objective."""

from dataclasses import replace

import torch
from torch import Tensor

from adavit.augment import AdaptiveProbability
from adavit.training.objectives.regularizer import Microbatch, Regularizer
from adavit.training.passes.pseudo_augmentation import PseudoAugmentation
from adavit.training.passes.streams import StepStreams
from adavit.training.step.adversarial_step import AdversarialStep
from adavit.training.step.microbatch_sums import MicrobatchSums
from tests.adavit.training.small_step import COUNT, make_step, reals


def computed(step: AdversarialStep, **changes: object) -> tuple[MicrobatchSums, list[Tensor]]:
    step.generator.zero_grad()
    step.judges.zero_grad()
    terms = replace(step.terms(0, step.slices(COUNT)), **changes)
    sums = step.compute(reals(), None, StepStreams.at(0, 0), terms)
    networks = (step.generator, step.judges)
    return sums, [p.grad for net in networks for p in net.parameters() if p.grad is not None]


def test_a_slice_counts_by_its_share() -> None:
    step = make_step()
    whole, gradients = computed(step)
    half, halved = computed(step, share=0.5)
    assert torch.equal(half.train_logits, whole.train_logits)
    for name, value in half.losses.items():
        torch.testing.assert_close(value, whole.losses[name] / 2)
    for one, other in zip(halved, gradients, strict=True):
        torch.testing.assert_close(one, other / 2, rtol=1e-4, atol=1e-7)


def test_the_generator_learns_from_the_images_that_are_kept() -> None:
    sums, _ = computed(make_step(), kept=2)
    best = sums.generated_logits.sort().values[-2:]
    expected = torch.nn.functional.softplus(-best).mean()
    torch.testing.assert_close(sums.losses["loss_generator"], expected)


def test_terms_are_told_which_images_are_shown_as_real_and_are_none() -> None:
    told: dict[str, Tensor] = {}

    class Looking(Regularizer):
        def __call__(self, batch: Microbatch) -> dict[str, Tensor]:
            assert batch.is_real is not None
            assert batch.shares is not None
            told.update(images=batch.real.images, is_real=batch.is_real, shares=batch.shares)
            return {self.name: batch.real.logits.sum() * 0}

    step = make_step(Looking("looking", 1), pseudo=PseudoAugmentation(AdaptiveProbability()))
    computed(step, pseudo_p=0.5)
    kept = (told["images"] == reals()).flatten(1).all(dim=1)
    assert torch.equal(told["is_real"], kept)
    assert 0 < int(kept.sum()) < COUNT
    torch.testing.assert_close(told["shares"], kept / kept.sum())

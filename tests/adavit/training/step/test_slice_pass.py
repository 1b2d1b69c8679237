"""The passes of one slice; what they compute is held by the tests of the step and of each objective."""

from dataclasses import replace

import torch
from torch import Tensor

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

"""LeCam and its averages."""

import torch

from adavit.training.objectives.lecam import LeCam
from tests.adavit.training.small_step import (
    COUNT,
    make_step,
    run,
)


def test_lecam_holds_on_to_the_unbiased_averages_of_the_steps_before() -> None:
    regularizer = LeCam(0.3, 0.9)
    step, real, fake = make_step(regularizer), [], []
    for index in range(4):
        result = run(step, index * COUNT)
        if index == 0:
            assert result.losses["lecam"] == 0
        else:
            weights = torch.tensor([0.9 ** (index - 1 - k) for k in range(index)])
            weights = weights / weights.sum()
            anchor_real = (weights * torch.stack(real)).sum()
            anchor_fake = (weights * torch.stack(fake)).sum()
            expected = (result.train_logits - anchor_fake).square().mean()
            expected += (result.generated_logits - anchor_real).square().mean()
            torch.testing.assert_close(result.losses["lecam"], expected, rtol=1e-4, atol=1e-6)
        real.append(result.train_logits.mean())
        fake.append(result.generated_logits.mean())

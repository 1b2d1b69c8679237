import pytest
import torch

from adavit.training.best_generator import BestGenerator
from tests.networks import make_generator


def test_what_was_best_stays_while_the_average_goes_on() -> None:
    average = make_generator(resolution=8).eval()
    best = BestGenerator(average)
    before = {name: tensor.clone() for name, tensor in average.state_dict().items()}
    with torch.no_grad():
        for parameter in average.parameters():
            parameter.add_(1)
    assert all(torch.equal(best.state_dict()[name], before[name]) for name in before)
    best.take(average)
    after = average.state_dict()
    assert all(torch.equal(best.state_dict()[name], after[name]) for name in after)
    again = BestGenerator(make_generator(resolution=8))
    again.load_state_dict(best.state_dict())
    assert all(torch.equal(again.module.state_dict()[name], after[name]) for name in after)


def test_another_generator_is_refused() -> None:
    best = BestGenerator(make_generator(resolution=8))
    with pytest.raises(RuntimeError, match="Missing key"):
        best.load_state_dict({})

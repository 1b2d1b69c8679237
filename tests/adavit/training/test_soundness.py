import math

import pytest
import torch
from torch import nn

from adavit.models.limits import LR_MULTIPLIERS
from adavit.models.mapping import MappingNetwork
from adavit.training.soundness import LARGEST_WEIGHT, ailment, has_collapsed


def network(value: float) -> nn.Module:
    made = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
    with torch.no_grad():
        made[0].weight[1, 1] = value
    return made


@pytest.mark.parametrize("value", [0.0, 400.0, -LARGEST_WEIGHT])
def test_large_weights_are_no_ailment(value: float) -> None:
    assert ailment({"generator": network(value)}) == ""


@pytest.mark.parametrize("multiplier", LR_MULTIPLIERS)
def test_the_weights_of_a_mapping_are_sound_as_drawn(multiplier: float) -> None:
    torch.manual_seed(0)
    sizes = {"latent_dim": 512, "style_dim": 512, "num_classes": 0, "layers": 8}
    mapping = MappingNetwork(**sizes, lr_multiplier=multiplier)
    assert ailment({"generator": mapping}) == ""


@pytest.mark.parametrize(
    ("value", "named"), [(math.nan, "nan"), (math.inf, "inf"), (-math.inf, "inf"), (-3e29, "3e+29")]
)
def test_the_first_network_that_diverged_is_named_with_its_tensor(value: float, named: str) -> None:
    networks = {"generator": network(1), "discriminator": network(value), "third": network(value)}
    expected = f"the weights of the discriminator reach {named} (in 0.weight)"
    assert ailment(networks) == expected


def test_buffers_count_and_whole_numbers_do_not() -> None:
    made = network(0.0)
    made[1].num_batches_tracked.fill_(10**9)
    assert ailment({"generator": made}) == ""
    made[1].running_var[2] = 1e7
    assert (
        ailment({"generator": made})
        == "the weights of the generator reach 1e+07 (in 1.running_var)"
    )


@pytest.mark.parametrize(
    ("name", "first", "best", "figure", "expected"),
    [
        ("fid", 410, 12, 300, True),  # all but lost
        ("fid", 410, 12, 420, True),
        ("fid", 410, 12, math.nan, True),
        ("fid", 410, 12, 40, False),  # several times the best, and yet near it
        ("fid", 410, 380, 420, False),  # nothing was learnt that could be lost
        ("fid", 410, 250, 405, False),
        ("fid", 410, 100, 300, True),  # two thirds of the way, and just three times the best
        ("fid", 410, 60, 234, False),  # half of the way is 175
        ("fid", 410, 60, 236, True),
        ("fid", 20, 12, 60, True),  # of a run that started from another one
        ("fid", 20, 12, 24, False),
        ("fid", 20, 20, 59, False),
        ("fid", 20, 20, 61, True),
        ("fd_random", 17.1, 1.8, 3.6, False),  # overfitted, as measured
        ("fid", math.nan, 12, 300, False),
        ("fid", 410, math.nan, math.nan, False),
        ("kid", 0.4, 0.001, 0.004, False),  # noise about 0
        ("kid", 0.4, -0.001, 0.1, False),
        ("kid", 0.4, -0.001, 0.3, True),
        ("kid", 0.4, -0.001, -0.002, False),
        ("kid", 1e-3, -5e-4, 8e-4, False),  # of a run that started from a good network
        ("kid_subsets", 1e-3, -5e-4, 8e-4, False),
        ("kid_drawn", 5e-3, -7e-3, 0.02, False),
        ("kid_random", 1e-3, 2e-4, 7e-4, False),
        ("kid", 1e-3, -5e-4, 0.2, True),
        ("kid", 0.02, 0.02, 0.2, True),
        ("kid_drawn", 1.2, 0.2, 1.1, True),
        ("is", 1.0, 6.0, 1.5, True),
        ("is", 1.0, 6.0, 4.0, False),
        ("is", 1.0, 1.2, 1.0, False),
        ("precision", 0.0, 0.6, 0.1, True),
        ("precision", 0.0, 0.6, 0.5, False),
        ("precision", 0.0, 0.75, 0.25, True),  # just a third of the best
        ("precision", 0.6, 0.9, 0.29, True),  # of a run that started from another one
        ("precision", 0.6, 0.9, 0.31, False),
        ("precision", 0.05, 0.12, 0.01, True),
        ("precision", 0.05, 0.12, 0.03, False),
        ("recall_random", 0.0, 0.02, 0.0, False),
        ("recall_random", 0.0, 0.3, math.nan, True),
        ("ppl", 1.0, 1.0, 200.0, False),
    ],
)
def test_a_figure_has_collapsed_where_what_was_learnt_is_lost(
    name: str, first: float, best: float, figure: float, expected: bool
) -> None:
    assert has_collapsed(name, figure, first=first, best=best) is expected
    if name in ("fid", "fd_random"):  # it has no unit
        assert has_collapsed(name, figure / 64, first=first / 64, best=best / 64) is expected

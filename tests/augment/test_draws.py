import gc
import math
import weakref

import pytest
import torch

from adavit.augment import AugmentPipe
from adavit.augment.draws import (
    LARGEST_UNIFORM,
    QuantileDraws,
    RandomDraws,
    about_zero,
    discrete,
    inverse_erf,
)

BATCH = 40000
TOLERANCE = 4.5 * 0.5 / math.sqrt(BATCH)
"""Four and a half standard deviations of a rate."""


def random_draws(p: float = 1.0, seed: int = 0, batch: int = BATCH) -> RandomDraws:
    return RandomDraws(batch, torch.tensor(p), generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("quantile", [0.0, 1.0, -3.0])
def test_quantiles_out_of_range_are_refused(quantile: float) -> None:
    with pytest.raises(ValueError, match=r"quantile is .*, but must lie strictly between 0 and 1"):
        AugmentPipe(xflip=1)(torch.zeros(1, 3, 4, 4), quantile=quantile)


@pytest.mark.parametrize("p", [0.0, 0.3, 1.0])
def test_gates_open_at_multiplier_times_p_independently(p: float) -> None:
    first, second = random_draws(p).gates(torch.tensor([1.0, 0.6]))
    assert first.dtype == torch.bool
    rates = [gate.double().mean().item() for gate in (first, second, first & second)]
    assert rates == pytest.approx([p, 0.6 * p, 0.6 * p * p], abs=TOLERANCE)
    if p in (0.0, 1.0):
        assert rates[0] == p  # exactly: torch.rand is below 1


@pytest.mark.parametrize(("multiplier", "p"), [(1.0, 0.0), (1.0, 0.5), (0.7, 0.8), (1.0, 1.0)])
def test_one_of_a_pair_opens_at_multiplier_times_p(multiplier: float, p: float) -> None:
    first, second = random_draws(p).gates_of_pair(torch.tensor([multiplier]))
    each = 1 - math.sqrt(1 - multiplier * p)
    rates = [gate.double().mean().item() for gate in (first | second, first, second)]
    assert rates == pytest.approx([multiplier * p, each, each], abs=TOLERANCE)


def test_strengths_are_multipliers_times_p_and_those_of_one_at_a_quantile() -> None:
    multipliers = torch.tensor([1.0, 0.5])
    assert random_draws(0.6).strengths(multipliers).tolist() == pytest.approx([0.6, 0.3])
    draws = QuantileDraws(3, 0.7, device=torch.device("cpu"))
    assert draws.strengths(multipliers).tolist() == [1.0, 0.5]


def test_numbers_have_the_moments_of_their_distributions() -> None:
    draws = random_draws()
    uniform = draws.uniform(2)
    normal = draws.normal(2)
    half = draws.half_normal()
    for values, mean, variance in (
        *((values, 1 / 2, 1 / 12) for values in uniform),
        *((values, 0, 1) for values in normal),
        (half, math.sqrt(2 / math.pi), 1 - 2 / math.pi),
    ):
        assert values.dtype == torch.float32
        assert values.shape == (BATCH,)
        spread = math.sqrt(variance / BATCH)
        assert values.double().mean().item() == pytest.approx(mean, abs=4.5 * spread)
        assert values.double().var().item() == pytest.approx(variance, rel=0.05)
    assert half.min() >= 0
    assert not torch.equal(uniform[0], uniform[1])
    assert draws.field(torch.Size((2, 3, 4, 5))).shape == (2, 3, 4, 5)


def test_a_seed_means_the_same_numbers_whatever_the_global_state() -> None:
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = random_draws(batch=5).normal(2)
    torch.manual_seed(2)
    second = random_draws(batch=5).normal(2)
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
    torch.manual_seed(1)
    assert torch.equal(torch.get_rng_state(), before)
    without = [RandomDraws(5, torch.tensor(1.0)).uniform(1)[0] for _ in range(2)]
    torch.manual_seed(1)
    assert torch.equal(RandomDraws(5, torch.tensor(1.0)).uniform(1)[0], without[0])


def test_quantiles_are_those_of_the_published_convention() -> None:
    draws = QuantileDraws(3, 0.7, device=torch.device("cpu"))
    (uniform,) = draws.uniform(1)
    (normal,) = draws.normal(1)
    expected = torch.erfinv(torch.tensor([2 * 0.7 - 1, 0.7], dtype=torch.float64)).tolist()
    assert uniform.tolist() == pytest.approx([0.7] * 3)
    assert normal.tolist() == pytest.approx([expected[0]] * 3, rel=1e-6)
    assert draws.half_normal().tolist() == pytest.approx([expected[1]] * 3, rel=1e-6)
    assert draws.gates(torch.tensor([0.0, 0.5])).tolist() == [[False] * 3, [True] * 3]
    first, second = draws.gates_of_pair(torch.tensor([0.5]))
    assert first.all()
    assert not second.any()


@pytest.mark.parametrize("quantile", [5e-324, 1e-17, 2**-53, 0.25, 0.75, 1 - 1e-9, 1 - 2**-53])
def test_numbers_are_exact_however_near_an_end_the_quantile_is(quantile: float) -> None:
    draws = QuantileDraws(1, quantile, device=torch.device("cpu"))
    exact = torch.tensor(quantile, dtype=torch.float64)
    normal = (torch.special.ndtri(exact) / math.sqrt(2)).item()
    assert draws.normal(1).item() == pytest.approx(normal, rel=1e-6)
    half_normal = torch.erfinv(exact).item()
    assert draws.half_normal().item() == pytest.approx(half_normal, rel=1e-6, abs=1e-15)


def test_strengths_are_on_the_device_of_the_draws() -> None:
    there = torch.device("meta")
    random = RandomDraws(2, torch.ones((), device=there), device=there)
    for draws in (QuantileDraws(2, 0.5, device=there), random):
        assert draws.strengths(torch.ones(3)).device == there


def test_the_field_of_the_deterministic_mode_is_random_from_the_generator() -> None:
    fields = [
        QuantileDraws(
            2, 0.5, device=torch.device("cpu"), generator=torch.Generator().manual_seed(seed)
        ).field(torch.Size((2, 1, 30, 30)))
        for seed in (4, 4, 5)
    ]
    assert torch.equal(fields[0], fields[1])
    assert not torch.equal(fields[0], fields[2])
    assert fields[0].std().item() == pytest.approx(1, abs=0.1)


def test_uniform_numbers_become_discrete_and_about_zero_ones() -> None:
    uniform = torch.tensor([0.0, 0.249, 0.25, 0.5, 0.999, LARGEST_UNIFORM])
    assert discrete(uniform, 4).tolist() == [0, 0, 1, 2, 3, 3]
    expected = [-3, -1.506, -1.5, 0, 2.994, 3]
    assert about_zero(uniform, 3.0).tolist() == pytest.approx(expected)


def test_the_largest_uniform_number_becomes_the_largest_discrete_one() -> None:
    largest = torch.nextafter(torch.tensor(1.0), torch.tensor(0.0))
    assert largest.item() == LARGEST_UNIFORM
    for values in (*range(1, 5000), 2**20 - 1, 2**20, 2**20 + 1):
        assert discrete(largest, values).item() == values - 1
    near_1 = QuantileDraws(2, 1 - 1e-9, device=torch.device("cpu"))
    assert discrete(near_1.uniform(1), 4).tolist() == [[3, 3]]


@pytest.mark.parametrize("value", [-0.999, -0.5, 0.0, 1e-6, 0.3, 0.95])
def test_the_inverse_error_function_undoes_the_error_function(value: float) -> None:
    assert math.erf(inverse_erf(value)) == pytest.approx(value, abs=1e-9)


def test_draws_are_gone_with_their_last_name() -> None:
    """On a device what is left of them would be memory that nobody counts on."""
    draws = random_draws(batch=4)
    draws.uniform(1)
    draws.normal(1)
    gone = weakref.ref(draws)
    gc.disable()
    try:
        del draws
        assert gone() is None
    finally:
        gc.enable()

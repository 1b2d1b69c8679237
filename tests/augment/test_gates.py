import math
from statistics import NormalDist

import pytest
import torch
from torch import Tensor

from adavit.augment import AugmentPipe
from adavit.augment.settings import OPERATIONS, STRENGTHENED

BATCH = 20000
# Operation to group and parameter, and how often an open gate leaves the parameter neutral.
SHOWN = {
    "xflip": ("blitting", "mirrored", 1 / 2),
    "rotate90": ("blitting", "quarter_turns", 1 / 4),
    "xint": ("blitting", "shift_x_px", 0.0),
    "scale": ("geometric", "scale_log2", 0.0),
    "rotate": ("geometric", "turns", 0.0),
    "aniso": ("geometric", "aniso_log2", 0.0),
    "xfrac": ("geometric", "shift_y_px", 0.0),
    "brightness": ("color", "brightness", 0.0),
    "contrast": ("color", "contrast_log2", 0.0),
    "lumaflip": ("color", "luma_flipped", 1 / 2),
    "hue": ("color", "hue_turns", 0.0),
    "saturation": ("color", "saturation_log2", 0.0),
    "imgfilter": ("filtering", "gains_log2", 0.0),
    "noise": ("noise", "sigma", 0.0),
    "cutout": ("cutout", "size", 0.0),
    "diffusion": ("diffusion", "sigma", 1 / 2),
}


def draw(seed: int, p: float, **multipliers: float) -> dict[str, dict[str, Tensor]]:
    # A very wide image, so that the shift in whole pixels is practically never 0. Noise would fill it: one pixel.
    size = (1, 1) if {"noise", "diffusion"} & {*multipliers} else (1, 10**7)
    pipe = AugmentPipe(**multipliers)
    pipe.p.fill_(p)
    return pipe.sample((BATCH, 1, *size), torch.Generator().manual_seed(seed))


def happened(operation: str, values: dict[str, dict[str, Tensor]]) -> Tensor:
    group, name, _ = SHOWN[operation]
    if operation == "rotate":
        return (values[group]["turns_before"] != 0) | (values[group]["turns_after"] != 0)
    if operation == "imgfilter":
        return values[group][name][:, 2] != 0
    return values[group][name] != 0


def binomial_bounds(probability: float) -> tuple[float, float]:
    """A normal interval of 99.99% for the observed rate, widened by the continuity correction."""
    spread = math.sqrt(probability * (1 - probability) / BATCH)
    half = NormalDist().inv_cdf(0.99995) * spread + 0.5 / BATCH
    return probability - half, probability + half


@pytest.mark.parametrize("multiplier", [0.5, 1.0])
@pytest.mark.parametrize("p", [0.0, 0.1, 0.5, 0.8, 1.0])
@pytest.mark.parametrize("operation", OPERATIONS)
def test_operations_happen_with_probability_multiplier_times_p(
    operation: str, p: float, multiplier: float
) -> None:
    values = draw(OPERATIONS.index(operation), p, **{operation: multiplier})
    rate = happened(operation, values).double().mean().item()
    often = (p > 0) if operation in STRENGTHENED else p * multiplier
    probability = often * (1 - SHOWN[operation][2])
    low, high = binomial_bounds(probability)
    assert low <= rate <= high


def test_gates_of_different_operations_are_independent() -> None:
    names = [name for name in OPERATIONS if name not in ("noise", "diffusion")]
    values = draw(3, 0.6, **dict.fromkeys(names, 1.0))
    table = torch.stack([happened(name, values).double() for name in names])
    correlation = torch.corrcoef(table) - torch.eye(len(names))
    assert correlation.abs().max() < 4.5 / math.sqrt(BATCH)


def test_gates_of_neighbouring_images_are_independent() -> None:
    values = draw(4, 0.5, scale=1.0)
    is_open = happened("scale", values).double()
    pair = torch.corrcoef(torch.stack([is_open[1:], is_open[:-1]]))[0, 1]
    assert pair.abs() < 4.5 / math.sqrt(BATCH)


def test_bands_have_gates_of_their_own() -> None:
    values = draw(5, 0.5, imgfilter=1.0)
    is_open = (values["filtering"]["gains_log2"] != 0).double()
    correlation = torch.corrcoef(is_open.T) - torch.eye(4)
    assert correlation.abs().max() < 4.5 / math.sqrt(BATCH)


def uniform_cdf(low: float, high: float) -> object:
    return lambda values: (values - low) / (high - low)


def normal_cdf(std: float) -> object:
    return torch.distributions.Normal(0.0, std).cdf


CONTINUOUS = {
    ("scale", "geometric", "scale_log2"): normal_cdf(0.2),
    ("rotate", "geometric", "turns_before"): uniform_cdf(-0.5, 0.5),
    ("rotate", "geometric", "turns_after"): uniform_cdf(-0.5, 0.5),
    ("aniso", "geometric", "aniso_log2"): normal_cdf(0.2),
    ("xfrac", "geometric", "shift_x_px"): normal_cdf(0.125 * 10**7),
    ("xint", "blitting", "shift_x_px"): uniform_cdf(-0.125 * 10**7, 0.125 * 10**7),
    ("brightness", "color", "brightness"): normal_cdf(0.2),
    ("contrast", "color", "contrast_log2"): normal_cdf(0.5),
    ("hue", "color", "hue_turns"): uniform_cdf(-0.5, 0.5),
    ("saturation", "color", "saturation_log2"): normal_cdf(1.0),
    ("imgfilter", "filtering", "gains_log2"): normal_cdf(1.0),
    ("noise", "noise", "sigma"): lambda values: torch.erf(values / 0.1 / math.sqrt(2)),
    ("noise", "noise", "field"): normal_cdf(1.0),
    ("cutout", "cutout", "centre_x"): uniform_cdf(0, 1),
    ("cutout", "cutout", "centre_y"): uniform_cdf(0, 1),
    ("diffusion", "diffusion", "field"): normal_cdf(1.0),
}


@pytest.mark.parametrize("where", list(CONTINUOUS))
def test_parameters_follow_their_distributions(where: tuple[str, str, str]) -> None:
    operation, group, name = where
    values = draw(6, 1.0, **{operation: 1.0})[group][name].double().flatten().sort().values
    count = len(values)
    expected = CONTINUOUS[where](values)  # type: ignore[operator]
    steps = torch.arange(count + 1, dtype=torch.float64) / count
    # Kolmogorov and Smirnov's distance; 2.225 / sqrt(n) is exceeded once in 10,000 times.
    distance = torch.maximum((steps[1:] - expected).max(), (expected - steps[:-1]).max())
    assert distance < 2.225 / math.sqrt(count)


@pytest.mark.parametrize(
    ("operation", "group", "name", "values"),
    [
        ("xflip", "blitting", "mirrored", 2),
        ("rotate90", "blitting", "quarter_turns", 4),
        ("lumaflip", "color", "luma_flipped", 2),
    ],
)
def test_discrete_parameters_are_uniform(
    operation: str, group: str, name: str, values: int
) -> None:
    counts = draw(7, 1.0, **{operation: 1.0})[group][name].long().bincount()
    assert len(counts) == values
    low, high = binomial_bounds(1 / values)
    assert ((counts / BATCH > low) & (counts / BATCH < high)).all()


def test_shifts_share_one_gate() -> None:
    values = draw(8, 0.5, xfrac=1.0)["geometric"]
    assert torch.equal(values["shift_x_px"] != 0, values["shift_y_px"] != 0)

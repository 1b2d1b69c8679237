import pytest
import torch
from torch import Tensor

from adavit.augment import AugmentPipe
from adavit.augment.draws import Draws, Parameters
from adavit.augment.group import (
    Group,
    check_images,
    check_magnitudes,
    check_names,
    per_image,
    working_precision,
)
from adavit.augment.pipeline import GROUPS
from tests.augment.helpers import EVERYTHING, pipe_of, random_images


class Darkening(Group):
    """Two operations and a magnitude: images times 1 - depth, then their negative."""

    def __init__(self, *, darken: float = 0, negate: float = 0, depth: float = 0.5) -> None:
        super().__init__({"darken": darken, "negate": negate}, {"depth": depth})
        self.depth = depth

    def sample(self, shape: torch.Size, draws: Draws) -> Parameters:
        gates = self._gates(draws)
        return {name: gate.float() for name, gate in gates.items()}

    def transform(self, images: Tensor, parameters: Parameters) -> Tensor:
        if "darken" in parameters:
            images = images * (1 - self.depth * per_image(parameters["darken"]))
        if "negate" in parameters:
            images = images * (1 - 2 * per_image(parameters["negate"]))
        return images


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"xflip": 1.5}, r"xflip is 1.5, but a multiplier of p must lie in \[0, 1\]"),
        ({"noise": -0.1}, r"noise is -0.1, but a multiplier"),
        ({"scale_std": -1}, r"scale_std is -1, but a magnitude must be finite and >= 0"),
        ({"cutout_size": float("nan")}, r"cutout_size is nan, but a magnitude"),
    ],
)
def test_arguments_out_of_range_are_refused(keywords: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        AugmentPipe(**keywords)


def test_magnitudes_and_names_that_are_right_are_not_refused() -> None:
    check_magnitudes({"depth": 0, "size": 1e30})
    check_names(["depth", "size"], ["size", "depth", "width"], of="Darkening")
    check_names([], [], of="Darkening")
    with pytest.raises(ValueError, match=r"^size is inf, but a magnitude must be finite and >= 0"):
        check_magnitudes({"depth": 0, "size": float("inf")})
    with pytest.raises(
        ValueError, match=r"^Darkening has no 'dept'; .*: size, depth\. Use 'depth'\.$"
    ):
        check_names(["size", "dept"], ["size", "depth"], of="Darkening")


def test_groups_work_by_themselves() -> None:
    images = random_images(3, 3, 17, 11)
    pipe = pipe_of(EVERYTHING)
    for name in ("blitting", "geometric", "color", "filtering", "cutout", "diffusion"):
        group = getattr(pipe, name)
        assert torch.equal(group(images, 0.0), images)
        found = group(images, quantile=0.7)
        assert found.shape == images.shape
        assert not torch.equal(found, images)
    generators = [torch.Generator().manual_seed(5) for _ in range(2)]
    first, second = (pipe.noise(images, generator=generator) for generator in generators)
    assert torch.equal(first, second)


@pytest.mark.parametrize("name", GROUPS)
@pytest.mark.parametrize("size", [(17, 11), (70, 65)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_autocast_rounds_no_group(name: str, size: tuple[int, int], dtype: torch.dtype) -> None:
    group, images = getattr(pipe_of(EVERYTHING), name), random_images(2, 3, *size, dtype=dtype)
    expected = group(images, generator=torch.Generator().manual_seed(1))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(group(images, p=0.0), images)
        assert torch.equal(group(images, generator=torch.Generator().manual_seed(1)), expected)


def test_the_signature_of_a_group_declares_its_operations_and_magnitudes() -> None:
    assert Darkening.operations() == ("darken", "negate")
    assert Darkening.magnitudes() == {"depth": 0.5}


def test_an_operation_that_is_off_has_no_gate_and_multipliers_are_not_saved() -> None:
    group = Darkening(negate=0.25)
    assert (group.names, group.enabled) == (("negate",), True)
    assert torch.equal(group.multipliers, torch.tensor([0.25]))
    assert group.state_dict() == {}
    assert not Darkening().enabled


def test_each_operation_happens_at_its_multiplier_times_p() -> None:
    images = torch.ones(20000, 1, 1, 1)
    found = Darkening(darken=0.5, negate=0.8)(
        images, 0.5, generator=torch.Generator().manual_seed(0)
    )
    assert (found.abs() == 0.5).float().mean().item() == pytest.approx(0.25, abs=0.015)
    assert (found < 0).float().mean().item() == pytest.approx(0.4, abs=0.015)
    both = (found == -0.5).float().mean().item()
    assert both == pytest.approx(0.25 * 0.4, abs=0.01)  # independent of each other


def test_a_group_that_is_off_or_closed_returns_the_images_themselves() -> None:
    images = random_images(3, 1, 4, 5, dtype=torch.bfloat16)
    assert Darkening()(images) is images
    assert torch.equal(Darkening(darken=1)(images, 0.0), images)
    assert Darkening(darken=1)(images).dtype == torch.bfloat16


def test_half_precision_is_widened_and_the_rest_is_kept() -> None:
    for dtype, expected in (
        (torch.bfloat16, torch.float32),
        (torch.float16, torch.float32),
        (torch.float32, torch.float32),
        (torch.float64, torch.float64),
    ):
        images = torch.ones(1, 1, 2, 2, dtype=dtype)
        assert working_precision(images).dtype == expected
        assert (working_precision(images) is images) == (dtype == expected)


@pytest.mark.parametrize(
    "images",
    [
        torch.zeros(3, 4, 4),
        torch.zeros(1, 3, 4, 4, dtype=torch.uint8),
        torch.zeros(1, 0, 4, 4),
        torch.zeros(1, 3, 0, 4),
    ],
    ids=["no batch", "integers", "no channel", "no row"],
)
def test_what_is_no_batch_of_images_is_refused(images: Tensor) -> None:
    with pytest.raises(ValueError, match=r"images has shape .*\[B, C, H, W\] is expected\. Scale"):
        check_images(images)
    check_images(torch.zeros(0, 3, 4, 4))  # an empty batch is one


def test_values_of_images_broadcast_over_their_pixels() -> None:
    values = per_image(torch.tensor([2.0, 3.0]))
    assert (values * torch.ones(2, 3, 4, 5)).mean((1, 2, 3)).tolist() == [2.0, 3.0]

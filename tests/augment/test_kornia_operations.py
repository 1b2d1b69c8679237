"""Every operation of kornia either works under p, or is refused with its reason."""

import inspect
from typing import Any

import kornia.augmentation
import pytest
import torch
import torch.nn.functional as F
from kornia.augmentation import AugmentationBase2D, MixAugmentationBaseV2

from adavit.augment import AugmentPipe
from adavit.augment.kornia_operations import check_operation, kornia_operation
from tests.augment.helpers import random_images

NEEDED: dict[str, dict[str, Any]] = {
    "CenterCrop": {"size": [16, 16]},
    "Denormalize": {"mean": 0.5, "std": 0.5},
    "LongestMaxSize": {"max_size": 16},
    "Normalize": {"mean": 0.5, "std": 0.5},
    "PadTo": {"size": [16, 16]},
    "RandomAffine": {"degrees": 10},
    "RandomCrop": {"size": [16, 16]},
    "RandomFisheye": {"center_x": [-0.3, 0.3], "center_y": [-0.3, 0.3], "gamma": [0.9, 1.0]},
    "RandomGaussianBlur": {"kernel_size": 3, "sigma": [0.5, 1.0]},
    "RandomMotionBlur": {"kernel_size": 3, "angle": 10.0, "direction": 0.5},
    "RandomRain": {"number_of_drops": [3, 5], "drop_height": [2, 4], "drop_width": [-1, 1]},
    "RandomResizedCrop": {"size": [16, 16]},
    "RandomRotation": {"degrees": 10},
    "RandomRotation90": {"times": [0, 3]},
    "RandomShear": {"shear": 0.1},
    "Resize": {"size": [16, 16]},
    "SmallestMaxSize": {"max_size": 16},
}
NO_GRADIENT = ("RandomClahe", "RandomEqualize", "RandomPosterize")
CANNOT = ("RandomDissolving",)  # needs a diffusion model
COLOURED = (
    *("RandomHue", "RandomSaturation", "RandomJPEG", "RandomPlanckianJitter", "RandomRGBShift"),
    "RandomSnow",
)


def of_one_image() -> list[str]:
    return [
        name
        for name, kind in vars(kornia.augmentation).items()
        if inspect.isclass(kind)
        and issubclass(kind, AugmentationBase2D)
        and not issubclass(kind, MixAugmentationBaseV2)
        and not name.endswith("Base2D")
    ]


def has_second_derivative_of_sampling() -> bool:
    places = torch.zeros(1, 1, 1, 2, requires_grad=True)
    found = F.grid_sample(torch.ones(1, 1, 2, 2), places, align_corners=False)
    (slope,) = torch.autograd.grad(found.sum(), places, create_graph=True)
    try:
        torch.autograd.grad(slope.sum(), places)
    except RuntimeError:
        return False
    return True


WARPING = (
    *("RandomAffine", "RandomElasticTransform", "RandomFisheye", "RandomPerspective"),
    *("RandomRotation", "RandomRotation90", "RandomShear", "RandomThinPlateSpline"),
    "RandomTranslate",
)


@pytest.mark.parametrize("name", [n for n in of_one_image() if n not in (*NO_GRADIENT, *CANNOT)])
def test_an_operation_works_under_p(name: str) -> None:
    if name in WARPING and not has_second_derivative_of_sampling():
        pytest.skip("older versions of torch have no second derivative of grid_sample")
    module, multiplier = kornia_operation(name, 0.5, **NEEDED.get(name, {}))
    assert multiplier == 0.5
    check_operation(module, (3, 16, 16), twice=True)
    pipe = AugmentPipe(extra=[(module, 1.0)])
    images = random_images(4, 3, 16, 16, dtype=torch.float32)
    pipe.p.fill_(0)
    assert torch.equal(pipe(images), images)
    pipe.p.fill_(1)
    first, again = (pipe(images, generator=torch.Generator().manual_seed(3)) for _ in range(2))
    assert torch.equal(first, again)
    assert first.shape == images.shape
    assert torch.isfinite(first).all()


@pytest.mark.parametrize("name", NO_GRADIENT)
def test_an_operation_that_stops_the_generators_gradient_is_refused(name: str) -> None:
    module, _ = kornia_operation(name)
    with pytest.raises(ValueError, match=f"{name} has no gradient by the images"):
        check_operation(module, (3, 32, 32), twice=False)


@pytest.mark.parametrize("name", COLOURED)
def test_an_operation_on_colours_is_refused_for_grey_images(name: str) -> None:
    module, _ = kornia_operation(name)
    with pytest.raises(ValueError, match=f"{name} does not work on images of 1 x 16 x 16"):
        check_operation(module, (1, 16, 16), twice=False)


def test_an_operation_that_changes_the_size_is_refused() -> None:
    module, _ = kornia_operation("CenterCrop", size=[8, 8])
    with pytest.raises(
        ValueError, match=r"CenterCrop makes of images of 3 x 16 x 16 what is \(3, 8"
    ):
        check_operation(module, (3, 16, 16), twice=False)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("RandomElastcTransform", "has no 'RandomElastcTransform'; .*mean RandomElasticTransform"),
        ("randomhue", "has no 'randomhue'"),
        ("os", "has no 'os'"),
        ("RandomMixUpV2", "RandomMixUpV2 .* is not an operation on one image at a time"),
        ("RandomJigsaw", "RandomJigsaw .* is not an operation on one image at a time"),
        (
            "RandomAffine3D",
            "is not an operation on one image at a time .*Did you mean RandomAffine",
        ),
        ("AugmentationSequential", "is not an operation on one image at a time"),
        ("AugmentationBase2D", "is not an operation on one image at a time"),
    ],
)
def test_what_is_no_operation_names_the_nearest(name: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        kornia_operation(name)


@pytest.mark.parametrize(
    ("name", "keywords", "message"),
    [
        ("RandomRotation", {"degres": 10}, "has no keyword 'degres'; .*Did you mean degrees"),
        ("RandomRotation", {}, r"cannot be made of no keywords \(.*degrees"),
        ("RandomGaussianBlur", {"kernel_size": "wide", "sigma": 1}, "cannot be made of"),
        ("RandomDissolving", {}, "cannot be made of no keywords"),
    ],
)
def test_keywords_that_it_does_not_take_are_refused(
    name: str, keywords: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        kornia_operation(name, **keywords)


@pytest.mark.parametrize("name", ["RandomGamma", "RandomHue", "RandomJPEG", "RandomPlasmaShadow"])
def test_intensities_outside_the_range_are_cut_and_alpha_is_left_alone(name: str) -> None:
    keywords = {"RandomGamma": {"gamma": [0.5, 0.5]}, "RandomHue": {"hue": [0.3, 0.3]}}
    module, _ = kornia_operation(name, **keywords.get(name, {}))
    pipe = AugmentPipe(extra=[(module, 1.0)])
    images = 1.5 * random_images(3, 4, 16, 16, dtype=torch.float32)
    found = pipe(images, generator=torch.Generator().manual_seed(0))
    assert torch.isfinite(found).all()
    assert not torch.equal(found[:, :3], images[:, :3])
    torch.testing.assert_close(found[:, 3:], images[:, 3:], rtol=0, atol=1e-6)
    check_operation(module, (4, 16, 16), twice=True)


def test_moving_pixels_leaves_their_values_outside_the_range() -> None:
    module, _ = kornia_operation("RandomHorizontalFlip")
    images = 1.5 * random_images(3, 4, 16, 16, dtype=torch.float32)
    found = AugmentPipe(extra=[(module, 1.0)])(images)
    torch.testing.assert_close(found, images.flip(3), rtol=0, atol=1e-6)


def test_kornias_own_probability_does_not_count_twice() -> None:
    module, multiplier = kornia_operation("RandomInvert", 0.5)
    pipe = AugmentPipe(extra=[(module, multiplier)])
    images = torch.full((4000, 1, 1, 1), 0.5)
    rate = (pipe(images, generator=torch.Generator().manual_seed(0)) < 0).float().mean().item()
    assert rate == pytest.approx(0.5, abs=0.04)


def test_kornia_is_imported_only_where_it_is_asked_for() -> None:
    import subprocess
    import sys

    code = "import sys, adavit.augment, adavit.config.run; assert 'kornia' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)

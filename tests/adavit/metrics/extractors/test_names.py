import pytest

from adavit.errors import UserError
from adavit.metrics.extractors.choice import choose_extractor
from adavit.metrics.extractors.names import (
    CLIP_NAMES,
    DINOV2_NAMES,
    EXTRACTORS,
    UNSAFE_NAMES,
    WITH_INCEPTION,
    check_extractor,
)


def test_the_list_holds_every_name_that_is_chosen_from() -> None:
    own = ("auto", "inception", "vgg16[:FILE]", "lpips-vgg16", "torchvision:ARCH:FILE")
    assert set(EXTRACTORS) == {*own, "random", "drawn", *CLIP_NAMES, *DINOV2_NAMES}
    assert WITH_INCEPTION == ("auto", "inception")
    assert len(set(EXTRACTORS)) == len(EXTRACTORS)
    assert set(UNSAFE_NAMES) == {*CLIP_NAMES, *DINOV2_NAMES}


def test_another_name_is_answered_with_the_list() -> None:
    with pytest.raises(UserError, match=r"lpips-vgg16, clip-rn50, .*torchvision:ARCH:FILE"):
        choose_extractor("resnet")


@pytest.mark.parametrize(
    "name",
    [
        *(each for each in EXTRACTORS if ":" not in each),
        *("vgg16", "vgg16:weights.pth", "torchvision:resnet50:a:b.pth"),
    ],
)
def test_every_name_passes_before_anything_is_loaded(name: str) -> None:
    check_extractor(name)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("vgg16:", "must be one of auto"),
        ("vgg16[:FILE]", "must be one of auto"),
        ("Inception", "must be one of auto"),
        ("", "must be one of auto"),
        ("torchvision", "expected torchvision:ARCH:FILE"),
        ("torchvision:resnet50", "expected torchvision:ARCH:FILE"),
        ("torchvision::file.pth", "expected torchvision:ARCH:FILE"),
    ],
)
def test_other_names_are_refused(name: str, expected: str) -> None:
    with pytest.raises(UserError, match=expected):
        check_extractor(name)

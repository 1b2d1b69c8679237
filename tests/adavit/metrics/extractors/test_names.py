import pytest

from adavit.errors import UserError
from adavit.metrics.extractors.choice import choose_extractor
from adavit.metrics.extractors.names import CLIP_NAMES, DINOV2_NAMES, EXTRACTORS, UNSAFE_NAMES


def test_the_list_holds_every_name_that_is_chosen_from() -> None:
    own = ("auto", "inception", "random", "vgg16[:FILE]", "lpips-vgg16", "torchvision:ARCH:FILE")
    assert set(EXTRACTORS) == {*own, *CLIP_NAMES, *DINOV2_NAMES}
    assert len(set(EXTRACTORS)) == len(EXTRACTORS)
    assert set(UNSAFE_NAMES) == {*CLIP_NAMES, *DINOV2_NAMES}


def test_another_name_is_answered_with_the_list() -> None:
    with pytest.raises(UserError, match=r"lpips-vgg16, clip-rn50, .*torchvision:ARCH:FILE"):
        choose_extractor("resnet")

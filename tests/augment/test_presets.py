import itertools

import pytest

from adavit.augment.presets import preset_multipliers
from adavit.augment.settings import OPERATIONS


@pytest.mark.parametrize(
    ("name", "operations"),
    [
        ("blit", "xflip rotate90 xint"),
        ("geom", "scale rotate aniso xfrac"),
        ("color", "brightness contrast lumaflip hue saturation"),
        ("bg", "xflip rotate90 xint scale rotate aniso xfrac"),
    ],
)
def test_presets_of_the_paper_hold_the_operations_of_its_appendix(
    name: str, operations: str
) -> None:
    assert preset_multipliers(name) == dict.fromkeys(operations.split(), 1.0)


def test_longer_presets_hold_the_shorter_and_the_longest_all_of_the_paper() -> None:
    chain = ["blit", "bg", "bgc", "bgcf", "bgcfn", "bgcfnc"]
    sizes = [len(preset_multipliers(name)) for name in chain]
    for shorter, longer in itertools.pairwise(chain):
        assert preset_multipliers(shorter).items() < preset_multipliers(longer).items()
    assert sizes == [3, 7, 12, 13, 14, 15]
    assert (*preset_multipliers("bgcfnc"), "diffusion") == OPERATIONS

import pytest

from adavit.augment.pipeline import GROUPS
from adavit.augment.settings import GROUP_SETTINGS, MAGNITUDES, OPERATIONS


def test_settings_are_those_of_the_papers() -> None:
    assert OPERATIONS == (
        *("xflip", "rotate90", "xint"),
        *("scale", "rotate", "aniso", "xfrac"),
        *("brightness", "contrast", "lumaflip", "hue", "saturation"),
        *("imgfilter", "noise", "cutout"),
        "diffusion",
    )
    assert MAGNITUDES == {
        **{"xint_max": 0.125, "scale_std": 0.2, "rotate_max": 1, "aniso_std": 0.2},
        **{"xfrac_std": 0.125, "brightness_std": 0.2, "contrast_std": 0.5, "hue_max": 1},
        **{"saturation_std": 1, "imgfilter_bands": (1, 1, 1, 1), "imgfilter_std": 1},
        **{"noise_std": 0.1, "cutout_size": 0.5, "diffusion_std": 0.05},
    }


@pytest.mark.parametrize("name", GROUPS)
def test_settings_are_those_that_the_groups_declare(name: str) -> None:
    listed = GROUP_SETTINGS[name]
    assert GROUPS[name].operations() == listed.operations
    assert list(GROUPS[name].magnitudes().items()) == list(listed.magnitudes.items())


def test_the_groups_are_listed_in_the_order_in_which_they_are_applied() -> None:
    assert list(GROUP_SETTINGS) == list(GROUPS)

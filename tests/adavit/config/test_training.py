"""The rules of the section `training`."""

import pytest

from adavit.config.layers import build_config
from adavit.errors import UserError


@pytest.mark.parametrize(
    ("section", "message"),
    [
        (
            {"batch": 30, "microbatch": 8},
            r"training\.batch is 30, .* multiple of training\.microbatch \(8\)\. Use batch 24, or",
        ),
        (
            {"batch": 4, "microbatch": 8},
            r"training\.batch is 4, .* \(8\)\. Use batch 8, or a microbatch that divides 4",
        ),
        (
            {"transfer": "a", "init_discriminator": "b"},
            r"training\.transfer and training\.init_discriminator are both given",
        ),
        (
            {"lecam": 0.3, "loss": "wasserstein"},
            r"training\.lecam is 0\.3, but training\.loss is wasserstein, .* Use non_saturating or",
        ),
        (
            {"san": True, "loss": "relativistic"},
            r"training\.san is on, .* relativistic, which judges pairs, .* Use non_saturating or",
        ),
        (
            {"san": True, "loss": "wasserstein"},
            r"training\.san is on, .* wasserstein, by which .* already, .* Use non_saturating or",
        ),
        ({"masked_patch_weight": 0.1}, r"masked_patch_weight is 0\.1, but discriminator\.kind is"),
        ({"init_discriminator": "t"}, r"init_discriminator is 't', the trunk of a ViT, but"),
        ({"loss": "square"}, r"training\.loss is 'square', expected 'non_saturating', 'hinge'"),
        ({"r1_gamma": -1}, r"training\.r1_gamma is -1, expected greater than or equal to 0"),
        ({"total_kimg": 0}, r"training\.total_kimg is 0, expected greater than 0"),
        (
            {"style_mixing": 1.5},
            r"training\.style_mixing is 1\.5, expected less than or equal to 1",
        ),
    ],
)
def test_mistakes_say_what_was_wrong_expected_and_to_do(section: dict, message: str) -> None:
    with pytest.raises(UserError, match=message):
        build_config([{"training": section}])


def test_what_goes_together_is_taken() -> None:
    section = {"batch": 32, "microbatch": 8, "lecam": 0.3, "loss": "hinge", "san": True}
    assert build_config([{"training": section}]).training.microbatch == 8
    assert build_config([{"training": {"microbatch": 7}}]).training.microbatch == 7

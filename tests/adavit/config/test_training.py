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
        ({"apa_p_max": 1}, r"training\.apa_p_max is 1, expected less than 1\."),
        (
            {"top_k": 0.5, "microbatch": 1, "batch": 16},
            r"training\.top_k is 0\.5, but of 1 computed at a time .* leaves none out\. Use a lower one",
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
        (
            {"deterministic": True, "fast_reduce": True},
            r"training\.fast_reduce is on, but training\.deterministic .* Leave one of the two out",
        ),
        ({"masked_patch_weight": 0.1}, r"masked_patch_weight is 0\.1, but discriminator\.kind is"),
        ({"init_discriminator": "t"}, r"init_discriminator is 't', the trunk of a ViT, but"),
        (
            {"distill_weight": 1},
            r"distill_weight is 1, but discriminator\.kind is resnet, which has no tokens\. Use --d",
        ),
        (
            {"distill_network": "torchvision:resnet18"},
            r"distill_network is 'torchvision:resnet18', expected torchvision:vit_b_16, .*, or timm:NAME",
        ),
        (
            {"init_discriminator": "torchvision:vit_b_32:f.pth"},
            r"init_discriminator is 'torchvision:vit_b_32:f\.pth', expected torchvision:vit_b_16,",
        ),
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


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"loss": "relativistic"}, r"training\.loss is relativistic, .* Use non_saturating or"),
        ({"loss": "wasserstein"}, r"training\.loss is wasserstein, .* Use non_saturating or"),
    ],
)
def test_what_a_normalisation_does_not_go_with_is_refused(section: dict, message: str) -> None:
    chain = {"normalization": "chain"}
    with pytest.raises(UserError, match=f"discriminator.normalization is chain.*{message}"):
        build_config([{"training": section, "discriminator": chain}])
    build_config([{"training": section}])
    build_config([{"training": section, "discriminator": {"kind": "vit"}}])


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        ({"training": {"top_k": 0.5}}, r"training\.top_k is 0\.5, .*"),
        ({"augment": {"extra": "RandomGrayscale"}}, r"augment\.extra names RandomGrayscale, .*"),
    ],
)
def test_what_is_not_compiled_is_refused(layer: dict, message: str) -> None:
    compiled = {"training": {"compile": True}}
    with pytest.raises(
        UserError, match=f"{message} training.compile is on.* Leave one of the two out"
    ):
        build_config([compiled, layer])
    build_config([layer])
    build_config([compiled])


def test_what_goes_together_is_taken() -> None:
    section = {"batch": 32, "microbatch": 8, "lecam": 0.3, "loss": "hinge", "san": True}
    assert build_config([{"training": section}]).training.microbatch == 8
    assert build_config([{"training": {"microbatch": 7}}]).training.microbatch == 7


def test_published_weights_name_all_settings_that_keep_them_out_and_those_that_let_them_in() -> (
    None
):
    vit = {"width": 192, "heads": 6, "stem": "overlap", "depth": 14, "readout": "gap"}
    layers = [
        {"discriminator": {"kind": "vit", **vit}},
        {"training": {"init_discriminator": "torchvision:vit_b_16:weights.pth"}},
    ]
    with pytest.raises(UserError) as caught:
        build_config(layers)
    for key, found, value in (
        ("width", "192", "768"),
        ("heads", "6", "12"),
        ("stem", "overlap", "linear"),
        ("depth", "14", "12"),
        ("readout", "gap", "cls"),
    ):
        assert f"discriminator.{key} is {found} (there {value})" in str(caught.value)
        assert f"--set discriminator.{key}={value}" in str(caught.value)
    assert "mlp_ratio" not in str(caught.value)


@pytest.mark.parametrize("fitting", [{"depth": 2}, {"readout": "cls+gap"}, {"patch": 2}, {}])
def test_published_weights_fit_what_leaves_the_rest_open(fitting: dict) -> None:
    layers = [
        {"discriminator": {"kind": "vit", **fitting}},
        {"training": {"init_discriminator": "torchvision:vit_b_16"}},
    ]
    assert build_config(layers).training.init_discriminator == "torchvision:vit_b_16"

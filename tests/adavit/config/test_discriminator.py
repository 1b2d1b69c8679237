from typing import Any

import pytest
import torch

from adavit.build.networks import build_discriminator
from adavit.config.auto import RunFacts, resolve
from adavit.config.layers import build_config
from adavit.config.run import ResNetConfig, ViTConfig
from adavit.errors import UserError
from adavit.runtime.resolution import Resolution
from tests.adavit.models.vit.test_parts import OTHERS


def resolved(resolution: int = 16, **section: Any) -> ViTConfig | ResNetConfig:
    config = build_config([{"discriminator": section}])
    return resolve(config, RunFacts(Resolution.of(resolution), 1000, "cpu")).discriminator


def logits(config: ViTConfig | ResNetConfig) -> torch.Tensor:
    torch.manual_seed(0)
    discriminator = build_discriminator(config, resolution=16, image_channels=3, num_classes=0)
    with torch.no_grad():
        for parameter in discriminator.parameters():
            parameter.mul_(1.3)  # at the start isn changes nothing
    images = torch.rand(4, 3, 16, 16, generator=torch.Generator().manual_seed(0)) * 2 - 1
    drawn = discriminator.draw_pass(4, "real", torch.Generator().manual_seed(0))
    return discriminator(images, **drawn)


@pytest.mark.parametrize(
    "option",
    [option for option in OTHERS if "num_classes" not in option and option != {"mlp_ratio": 2.0}],
    ids=str,
)
def test_every_key_reaches_the_transformer(option: dict[str, Any]) -> None:
    change = logits(resolved(kind="vit", **option)) - logits(resolved(kind="vit"))
    assert change.abs().max() > 1e-4


@pytest.mark.parametrize(
    "option",
    [
        {"form": "plain"},
        {"form": "r3gan"},
        {"minibatch_std_group": 0},
        {"normalization": "chain"},
    ],
    ids=str,
)
def test_every_key_reaches_the_convolutional_network(option: dict[str, Any]) -> None:
    assert (logits(resolved(kind="resnet", **option)) - logits(resolved())).abs().max() > 1e-4


def test_the_deviation_of_the_batch_is_left_out_for_r3gan_unless_asked_for() -> None:
    assert resolved().minibatch_std_group == 4
    assert resolved(form="r3gan").minibatch_std_group == 0
    assert resolved(form="r3gan", minibatch_std_group=8).minibatch_std_group == 8


@pytest.mark.parametrize(("device", "rates"), [("cuda", (0.0025, 2e-4)), ("cpu", (0.005, 0.002))])
def test_weights_that_are_not_equalised_get_smaller_steps(
    device: str, rates: tuple[float, float]
) -> None:
    for form, rate in zip(("residual", "r3gan"), rates, strict=True):
        config = build_config([{"discriminator": {"form": form}}])
        assert (
            resolve(config, RunFacts(Resolution.of(32), 1000, device)).training.discriminator_lr
            == rate
        )


@pytest.mark.parametrize(
    ("section", "message"),
    [
        (
            {"kind": "vit", "stem": "fancy"},
            (
                "discriminator.stem is 'fancy', expected 'linear', 'overlap', 'conv', 'hybrid' or"
                " 'spt'"
            ),
        ),
        (
            {"kind": "vit", "stem": "conv", "patch": 3, "width": 96, "heads": 3},
            "^discriminator.patch is 3, but must be 2, 4, 8, .* Use 2, or stem linear",
        ),
        (
            {
                "kind": "vit",
                "attention": "axial",
                "patch_drop": 0.2,
                "patch": 2,
                "width": 96,
                "heads": 3,
            },
            "^discriminator.patch_drop is 0.2, but attention is axial",
        ),
        ({"kind": "vit", "patch_drop": 1}, "discriminator.patch_drop is 1, expected less than 1"),
        ({"kind": "vit", "form": "plain"}, "discriminator.form is not a setting of the vit"),
        ({"stem": "conv"}, "discriminator.stem is not a setting of the resnet discriminator"),
        (
            {"kind": "vit", "normalization": "chain"},
            "discriminator.normalization is not a setting of the vit discriminator, but of resnet. Leave",
        ),
        (
            {"form": "r3gan", "normalization": "chain"},
            "discriminator.normalization is chain, but discriminator.form is r3gan.* Use residual or",
        ),
        ({"form": "dense"}, "discriminator.form is 'dense', expected 'residual', 'plain' or"),
    ],
)
def test_mistakes_are_explained(section: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        build_config([{"discriminator": section}])


def test_chosen_and_given_values_are_checked_together() -> None:
    with pytest.raises(ValueError, match=r"discriminator\.patch is 1, but must be 2, 4, 8"):
        resolved(8, kind="vit", stem="hybrid")


@pytest.mark.parametrize(
    ("given", "written"), [(4, 4), ("4", 4), ("4x4", 4), ("3x5", "3x5"), ([2, 8], "2x8")]
)
def test_a_square_patch_is_written_as_a_number(given: Any, written: Any) -> None:
    config = build_config([{"discriminator": {"kind": "vit", "patch": given}}])
    assert config.as_dict()["discriminator"]["patch"] == written
    assert build_config([config.as_dict()]) == config


def test_an_open_patch_is_square_in_oblong_images() -> None:
    facts = RunFacts(Resolution.of("24x40"), 1000, "cpu")
    vit = resolve(build_config([{"discriminator": {"kind": "vit"}}]), facts).discriminator
    assert vit.patch.plain == 4  # type: ignore[union-attr]

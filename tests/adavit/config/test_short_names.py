import pytest

from adavit.cli.train import command
from adavit.config.layers import flatten
from adavit.config.run import ResNetConfig, RunConfig, ViTConfig
from adavit.config.short_names import SHORT_NAMES, in_keys, key_of_flag, layer_of
from adavit.errors import UserError
from tests.cli.conftest import named_settings


def test_the_flags_of_train_are_the_short_names() -> None:
    flags = dict(named_settings(command))
    assert {flag.removeprefix("--").replace("-", "_"): key for flag, key in flags.items()} == (
        SHORT_NAMES
    )


def test_each_is_a_key_of_the_configuration() -> None:
    known = {
        *flatten(RunConfig().as_dict()),
        *(
            f"discriminator.{key}"
            for kind in (ResNetConfig, ViTConfig)
            for key in kind.model_fields
        ),
    }
    assert set(SHORT_NAMES.values()) <= known


@pytest.mark.parametrize(
    ("flag", "key"),
    [
        ("--kimg", "training.total_kimg"),
        ("--cond/--no-cond", "data.cond"),
        ("--freeze-d", "training.freeze_d"),
    ],
)
def test_a_flag_is_a_name_for_a_key(flag: str, key: str) -> None:
    assert key_of_flag(flag) == key


def test_settings_and_whole_sections_are_one_layer() -> None:
    layer = layer_of({"kimg": 20, "data": "x.zip", "training": {"r1_gamma": 1}, "seed": None})
    assert layer == {"training": {"total_kimg": 20, "r1_gamma": 1}, "data": {"source": "x.zip"}}
    assert layer_of({"data": {"source": "y"}, "cond": True}) == {
        "data": {"source": "y", "cond": True}
    }


def test_an_unknown_name_is_named_with_the_nearest() -> None:
    with pytest.raises(UserError, match=r"'kimgs' is not a setting .* Did you mean kimg\?"):
        layer_of({"kimgs": 20})


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("Use --resolution 32.", "Use --set data.resolution=32."),
        ("Use --resolution 32x64.", "Use --set data.resolution=32x64."),
        ("Use --resolution 32 or 64.", "Use --set data.resolution=32 or 64."),
        ("Lower --subset or add images.", "Lower data.subset or add images."),
        ("Use --val-fraction 0.05, or 0.", "Use --set data.val_fraction=0.05, or 0."),
        ("or train without: --metrics none.", "or train without: --set metrics.names=none."),
        ("Leave --freeze-d out.", "Leave training.freeze_d out."),
        ("Use --aug fixed --p 1.", "Use --set augment.mode=fixed --set augment.p=1."),
        ("Use --discriminator resnet.", "Use --set discriminator.kind=resnet."),
        ("Use --discriminator vit, or", "Use --set discriminator.kind=vit, or"),
        ("--frames all takes each.", "--set data.frames=all takes each."),
        (
            "Use --device cpu or --kimg 3.",
            "Use --set run.device=cpu or --set training.total_kimg=3.",
        ),
        ("Use --aug or --discriminator at all.", "Use augment.mode or discriminator.kind at all."),
        ("Give --data or --metric-data.", "Give --data or metrics.reference."),
        ("Run with --retry-failed.", "Run with --retry-failed."),
        ("the run's 'a --kimg 3' is gone.", "the run's 'a --kimg 3' is gone."),
        ("the run's data: --kimg 3 isn't.", "the run's data: --set training.total_kimg=3 isn't."),
        ("Go on: adavit train --out x --kimg 3. Use --kimg.", None),
    ],
)
def test_remedies_are_said_in_keys_where_the_flags_are_not_taken(
    message: str, expected: str | None
) -> None:
    whole = "Go on: adavit train --out x --kimg 3. Use training.total_kimg."
    assert in_keys(message, {"--data"}) == (expected or whole)

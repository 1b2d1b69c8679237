"""The configuration of a pre-training; what is chosen in it is in test_auto.py."""

from typing import Any

import pytest
from pydantic import ValidationError

from adavit.config.auto import RunFacts, resolve
from adavit.config.pretraining import (
    PretrainConfig,
    PretrainingConfig,
    build_pretrain_config,
    resolve_pretraining,
)
from adavit.config.run import RunConfig
from adavit.config.section import AUTO
from adavit.errors import UserError
from adavit.runtime.resolution import Resolution


def test_what_was_given_stays() -> None:
    config = PretrainConfig(pretraining={"total_kimg": 7, "learning_rate": 0.01})
    resolved = resolve_pretraining(config.pretraining, device="cpu")
    assert isinstance(resolved, PretrainingConfig)
    assert (resolved.total_kimg, resolved.learning_rate, resolved.batch) == (7, 0.01, 64)
    assert AUTO not in resolved.model_dump().values()


@pytest.mark.parametrize("device", ["cpu", "cuda"])
@pytest.mark.parametrize("bf16", [None, False, True])
def test_its_precision_is_that_of_a_run_on_the_device(device: str, bf16: bool | None) -> None:
    config = PretrainConfig()
    resolved = resolve_pretraining(config.pretraining, device=device, bf16=bf16)
    facts = RunFacts(Resolution(32, 32), 1000, device, bf16)
    assert resolved.precision == resolve(RunConfig(), facts).training.precision
    given = PretrainConfig(pretraining={"precision": "float32"})
    kept = resolve_pretraining(given.pretraining, device=device, bf16=bf16)
    assert kept.precision == "float32"


def test_a_pre_training_looks_at_no_classes() -> None:
    with pytest.raises(
        ValidationError, match=r"looks at no classes, expected it off\. Leave it out"
    ):
        PretrainConfig(data={"cond": True})


def test_it_is_of_a_vit() -> None:
    with pytest.raises(ValidationError, match="kind"):
        PretrainConfig(discriminator={"kind": "resnet"})
    assert PretrainConfig(discriminator={"width": 64}).discriminator.kind == "vit"


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        ({"data": {"cond": True}}, "data.cond is on, but pre-training looks at no classes"),
        ({"discriminator": {"kind": "resnet"}}, "discriminator.kind is 'resnet', expected 'vit'"),
        ({"pretraining": {"bach": 2}}, r"pretraining.bach is not .* mean pretraining.batch\?"),
        ({"training": {"batch": 2}}, "training is not a setting"),
        ({"discriminator": {"widht": 2}}, "of the vit discriminator. Did you mean discriminator.w"),
        ({"pretraining": {"batch": 0}}, "pretraining.batch is 0, expected greater than"),
    ],
)
def test_wrong_settings_are_named(layer: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        build_pretrain_config([layer])

from typing import Any

import pytest
import torch

from adavit.models import ResNetDiscriminator
from adavit.models.resnet.discriminator import FORMS
from tests.networks import make_resnet


def made(form: str, **sizes: Any) -> ResNetDiscriminator:
    torch.manual_seed(0)
    return make_resnet(
        **{"resolution": 16, "channel_base": 128, "channel_max": 16, **sizes}, form=form
    )


def test_every_form_gives_other_logits() -> None:
    images = torch.randn(4, 3, 16, 16)
    logits = [made(form)(images) for form in FORMS]
    assert (logits[0] - logits[1]).abs().min() > 1e-4
    assert (logits[1] - logits[2]).abs().min() > 1e-4


def test_an_unknown_form_is_refused_with_a_remedy() -> None:
    with pytest.raises(ValueError, match="form is 'dense', but must be one of residual, plain, r3"):
        made("dense")
    with pytest.raises(ValueError, match=r"form is 'r3gan', but must be one of residual, plain\."):
        made("r3gan", normalization="chain")

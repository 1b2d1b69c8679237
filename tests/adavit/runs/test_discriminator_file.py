from pathlib import Path

import pytest
import torch

from adavit.errors import UserError
from adavit.models import ResNetDiscriminator
from adavit.runs.discriminator_file import read_discriminator, save_discriminator
from tests.networks import RESNET

ARGUMENTS = {**RESNET, "resolution": 8, "channel_base": 64, "channel_max": 8, "num_classes": 2}


def test_what_is_read_is_what_was_written(tmp_path: Path) -> None:
    network, path = (
        ResNetDiscriminator(
            **ARGUMENTS,
        ),
        tmp_path / "d.safetensors",
    )
    save_discriminator(path, network, arguments=ARGUMENTS, origin="stylegan2:a 01")
    found = read_discriminator(path)
    assert (found.arguments, found.origin) == (ARGUMENTS, "stylegan2:a 01")
    torch.testing.assert_close(found.discriminator.state_dict(), network.state_dict())
    assert not any(weight.requires_grad for weight in found.discriminator.parameters())


@pytest.mark.parametrize("wrong", [{"form": "odd"}, {"channel_max": 7}, {"further": 1}])
def test_a_file_that_asks_for_another_network_is_refused(
    tmp_path: Path, wrong: dict[str, object]
) -> None:
    path = tmp_path / "d.safetensors"
    network = ResNetDiscriminator(**ARGUMENTS)
    save_discriminator(path, network, arguments={**ARGUMENTS, **wrong}, origin="")
    with pytest.raises(UserError, match=r"cannot be used .* import it once more"):
        read_discriminator(path)
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    with pytest.raises(UserError, match="it is damaged"):
        read_discriminator(path)

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from adavit.errors import UserError
from adavit.models.vit.discriminator import ViTDiscriminator
from adavit.runs.generator_file import save_generator
from adavit.runs.trunk_file import read_trunk, save_trunk
from adavit.runs.weights_file import write_weights
from tests.adavit.conftest import ARGUMENTS
from tests.networks import make_generator

Make = Callable[..., ViTDiscriminator]


SETTINGS = {"weight_constraint": "isn", "patch": "2x4"}


@pytest.fixture
def stored(discriminator: Make, tmp_path: Path) -> Path:
    path = tmp_path / "trunk.safetensors"
    save_trunk(
        path,
        discriminator(**SETTINGS).encoder,
        arguments={**ARGUMENTS, **SETTINGS},
        config={"data": {"source": "x"}},
        data_fingerprint="ab" * 32,
        images=1234,
        figures={"accuracy": 0.5},
    )
    return path


def test_a_trunk_comes_back_with_all_that_was_said_of_it(discriminator: Make, stored: Path) -> None:
    torch.manual_seed(3)
    state = torch.random.get_rng_state()
    trunk = read_trunk(stored)
    assert torch.equal(torch.random.get_rng_state(), state)
    images = torch.rand(2, 3, 16, 16)
    torch.testing.assert_close(
        trunk.encoder(images, twice_differentiable=False),
        discriminator(**SETTINGS).encoder(images, twice_differentiable=False),
        rtol=0,
        atol=0,
    )
    assert trunk.arguments == {**ARGUMENTS, **SETTINGS}
    assert trunk.encoder.patch == (2, 4)
    assert trunk.config == {"data": {"source": "x"}}
    assert trunk.data_fingerprint == "ab" * 32
    assert trunk.images == 1234
    assert trunk.figures == {"accuracy": 0.5}
    assert trunk.path == stored


def test_other_files_are_refused(discriminator: Make, stored: Path, tmp_path: Path) -> None:
    generator = {"resolution": 8, "latent_dim": 4, "style_dim": 4, "channel_max": 4}
    save_generator(
        tmp_path / "generator.safetensors",
        make_generator(**generator),
        arguments=generator,
        config={},
        data_fingerprint="",
        images=0,
        metric=None,
        classes=(),
        label_counts=None,
    )
    (tmp_path / "half.safetensors").write_bytes(stored.read_bytes()[:-100])
    (tmp_path / "text.safetensors").write_text("not weights")
    torch.save({"a": torch.zeros(1)}, tmp_path / "pickle.pt")
    weights = discriminator().encoder.state_dict()
    save_file(weights, tmp_path / "bare.safetensors")
    words = {"config": "{}", "figures": "{}", "images": "0", "data_fingerprint": ""}
    for name, arguments in {
        "narrower": {**ARGUMENTS, "width": 8},
        "unknown": {**ARGUMENTS, "breadth": 8},
        "impossible": {**ARGUMENTS, "patch": 5},
        "no-patch": {**ARGUMENTS, "patch": "4xx"},
        "list": [1],
    }.items():
        metadata = {**words, "discriminator": json.dumps(arguments)}
        write_weights(tmp_path / f"{name}.safetensors", discriminator().encoder, metadata)
    names = (
        "generator",
        "half",
        "text",
        "bare",
        "narrower",
        "unknown",
        "impossible",
        "list",
        "no-patch",
    )
    paths = [*(tmp_path / f"{name}.safetensors" for name in names), tmp_path / "pickle.pt"]
    (tmp_path / "flipped.safetensors").write_bytes(stored.read_bytes()[:-1] + b"?")
    paths.append(tmp_path / "flipped.safetensors")
    for path in [*paths, tmp_path / "absent.safetensors", tmp_path]:
        with pytest.raises(UserError, match=r"cannot be used .* adavit pretrain has written"):
            read_trunk(path)

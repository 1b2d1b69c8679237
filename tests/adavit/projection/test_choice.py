import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from adavit.config.run import RunConfig
from adavit.errors import UserError
from adavit.metrics.extractors.random_features import RandomFeatures
from adavit.projection import choice
from adavit.projection.choice import check_features, choose_distance
from adavit.runs.discriminator_file import save_discriminator
from adavit.runs.generator_file import read_generator
from adavit.runs.imported_folder import ImportedFolder
from adavit.runtime.console import LineConsole, SilentConsole
from adavit.training.train import train
from tests.networks import RESNET, make_resnet
from tests.small_weights import write_mobilenet
from tests.stored_generators import store_generator

CPU = torch.device("cpu")


@pytest.mark.parametrize("requested", ["nothing", "torchvision:vgg", "caffe:vgg16"])
def test_what_names_no_network_is_refused(requested: str) -> None:
    with pytest.raises(UserError, match=r"--features is .*leave --features out"):
        check_features(requested)


def test_lpips_is_taken_where_its_weights_lie_and_fetched_where_it_is_named(
    store: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    stored, asked = read_generator(store()), []

    def choose(name: str, *, device: torch.device, allow_download: bool) -> tuple[object, None]:
        asked.append((name, allow_download))
        return RandomFeatures(device), None

    monkeypatch.setattr(choice, "choose_extractor", choose)
    for features in (None, "lpips-vgg16"):
        distance = choose_distance(stored, features, device=CPU, console=SilentConsole())
        assert [kind.name for kind in distance.kinds] == ["lpips-vgg16", "pixels"]
    assert asked == [("lpips-vgg16", False), ("lpips-vgg16", True)]


def test_a_generator_without_a_run_is_compared_by_pixels_unless_a_network_is_named(
    store: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stored = read_generator(store())
    alone = choose_distance(stored, None, device=CPU, console=LineConsole())
    assert [kind.name for kind in alone.kinds] == ["pixels"]
    assert "Warning: images are compared by their pixels alone" in capsys.readouterr().out

    features = write_mobilenet(tmp_path / "m.pth")
    named = choose_distance(stored, features, device=CPU, console=SilentConsole())
    network, pixels = named.described()
    assert network["network"].startswith("torchvision:mobilenet_v3_small ")
    assert len(network["network"].split()[1]) == 64
    # Of 64 px the maps of stride 4, 8 and 16 have 4 x 4 places or more.
    assert (network["side"], len(network["maps"])) == (64, 3)
    assert (pixels["maps"], pixels["weight"]) == (["pixels"], 3.0)
    with pytest.raises(UserError, match=r"--features torchvision:resnet18:.* names no file"):
        choose_distance(
            stored, "torchvision:resnet18:gone.pth", device=CPU, console=SilentConsole()
        )


def test_an_imported_generator_is_compared_by_the_discriminator_beside_it(tmp_path: Path) -> None:
    folder = ImportedFolder(tmp_path)
    store_generator(folder.generator)
    arguments = {**RESNET, "resolution": 16, "channel_base": 64, "channel_max": 8}
    save_discriminator(
        folder.discriminator, make_resnet(**arguments), arguments=arguments, origin="net.pkl 0123"
    )
    distance = choose_distance(read_generator(tmp_path), None, device=CPU, console=SilentConsole())
    assert [kind.name for kind in distance.kinds] == ["the discriminator", "pixels"]
    assert distance.between(
        torch.zeros(2, 3, 16, 16), distance.of(torch.ones(2, 3, 16, 16))
    ).shape == (2,)


def test_a_run_is_compared_by_the_network_it_was_trained_with_else_by_its_discriminator(
    tiny: Callable[..., RunConfig], tmp_path: Path
) -> None:
    weights = tmp_path / "m.pth"
    layer = {
        "features": {"network": write_mobilenet(weights), "side": 32, "mean": [0.1, 0.2, 0.3]},
        "metrics": {"names": []},
        "training": {"total_kimg": 0.016},
    }
    stored = read_generator(train(tiny(layer)))

    def names(features: str | None = None) -> list[str]:
        found = choose_distance(stored, features, device=CPU, console=SilentConsole())
        return [kind.name for kind in found.kinds]

    own = choose_distance(stored, None, device=CPU, console=SilentConsole()).described()[0]
    assert (own["side"], len(own["maps"])) == (32, 2)
    same = choose_distance(
        stored, layer["features"]["network"], device=CPU, console=SilentConsole()
    )
    assert same.described()[0] == own
    shutil.move(weights, tmp_path / "away.pth")
    assert names() == ["the discriminator", "pixels"]
    assert names(f"torchvision:mobilenet_v3_small:{tmp_path / 'away.pth'}")[0] != names()[0]

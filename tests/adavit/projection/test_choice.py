import math
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from adavit.config.auto import RunFacts, resolve
from adavit.config.layers import build_config
from adavit.config.run import RunConfig
from adavit.errors import UserError
from adavit.metrics.extractors.random_features import RandomFeatures
from adavit.metrics.extractors.weight_files import WeightFile
from adavit.projection import choice
from adavit.projection.choice import check_features, choose_distance
from adavit.projection.distance import NetworkMaps
from adavit.runs.discriminator_file import save_discriminator
from adavit.runs.generator_file import read_generator
from adavit.runs.imported_folder import ImportedFolder
from adavit.runtime.console import LineConsole, SilentConsole
from adavit.runtime.resolution import Resolution
from adavit.training.train import train
from tests.networks import RESNET, make_resnet
from tests.small_weights import write_mobilenet
from tests.stored_generators import store_generator
from tests.telling import Told

CPU = torch.device("cpu")


@pytest.mark.parametrize("requested", ["nothing", "torchvision:vgg", "caffe:vgg16"])
def test_what_names_no_network_is_refused(requested: str) -> None:
    with pytest.raises(UserError, match=r"--features is .*leave --features out"):
        check_features(requested)


@pytest.mark.parametrize("features", [None, "lpips-vgg16"])
def test_colours_are_of_a_network_that_is_named(features: str | None) -> None:
    with pytest.raises(UserError, match=r"^--features-mean is 0\.5,0\.5,0\.5, but no network .*"):
        check_features(features, mean=[0.5, 0.5, 0.5])
    with pytest.raises(UserError, match=r"^--features-std is 1,1,1, but .*leave --features-std"):
        check_features(features, std=(1, 1, 1))


@pytest.mark.parametrize(
    ("colours", "told"),
    [
        ({"mean": [0.5]}, "--features-mean is 0.5, expected three numbers: for red"),
        ({"mean": [0.5, math.nan, 0]}, "--features-mean is 0.5,nan,0, expected three numbers:"),
        ({"std": [0.5, 0, 1]}, "--features-std is 0.5,0,1, expected three numbers above 0:"),
        ({"std": [0.5, 1, 1, 1]}, "--features-std is 0.5,1,1,1, expected three numbers above 0:"),
    ],
)
def test_colours_are_three_numbers(colours: dict[str, list[float]], told: str) -> None:
    with pytest.raises(UserError) as caught:
        check_features("torchvision:resnet18", **colours)
    assert str(caught.value).startswith(told)
    check_features("torchvision:resnet18", mean=[0.0, 0.5, 1.0], std=[0.1, 1.0, 2.0])


def test_a_network_sees_by_the_colours_that_are_given(
    store: Callable[..., Path], tmp_path: Path
) -> None:
    stored, features = read_generator(store()), write_mobilenet(tmp_path / "m.pth")
    mean, std = (0.1, 0.2, 0.3), (1 / 255,) * 3

    def maps(**colours: tuple[float, ...]) -> NetworkMaps:
        found = choose_distance(stored, features, device=CPU, console=SilentConsole(), **colours)
        assert isinstance(found.kinds[0], NetworkMaps)
        return found.kinds[0]

    usual, given = maps(), maps(mean=mean, std=std)
    assert usual.described()["mean"] == [0.485, 0.456, 0.406]
    assert usual.described()["std"] == [0.229, 0.224, 0.225]
    assert given.described()["mean"] == list(mean)
    assert given.described()["std"] == [0.003922] * 3
    # What one sees of an image, the other sees of its colours shifted and stretched: (x - mean) / std is the same.
    images = torch.rand(2, 3, 64, 64) * 2 - 1
    colours = [torch.tensor(each).reshape(3, 1, 1) for each in (mean, std)]
    published = usual.network.mean[0], usual.network.std[0]
    seen = ((images + 1) / 2 - published[0]) / published[1]
    moved = (seen * colours[1] + colours[0]) * 2 - 1
    for one, other in zip(usual.of(images), given.of(moved), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-4)  # float32 near 0.2, times 255


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


def test_the_discriminator_of_another_run_judges_nothing(
    tiny: Callable[..., RunConfig], tmp_path: Path
) -> None:
    run = train(tiny({"metrics": {"names": []}, "training": {"total_kimg": 0.016}}))
    names, told = [], Told()
    store_generator(run / "mine.safetensors", resolution=32)
    shutil.copy(run / "generator-last.safetensors", run / "copied.safetensors")
    store_generator(tmp_path / "other.safetensors", resolution=32)
    for place in ("generator-last.safetensors", "mine.safetensors", "copied.safetensors"):
        found = choose_distance(read_generator(run / place), None, device=CPU, console=told)
        names.append([kind.name for kind in found.kinds])
    assert names == [["the discriminator", "pixels"], ["pixels"], ["pixels"]]
    shutil.copy(tmp_path / "other.safetensors", run / "generator-last.safetensors")
    found = choose_distance(read_generator(run, which="last"), None, device=CPU, console=told)
    assert [kind.name for kind in found.kinds] == ["pixels"]
    assert "sees images of another shape" in told.notes[-1]


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

    told = Told()

    def names(features: str | None = None) -> list[str]:
        found = choose_distance(stored, features, device=CPU, console=told)
        return [kind.name for kind in found.kinds]

    own = choose_distance(stored, None, device=CPU, console=SilentConsole()).described()[0]
    assert (own["side"], len(own["maps"])) == (32, 2)
    assert own["mean"] == [0.1, 0.2, 0.3]
    same = choose_distance(
        stored, layer["features"]["network"], device=CPU, console=SilentConsole()
    )
    assert same.described()[0] == own
    otherwise = choose_distance(
        stored,
        layer["features"]["network"],
        mean=(0.4, 0.5, 0.6),
        device=CPU,
        console=SilentConsole(),
    )
    assert otherwise.described()[0] == {**own, "mean": [0.4, 0.5, 0.6]}
    shutil.move(weights, tmp_path / "away.pth")
    assert names() == ["the discriminator", "pixels"]
    (note,) = told.notes
    assert note.startswith("Passed over is the network that the run was trained with, torchvision:")
    assert names(f"torchvision:mobilenet_v3_small:{tmp_path / 'away.pth'}")[0] != names()[0]


@pytest.mark.parametrize("network", ["torchvision:resnet18", "timm:test_vit"])
def test_a_network_that_a_file_names_is_not_downloaded_unasked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, network: str
) -> None:
    if network.startswith("timm:"):
        pytest.importorskip("timm", reason="timm is not installed")
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(WeightFile, "_download", lambda *_: pytest.fail("it is downloaded"))
    settings = resolve(
        build_config([{"features": {"network": network}}]),
        RunFacts(Resolution(16, 16), training_images=100, device="cpu"),
    ).as_dict()
    stored, told = (
        read_generator(store_generator(tmp_path / "a.safetensors", config=settings)),
        Told(),
    )
    found = choose_distance(stored, None, device=CPU, console=told)
    assert [kind.name for kind in found.kinds] == ["pixels"]
    assert told.notes[0].startswith(
        f"Passed over is the network that the run was trained with, {network}, which --features {network} downloads"
        " where it can: "
    )
